"""Sample data looks like a bookstore's, judged by counts over the files."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain

import pytest

from bookreport.hours import Hour
from bookreport.sample import Plan, Shop
from truth import check_digit

FIRST = Hour.parse("2022-12-08T00")
COLUMNS = {
    "user_id": {"user_id", "User ID", "customer_id"},
    "isbn10": {"isbn10", "ISBN-10", "isbn"},
    "quantity": {"quantity", "Qty", "copies"},
    "unit_price": {"unit_price", "Price", "book_price"},
    "purchased_at": {"purchased_at", "Purchased At", "timestamp"},
}

Purchase = Mapping[str, str]


def read(shop: Shop, hour: Hour) -> list[Purchase]:
    return [purchase for _, content in shop.files(hour) for purchase in rows(content)]


def rows(content: bytes) -> Iterator[Purchase]:
    text = (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode()
    for row in csv.DictReader(io.StringIO(text)):
        yield {column: next(row[name] for name in names if name in row) for column, names in COLUMNS.items()}


def users(purchases: list[Purchase]) -> set[str]:
    return {purchase["user_id"] for purchase in purchases}


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(Plan(FIRST))


@pytest.fixture(scope="module")
def day(shop: Shop) -> list[list[Purchase]]:
    """The purchases of each hour of the first day."""
    return [read(shop, FIRST + number) for number in range(24)]


def percent_of_spanish(shop: Shop, purchases: list[Purchase]) -> float:
    spanish = {book.isbn10 for book in shop.books if book.language == "Spanish"}
    return 100 * len(users([purchase for purchase in purchases if purchase["isbn10"] in spanish])) / len(users(purchases))


def test_the_same_seed_makes_the_same_data_and_another_seed_makes_other(shop: Shop) -> None:
    same, other = Shop(Plan(FIRST)), Shop(Plan(FIRST, seed=2))
    assert (same.books, list(same.files(FIRST))) == (shop.books, list(shop.files(FIRST)))
    assert not {book.isbn10 for book in other.books} >= {book.isbn10 for book in shop.books}
    assert users(read(other, FIRST)) != users(read(shop, FIRST)) != users(read(shop, FIRST + 24))


def test_the_mean_hour_of_a_day_has_as_many_rows_as_asked_for(day: list[list[Purchase]]) -> None:
    assert sum(map(len, day)) == 24 * 5000


def test_few_buy_at_night_and_most_in_the_evening(day: list[list[Purchase]]) -> None:
    counts = list(map(len, day))
    assert max(counts[2:6]) * 4 < 5000
    assert min(counts[19:23]) * 2 > 5000 * 3
    assert max(range(24), key=counts.__getitem__) in range(19, 23)


def test_purchases_lie_within_their_hour_in_the_order_of_time(day: list[list[Purchase]]) -> None:
    times = [purchase["purchased_at"] for purchase in chain(*day)]
    assert times == sorted(times)
    assert [{purchase["purchased_at"][:13] for purchase in purchases} for purchases in day] == [
        {str(FIRST + number)} for number in range(24)
    ]


def test_few_books_sell_most_and_most_books_sell(shop: Shop, day: list[list[Purchase]]) -> None:
    sold = Counter(purchase["isbn10"] for purchase in chain(*day))
    best = [copies for _, copies in sold.most_common()]
    assert sum(best[:500]) * 2 > sum(best)
    assert best[0] * 20 < sum(best)
    assert len({book.isbn10 for book in shop.books} & sold.keys()) * 10 > 9 * len(shop.books)


def test_a_quarter_of_a_days_users_buy_in_spanish_and_an_hours_share_is_like_it(shop: Shop, day: list[list[Purchase]]) -> None:
    assert 24 <= percent_of_spanish(shop, list(chain(*day))) <= 26
    shares = [percent_of_spanish(shop, purchases) for purchases in day]
    assert min(shares) >= 20
    assert max(shares) <= 27


def test_users_come_back(shop: Shop, day: list[list[Purchase]]) -> None:
    first, second = users(list(chain(*day))), users([row for number in range(24, 48) for row in read(shop, FIRST + number)])
    assert len(first & second) * 2 > len(second)
    assert len(first) * 3 > sum(map(len, day))


def test_one_sale_in_a_hundred_is_of_no_book_and_every_isbn_is_one(shop: Shop, day: list[list[Purchase]]) -> None:
    known = {book.isbn10 for book in shop.books}
    sold = [purchase["isbn10"] for purchase in chain(*day)]
    assert round(100 * sum(isbn not in known for isbn in sold) / len(sold), 1) == 1.0
    assert all(isbn == isbn[:9] + check_digit(isbn[:9]) for isbn in known.union(sold))


def test_dirt_damages_as_many_rows_as_asked_for_and_no_other() -> None:
    clean, dirty = (read(Shop(Plan(FIRST, rows=500, dirt=dirt)), FIRST) for dirt in (0, 7))
    damaged = [(one, other) for one, other in zip(clean, dirty, strict=True) if one != other]
    assert len(damaged) == 7
    assert all(other == {**one, "unit_price": "n/a"} for one, other in damaged)


@pytest.mark.parametrize(("rows", "titles", "dirt"), [(0, 1, 5), (1, 1, 5), (3, 2, 0), (100, 20, 500)])
def test_a_small_shop_is_a_shop(rows: int, titles: int, dirt: int) -> None:
    shop = Shop(Plan(FIRST, rows=rows, titles=titles, dirt=dirt))
    assert len(shop.books) == titles
    evening = read(shop, FIRST + 21)
    assert len(evening) == round(rows * 2.4)
    assert sum(purchase["unit_price"] == "n/a" for purchase in evening) == min(dirt, len(evening))
