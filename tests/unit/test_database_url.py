"""What DATABASE_URL may be; nothing is contacted."""

import pytest

from bookreport.database import Database
from bookreport.errors import Configuration

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:p@{PASSWORD}@db/shop",
        f"postgresql://me:{PASSWORD}@a/b@db/shop",
        f"postgresql://me/you:{PASSWORD}@db/shop",
        f"postgresql://db/shop?password=a@{PASSWORD}",
        f"postgresql://me:{PASSWORD}",
        f"postgresql://me:{PASSWORD}%00@db/shop",
        f"postgresql://me:{PASSWORD}@db:99999/shop",
        f"postgresql://me:{PASSWORD}@db/shop?port=x",
        f"postgresql://me:{PASSWORD}@db/shop?host=one:1&host=two",
        f"postgresql://me:{PASSWORD}@db/shop?sslmode=require&sslmode=disable",
        f"{PASSWORD}://me:you@db/shop",
        f"{PASSWORD}",
        f"mysql://me:{PASSWORD}@db/shop",
    ],
)
def test_what_is_no_url_of_a_postgres_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(Configuration, match="DATABASE_URL") as caught:
        Database(url)
    assert PASSWORD not in caught.value.message + str(caught.value.hint)


@pytest.mark.parametrize(
    "option",
    ["foo=1", "async=1", "cursor_factory=x", "connection_factory=x", "dsn=x", "plugin=x", "replication=database", "a b=1"],
)
def test_an_option_that_libpq_does_not_know_is_refused_by_name(option: str) -> None:
    with pytest.raises(Configuration, match=f"the option '{option.partition('=')[0]}'"):
        Database(f"postgresql://db/shop?{option}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgres://me:a%40b%2Fc@db:5432/shop",
        "postgresql://me:a/b?c#d:e@db/shop",
        "postgresql+psycopg2://me@[::1]:5432/shop",
        "postgresql://me@/shop?host=/var/run/postgresql&port=5433",
        "postgresql://me@/shop?host=one:5432&host=two:5433&target_session_attrs=read-write",
        "postgresql://me@db/shop?sslmode=verify-full&sslrootcert=/etc/ca.pem&options=-c%20role%3Dloader",
    ],
)
def test_what_libpq_can_take_is_taken(url: str) -> None:
    Database(url).close()
