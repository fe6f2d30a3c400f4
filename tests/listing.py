"""An S3 store with ten years of hours in a few megabytes: it lists by delimiter, and each hour has the same single file."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from bookreport.hours import Hour

WRITTEN = "2024-05-01T00:00:00.000Z"


class Listing:
    """The entries below each prefix that ends in a slash."""

    def __init__(self, hours: Iterable[Hour], content: bytes) -> None:
        self.content = content
        self.etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self.below: dict[str, set[str]] = {}
        for hour in hours:
            parts = hour.partition.split("/")[:-1]
            for depth, part in enumerate(parts):
                self.below.setdefault("".join(f"{name}/" for name in parts[:depth]), set()).add(f"{part}/")
            self.below[hour.partition] = {"FULL", "purchases.csv"}

    def answer(self, prefix: str, delimiter: str) -> str:
        folder, _, begun = prefix.rpartition("/")
        names = sorted(name for name in self.below.get(f"{folder}/" if folder else "", ()) if name.startswith(begun))
        entries = []
        for name in names:
            key = f"{folder}/{name}" if folder else name
            if not name.endswith("/"):
                size = 0 if name == "FULL" else len(self.content)
                entries.append(
                    f"<Contents><Key>{escape(key)}</Key><LastModified>{WRITTEN}</LastModified>"
                    f'<ETag>"{self.etag}"</ETag><Size>{size}</Size></Contents>'
                )
            elif delimiter:
                entries.append(f"<CommonPrefixes><Prefix>{escape(key)}</Prefix></CommonPrefixes>")
            else:
                raise NotImplementedError("the tool lists below an hour alone without a delimiter")
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(entries)}</ListBucketResult>"


@contextmanager
def served(hours: Iterable[Hour], content: bytes) -> Iterator[str]:
    """Give the URL of a store that holds these hours, each complete and with one file."""
    listing = Listing(hours, content)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            options = parse_qs(asked.query)
            if "list-type" in options:
                body = listing.answer(options["prefix"][0] if "prefix" in options else "", options.get("delimiter", [""])[0])
                self._send(200, body.encode())
            else:
                self._send(206, listing.content)

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{listing.etag}"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
