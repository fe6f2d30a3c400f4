"""Loads hourly CSV purchases from S3 into Postgres, exactly once, and reports on them."""

__version__ = "0.1.0"
