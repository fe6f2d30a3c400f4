"""The maintenance commands: migrate, roles, refresh, skip, unskip, prune, forget and erase."""

from __future__ import annotations

from itertools import chain

import click

from bookreport import catalogue, days, ledger, schema
from bookreport import erase as erasing
from bookreport import prune as pruning
from bookreport import roles as duties
from bookreport.commands.options import (
    HOUR,
    ROLE,
    TABLE,
    CommonOptions,
    common_options,
    output_options,
    span_of,
    span_options,
)
from bookreport.commands.result import Result
from bookreport.commands.session import Session
from bookreport.errors import Usage
from bookreport.hours import EXAMPLE, Hour, Span
from bookreport.present.state import (
    erased_json,
    erased_table,
    erased_words,
    forgotten_json,
    forgotten_table,
    forgotten_words,
    migrated_json,
    pruned_json,
    pruned_table,
    refresh_json,
    skipped_json,
    unskipped_json,
)
from bookreport.present.words import counted, instant
from bookreport.rows import BLANKS


@click.command()
@click.option(
    "--books",
    type=TABLE,
    metavar="TABLE",
    help="The books table or view, as schema.table, if migrate can't find it or finds several.",
)
@output_options("table", "json")
@click.pass_obj
def migrate(options: CommonOptions, *, books: str | None, result: Result) -> int:
    """Create or upgrade bookreport's tables and the books view.

    Run it before the first load and after each upgrade. Running it again does no harm.
    """
    result.require_writable()
    with Session(options).database() as database:
        table = schema.migrate(database, books)
    if result.is_json:
        result.write_json(migrated_json(database.schema, table, schema.newest_revision()))
    else:
        result.say(f"the tables are in schema {database.schema}, the books are in {table}")
    return 0


@click.command()
@click.option(
    "--books",
    type=TABLE,
    metavar="TABLE",
    default="public.books",
    show_default=True,
    help="The books table or view, as schema.table.",
)
@click.option(
    "--books-role",
    type=ROLE,
    metavar="ROLE",
    default="bookreport_books",
    show_default=True,
    help="Reads the books, and nothing else; created without a login if it doesn't exist.",
)
@click.option("--reader", type=ROLE, required=True, metavar="ROLE", help="Runs report, and SQL on the views.")
@click.option("--loader", type=ROLE, required=True, metavar="ROLE", help="Loads; can't drop, alter or grant.")
@click.option("--owner", type=ROLE, required=True, metavar="ROLE", help="Runs migrate, prune and erase.")
@common_options
@click.pass_obj
def roles(options: CommonOptions, *, owner: str, loader: str, reader: str, books_role: str, books: str) -> int:
    """Print the SQL that sets up separate roles for owner, loader and reader.

    Read it, run it as a superuser, then run migrate as the owner, which grants the rights and keeps them right from then on.
    It makes --owner the owner of everything in bookreport's schema. Run it as often as you like. The three roles must exist.
    """
    given = duties.Roles(owner, loader, reader, books_role)
    click.echo(duties.script(given, Session(options).settings.schema, books))
    return 0


@click.command()
@span_options
@output_options("table", "json")
@click.pass_obj
def refresh(options: CommonOptions, *, since: Hour | None, until: Hour | None, result: Result) -> int:
    """Update the catalogue from the books table if the books have changed.

    Loads do this by themselves, and so do reports if the role has the privileges. With --since or --until, also build the
    closed days that begin in that span and are not built, such as those loaded before an upgrade; every run builds some.
    """
    span_of(since, until)
    result.require_writable()
    session = Session(options)
    built = 0
    with session.migrated() as database:
        done = catalogue.refresh(database)
        if since or until:
            missing = days.missing(database, since, until, session.settings.earliest)
            built = sum(1 for _ in session.progress(days.build(database, missing), len(missing), "Building days"))
    if result.is_json:
        result.write_json(refresh_json(done, built))
    result.say(f"the catalogue is as of {instant(done.as_of)}" + (f"; {counted(built, 'day')} built" if since or until else ""))
    return 0


@click.command()
@click.option("--far", is_flag=True, help="Confirm an hour that lies further from the known ones than the look-back.")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is given up, shown by status.")
@span_options
@click.option("--hour", type=HOUR, metavar="HOUR", help="The hour to give up; or else a span: --since and --until.")
@output_options("table", "json")
@click.pass_obj
def skip(
    options: CommonOptions,
    *,
    hour: Hour | None,
    since: Hour | None,
    until: Hour | None,
    reason: str,
    far: bool,
    result: Result,
) -> int:
    """Give up an hour that failed or never arrived.

    It is not retried and raises no alarm; reports that cover it say so. If it is complete after all, check says so, and
    bookreport run-hour --hour HOUR loads it. Of a span, all hours are given up; if one of them is loaded, none.
    """
    span = span_of(since, until)
    if hour and not (since or until):
        span = Span.of_hour(hour)
    elif hour or not span:
        raise Usage("give either --hour, or --since and --until", hint=f"for one hour: --hour {EXAMPLE}")
    if not reason.strip():
        raise Usage("--reason is empty", hint="say why the hour is given up; status and reports will show it")
    result.require_writable()
    session = Session(options)
    with session.migrated(books=False) as database:
        ledger.skip(database, span, reason.strip(), within=None if far else session.settings.lookback)
    if result.is_json:
        result.write_json(skipped_json(span, reason.strip()))
    if len(span) == 1:
        result.say(f"{span.since} is skipped; to undo: bookreport unskip --hour {span.since}")
    else:
        result.say(f"{counted(len(span), 'hour')}, {span}, are skipped; to undo, for each: bookreport unskip --hour HOUR")
    return 0


@click.command()
@click.option("--hour", type=HOUR, required=True, metavar="HOUR", help="The skipped hour.")
@output_options("table", "json")
@click.pass_obj
def unskip(options: CommonOptions, *, hour: Hour, result: Result) -> int:
    """Take back a skip: the hour is as it was before.

    If it had failed, every run tries it again; if it was never tried, nothing is known about it.
    """
    result.require_writable()
    with Session(options).migrated(books=False) as database:
        status = ledger.unskip(database, hour)
    if result.is_json:
        result.write_json(unskipped_json(hour, status))
    result.say(f"{hour} is no longer skipped; it is {'failed, as before' if status else 'as if it had never been tried'}")
    return 0


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be deleted; write nothing.")
@click.option(
    "--rejects-before",
    type=HOUR,
    metavar="HOUR",
    help="Delete the raw text of rejects before this hour, and what reasons and errors quote of it.",
)
@click.option("--keep-sums", is_flag=True, help="Keep the sums, so that reports still have books sold and sale value.")
@click.option(
    "--from",
    "future",
    type=HOUR,
    metavar="HOUR",
    help="Delete all hours from this one on, which must be more than an hour in the future.",
)
@click.option("--before", type=HOUR, metavar="HOUR", help="Delete rows and rejects of loaded hours before this one.")
@output_options("table", "json")
@click.pass_obj
def prune(
    options: CommonOptions,
    *,
    before: Hour | None,
    future: Hour | None,
    keep_sums: bool,
    rejects_before: Hour | None,
    dry_run: bool,
    result: Result,
) -> int:
    """Delete old rows, or the text of old rejects, which may contain personal data.

    The ledger keeps pruned hours: they are loaded again only by name (--hour), and reports that cover them say so.
    Future hours that were loaded by mistake (--from) are deleted entirely, and loaded again when their time comes.
    """
    if before is None and rejects_before is None and future is None:
        raise Usage("give at least one of --before, --from and --rejects-before")
    if keep_sums and before is None:
        raise Usage("--keep-sums needs --before")
    result.require_writable()
    with Session(options).migrated(books=False) as database:
        going = pruning.plan(database, before, keep_sums=keep_sums, future=future, rejects_before=rejects_before)
        if not dry_run:
            pruning.carry_out(database, going)
    if result.is_json:
        result.write_json(pruned_json(going.months + going.mistaken, going.texts, dry_run=dry_run))
    elif going.months or going.mistaken:
        result.write(pruned_table(going.months + going.mistaken))
    if rejects_before:
        result.say(f"{going.texts:,} raw texts of rejects {'would be deleted' if dry_run else 'were deleted'}")
    elif not (going.months or going.mistaken):
        result.say("nothing to prune")
    return 0


@click.command()
@click.option("--yes", is_flag=True, help="Do it; without it, only say how much would be removed, and exit 2.")
@click.option(
    "--hour", "hours", type=HOUR, multiple=True, required=True, metavar="HOUR", help="The hour to forget; may be repeated."
)
@output_options("table", "json")
@click.pass_obj
def forget(options: CommonOptions, *, hours: tuple[Hour, ...], yes: bool, result: Result) -> int:
    """Remove an hour from all tables and from the ledger, as if it had never been seen.

    For test data, or hours of a wrong bucket: their rows, rejects and sums are deleted. The history of loads keeps their
    attempts, and files that run-hour wrote stay. An hour that is complete in the bucket is pending again, so remove it there
    first.
    """
    result.require_writable()
    with Session(options).migrated(books=False) as database:
        found = pruning.known(database, hours)
        if found and not yes:
            raise Usage(f"this would remove {forgotten_words(found)}", hint="to do it, add --yes")
        for known in found:
            pruning.forget(database, Span.of_hour(known.hour))
        pruning.vacuum(database, [known.hour for known in found])
    if result.is_json:
        result.write_json(forgotten_json(found))
    elif found:
        result.write(forgotten_table(found))
    result.say(
        f"{counted(len(found), 'hour')} forgotten; what is complete in the bucket is pending again"
        if found
        else "nothing is known of these hours"
    )
    return 0


@click.command()
@click.option("--yes", is_flag=True, help="Do it; without it, only say how much would be changed, and exit 2.")
@click.option(
    "--user", "users", multiple=True, required=True, metavar="ID", help="The user's id, exactly as stored; may be repeated."
)
@output_options("table", "json")
@click.pass_obj
def erase(options: CommonOptions, *, users: tuple[str, ...], yes: bool, result: Result) -> int:
    """Replace a user's id by a random one in purchases, rejects and errors; every figure stays as it was.

    It is one transaction, and reads all purchases once. In rejects, every field that equals the id is replaced; nobody is told
    the new id. Files in the bucket, backups, and other columns kept in extra are out of its reach: it prints the hours whose
    files have the id. Have them rewritten, because loading one of them again brings the id back.
    """
    ids = tuple(dict.fromkeys(user.strip(BLANKS) for user in users))
    if not all(ids):
        raise Usage("--user is empty", hint="give the id as it is in the files")
    result.require_writable()
    with Session(options).migrated(books=False) as database:
        found = erasing.traces(database, ids)
        if any(found.values()) and not yes:
            told = erased_words(erasing.by_hour(chain.from_iterable(found.values())))
            raise Usage(f"this would change {told}", hint="to do it, add --yes")
        changed = erasing.erase(database, {user: [trace.hour for trace in of_user] for user, of_user in found.items()})
    if result.is_json:
        result.write_json(erased_json(changed, len(ids)))
    elif changed:
        result.write(erased_table(changed))
    if not changed:
        result.say("nothing to erase")
        return 0
    result.say(
        f"{counted(len(ids), 'user')} erased. Out of reach: the files of these hours in the bucket (have them rewritten:"
        " loading one again brings the id back), backups, and names in other columns kept in extra"
    )
    return 0
