"""Visitors of a public host: told apart by a cookie, each with jobs and pictures that others cannot read.

The cookie is a secret of the browser; the database keeps its hash. Not here: what belongs to whom
(`studio.home.ownership`).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

from gradio.context import LocalContext
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.home.ownership import Owners, Topic
from studio.home.workspace import Workspace

COOKIE = "d4k-visitor"
NOBODY = "nobody"
"""The viewer where no request is at hand: it owns nothing."""

KEEP_S = 365 * 24 * 3600
_SECRET = re.compile(r"[A-Za-z0-9_-]{32}")
_FILE_ROUTE = re.compile(r"/file[=/](?P<path>.*)", re.DOTALL)


def visitor() -> str:
    """The key of whoever sent the request that is being answered; for `studio.home.ownership.Viewer`."""
    request = LocalContext.request.get(None)
    cookie = None if request is None else request.cookies.get(COOKIE)
    return key_of(cookie) if isinstance(cookie, str) and _SECRET.fullmatch(cookie) else NOBODY


def visitor_address() -> str:
    """Where the request came from, by the word of the host's own proxy; empty where no request is at hand.

    The word can be forged by who sends it along: a brake on the careless, beside limits that count everybody.
    """
    request = LocalContext.request.get(None)
    if request is None:
        return ""
    forwarded = str(request.headers.get("x-forwarded-for", "")).split(",")[0].strip()
    client = request.client
    return (forwarded or (client.host if client is not None else ""))[:64]


def key_of(secret: str) -> str:
    """What the database keeps in place of the cookie."""
    return hashlib.sha256(secret.encode()).hexdigest()[:32]


class VisitorGate:
    """ASGI middleware: gives each browser its cookie, and serves files of pictures to their owner alone."""

    def __init__(self, app: ASGIApp, *, workspace: Workspace) -> None:
        self._app, self._workspace, self._owners = app, workspace, Owners(workspace.database)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        secret, is_new = _secret_of(scope)
        if (path := asked_file(scope["path"])) is not None:
            allowed = await run_in_threadpool(self._may_read, path, key_of(secret))
            if not allowed:
                await _not_found(send)
                return
        if not is_new:
            await self._app(scope, receive, send)
            return

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], _set_cookie(scope, secret)]}
            await send(message)

        cookies = (b"cookie", f"{COOKIE}={secret}".encode())
        headers = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
        old = [value for name, value in scope["headers"] if name == b"cookie"]
        joined = (b"cookie", b"; ".join([*(_without_ours(value) for value in old), cookies[1]]))
        await self._app({**scope, "headers": [*headers, joined]}, receive, with_cookie)

    def _may_read(self, path: str, key: str) -> bool:
        """Of pictures, their views and previews. Everything else the app guards itself."""
        try:
            asked = Path(path).resolve()
        except (OSError, ValueError):  # such as a name with a zero byte
            return False
        folders = (self._workspace.pictures, self._workspace.previews)
        if not any(asked.is_relative_to(folder.resolve()) for folder in folders):
            return True
        topic: Topic = "jobs" if asked.stem.startswith("job-") else "pictures"
        return self._owners.of(topic, asked.stem.removeprefix("job-")) == key


def _secret_of(scope: Scope) -> tuple[str, bool]:
    """(the browser's secret, whether it was made just now)"""
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                morsel = SimpleCookie(value.decode("latin-1")).get(COOKIE)
            except CookieError:
                continue
            if morsel is not None and _SECRET.fullmatch(morsel.value):
                return morsel.value, False
    return secrets.token_urlsafe(24), True


def _without_ours(header: bytes) -> bytes:
    parts = [part.strip() for part in header.split(b";")]
    return b"; ".join(part for part in parts if not part.startswith(f"{COOKIE}=".encode()))


def _set_cookie(scope: Scope, secret: str) -> tuple[bytes, bytes]:
    """Behind https also inside the frame of another site, as the hub shows its Spaces."""
    proxied = dict(scope["headers"]).get(b"x-forwarded-proto", b"").split(b",")[0].strip()
    is_https = scope.get("scheme") == "https" or proxied == b"https"
    place = "SameSite=None; Secure; Partitioned" if is_https else "SameSite=Lax"
    return b"set-cookie", f"{COOKIE}={secret}; Path=/; Max-Age={KEEP_S}; HttpOnly; {place}".encode()


def asked_file(path: str) -> str | None:
    """The file that the address of a request names; None where it names none."""
    found = _FILE_ROUTE.search(path)
    return None if found is None else found["path"]


async def _not_found(send: Send) -> None:
    body = b'{"detail":"File not found"}'
    headers: list[Any] = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
