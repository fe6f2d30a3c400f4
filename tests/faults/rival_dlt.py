"""dlt set up as its documentation says, to load a bucket incrementally. A rival of `rivals.py`, not part of the tests."""

import os

import dlt
from dlt.sources.filesystem import filesystem, read_csv

files = filesystem(
    bucket_url=f"s3://{os.environ['S3_BUCKET']}",
    file_glob="**/*.csv*",
    credentials={
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "endpoint_url": os.environ["S3_ENDPOINT_URL"],
    },
)
files.apply_hints(incremental=dlt.sources.incremental("modification_date"))
pipeline = dlt.pipeline(
    "bookstore",
    destination=dlt.destinations.postgres(os.environ["DATABASE_URL"]),
    dataset_name="shop",
    pipelines_dir=os.environ["PIPELINES"],
)
purchases = (files | read_csv(dtype=str)).with_name("purchases")
purchases.apply_hints(columns={"purchased_at": {"data_type": "text"}})
pipeline.run(purchases, write_disposition="append")
