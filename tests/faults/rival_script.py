"""The usual script: list, COPY, commit, then a line in a ledger. A rival of `rivals.py`, not part of the tests."""

import gzip
import os
import re

import boto3
import psycopg2

HOUR = re.compile(r"year=(\d+)/month=(\d+)/day=(\d+)/hour=(\d+)/")

s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT_URL"])
bucket = os.environ["S3_BUCKET"]
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
keys = sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))
connection = psycopg2.connect(os.environ["DATABASE_URL"])
with connection, connection.cursor() as cursor:
    cursor.execute("select hour from ledger")
    done = {hour for (hour,) in cursor.fetchall()}
for marker in [key for key in keys if key.endswith("/FULL")]:
    partition = HOUR.match(marker)
    assert partition
    hour = "{}-{}-{}T{}".format(*partition.groups())
    if hour in done:
        continue
    with connection, connection.cursor() as cursor:
        for key in [key for key in keys if key.startswith(marker.removesuffix("FULL")) and ".csv" in key]:
            body = s3.get_object(Bucket=bucket, Key=key)["Body"]
            cursor.copy_expert(
                "copy purchases (user_id, isbn10, quantity, unit_price, purchased_at) from stdin (format csv, header)",
                gzip.GzipFile(fileobj=body) if key.endswith(".gz") else body,
            )
    with connection, connection.cursor() as cursor:
        cursor.execute("insert into ledger values (%s)", (hour,))
