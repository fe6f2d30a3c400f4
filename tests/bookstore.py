"""A bookstore's bucket and catalogue: writes hours, files and books as the tests want them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from copy import copy

import boto3

from bookreport.demo import Store
from bookreport.hours import Hour
from truth import Book, Purchase, check_digit

HOUR = Hour.parse("2024-05-01T13")
BUCKET = "bookstore"
COLUMNS = {name: name for name in ("user_id", "isbn10", "quantity", "unit_price")}
FULL_NAMES = {"user_id": "User ID", "isbn10": "ISBN-10", "quantity": "Qty", "unit_price": "Price"}


def isbn(number: int) -> str:
    nine = f"{number:09}"
    return nine + check_digit(nine)


ENGLISH, SPANISH, FRENCH, POCKET, AUDIO = isbn(30640615), isbn(14044913), isbn(207036002), isbn(842041214), isbn(80442957)
UNKNOWN = isbn(999999998)
BOOKS = (
    Book(ENGLISH, "Hardcover", "English"),
    Book(SPANISH, "Hardcover", "Spanish"),
    Book(FRENCH, "Paperback", "French"),
    Book(POCKET, "Paperback", "Spanish"),
    Book(AUDIO, "Audiobook", "English"),
)


def csv_file(purchases: Iterable[Purchase], columns: Mapping[str, str] = COLUMNS, *, line_end: str = "\n") -> bytes:
    """Return a CSV file with these columns, in this order; `columns` maps each to its name in the header."""
    output = io.StringIO(newline="")
    writer = csv.writer(output, lineterminator=line_end)
    writer.writerow(columns.values())
    writer.writerows([getattr(purchase, column) for column in columns] for purchase in purchases)
    return output.getvalue().encode()


class Bookstore:
    """Writes into the bucket; `prefix` is empty or ends in `/`."""

    def __init__(self, store: Store, bucket: str = BUCKET, prefix: str = "") -> None:
        self.store, self.bucket, self.prefix = store, bucket, prefix
        self.client = boto3.client(
            "s3",
            endpoint_url=store.endpoint_url,
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            region_name="us-east-1",
        )

    def below(self, prefix: str) -> Bookstore:
        """Return the one who writes below a prefix of the same bucket."""
        other = copy(self)
        other.prefix = prefix
        return other

    def put(self, key: str, content: bytes = b"") -> None:
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=content)

    def write(self, hour: Hour, key: str, content: bytes) -> None:
        self.put(hour.partition + key, content)

    def remove(self, hour: Hour, key: str) -> None:
        self._delete([self.prefix + hour.partition + key])

    def close(self, hour: Hour) -> None:
        self.put(f"{hour.partition}FULL")

    def fill(self, hour: Hour, *contents: bytes) -> None:
        """Write a complete hour of these files, purchases-1.csv and so on."""
        for number, content in enumerate(contents, 1):
            self.write(hour, f"purchases-{number}.csv", content)
        self.close(hour)

    def make_empty(self) -> None:
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            self._delete([entry["Key"] for entry in page.get("Contents", [])])

    def _delete(self, keys: list[str]) -> None:
        """Delete objects, and the folders left empty: S3 has no folders, but SeaweedFS lists them for minutes."""
        folders = {key[: slash.end()] for key in keys for slash in re.finditer("/", key)}
        # Contents go before their folder; a folder that is not empty stays.
        gone = sorted({*keys, *folders}, reverse=True)
        for start in range(0, len(gone), 1000):
            self.client.delete_objects(
                Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in gone[start : start + 1000]]}
            )


def write_books(sql: Callable[..., list[tuple[object, ...]]], books: Iterable[Book], table: str = "public.books") -> None:
    """Drop the books table and make it anew, as `DataFrame.to_sql(if_exists="replace")` does."""
    sql(f"drop table if exists {table}")
    sql(f'create table {table} ("index" bigint, "ISBN-10" text, "Format" text, "Language" text)')
    for number, book in enumerate(books):
        sql(f"insert into {table} values (%s, %s, %s, %s)", number, book.isbn10, book.format, book.language)
