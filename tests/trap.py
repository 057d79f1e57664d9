"""A secret, and a service on this machine that answers with it and notes who asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

CANARY = b"canary-5b1f: nobody may read this"


class Trap(BaseHTTPRequestHandler):
    """A service that only this machine reaches; it notes who asks."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/hop"):
            self.send_response(302)
            self.send_header("Location", "/inner")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(CANARY)))
        self.end_headers()
        self.wfile.write(CANARY)

    do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def trap_set() -> Iterator[str]:
    """Its address while it serves."""
    server = HTTPServer(("127.0.0.1", 0), Trap)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
