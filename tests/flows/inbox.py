"""A web server that a webhook block of a real Prefect posts to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from served_prefect import Served


class Inbox(BaseHTTPRequestHandler):
    """Where a webhook goes."""

    got: list[dict[str, str]]

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def inbox_of(served: Served, name: str) -> Iterator[list[dict[str, str]]]:
    """What a custom webhook block of this name, made anew, receives meanwhile."""
    got: list[dict[str, str]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Own", (Inbox,), {"got": got}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        served.webhook_block(name, url=f"http://127.0.0.1:{server.server_port}/")
        yield got
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
