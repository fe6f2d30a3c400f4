"""The commands that keep house: migrate, refresh, skip and prune."""

from __future__ import annotations

import click

from bookreport import catalogue, ledger, schema
from bookreport import prune as pruning
from bookreport.commands.options import HOUR, CommonOptions, output_options
from bookreport.commands.result import Result
from bookreport.commands.session import Session
from bookreport.errors import Usage
from bookreport.hours import Hour
from bookreport.present.state import migrated_json, pruned_json, pruned_table, refresh_json, skipped_json
from bookreport.present.words import instant


@click.command()
@click.option("--books", metavar="TABLE", help="The books table, as schema.table, where there are several.")
@output_options("table", "json")
@click.pass_obj
def migrate(options: CommonOptions, *, books: str | None, result: Result) -> int:
    """Create or upgrade bookreport's tables and the books view.

    Run it once before the first load, and after each upgrade. It can be run again at any time.
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
@output_options("table", "json")
@click.pass_obj
def refresh(options: CommonOptions, *, result: Result) -> int:
    """Bring the catalogue up to date with the books; write nothing where they have not changed.

    Each run that loads does this by itself, and so does a report of a role that may.
    """
    result.require_writable()
    with Session(options).migrated() as database:
        done = catalogue.refresh(database)
    if result.is_json:
        result.write_json(refresh_json(done))
    result.say(f"the catalogue is as of {instant(done.as_of)}")
    return 0


@click.command()
@click.option("--reason", required=True, metavar="TEXT", help="Why; told by status.")
@click.option("--hour", type=HOUR, required=True, metavar="HOUR", help="The hour to give up.")
@output_options("table", "json")
@click.pass_obj
def skip(options: CommonOptions, *, hour: Hour, reason: str, result: Result) -> int:
    """Give up an hour that is failed or never comes: no more tries, told in each report that covers it.

    To take it up again: bookreport run-hour --hour HOUR.
    """
    if not reason.strip():
        raise Usage("--reason is empty", hint="say why the hour is given up, for those who ask later")
    result.require_writable()
    with Session(options).migrated(books=False) as database:
        ledger.skip(database, hour, reason.strip())
    if result.is_json:
        result.write_json(skipped_json(hour, reason.strip()))
    result.say(f"{hour} is skipped; to take it up again: bookreport run-hour --hour {hour}")
    return 0


@click.command()
@click.option("--dry-run", is_flag=True, help="Tell what would go; write nothing.")
@click.option(
    "--rejects-before",
    type=HOUR,
    metavar="HOUR",
    help="Take the raw text of the rejects before this hour, and what reasons and errors quote of it.",
)
@click.option("--keep-sums", is_flag=True, help="Keep the sums by ISBN, so that reports still have books sold and sale value.")
@click.option("--from", "future", type=HOUR, metavar="HOUR", help="Take out all hours from this one on, which lies after now.")
@click.option("--before", type=HOUR, metavar="HOUR", help="Take the rows and rejects of the loaded hours before this.")
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
    """Take old rows away, or the raw text of old rejects and what their reasons and errors quote, which may name a person.

    What is known of the hours stays: they are never loaded again by themselves, and each report that covers them tells.
    But hours after now, that were loaded by mistake (--from), go wholly, and are loaded when they have come.
    """
    if before is None and rejects_before is None and future is None:
        raise Usage("give --before, --from or --rejects-before, or several")
    if keep_sums and before is None:
        raise Usage("--keep-sums goes with --before")
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
        result.say(f"{going.texts:,} raw texts of rejects {'would go' if dry_run else 'were taken away'}")
    elif not (going.months or going.mistaken):
        result.say("nothing to prune")
    return 0
