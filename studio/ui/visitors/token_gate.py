"""The door of a studio that others reach: every request shows the token first, and nothing is guessed quickly.

A browser shows it once, as `?token=` of any address, and gets a cookie for it; scripts and agents send
`Authorization: Bearer TOKEN`. Not here: accounts and tokens themselves (`studio.home.doors`); the login with user and
password, which is Gradio's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from math import ceil
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.home.doors import Attempts, derived, same

PARAMETER = "token"
_NO_TOKEN = (
    "This studio opens with its token: add ?token=… with the token of whoever started it to the address. "
    "Scripts send it as the header Authorization: Bearer …"
)
_WRONG_TOKEN = "This is not the studio's token. Ask whoever started the studio for it."
_TOO_MANY = "Too many wrong tries from this address; wait {seconds} seconds and try again."
_OWN_CALL = "/gradio_api/startup-events"
_LOGIN = "/login"
_START = "http.response.start"


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a request brought along."""

    cookie: str | None
    bearer: str | None
    parameter: str | None

    @property
    def guesses(self) -> list[str]:
        return [given for given in (self.bearer, self.parameter) if given is not None]


class TokenGate:
    """ASGI middleware before every route: files, queue, uploads, events and sockets alike."""

    def __init__(self, app: ASGIApp, *, token: str, attempts: Attempts) -> None:
        """`attempts` are shared with `LoginBrake` where both stand."""
        self._app, self._token, self._attempts = app, token, attempts
        # Cookies are shared by all ports of a host: two studios need two names.
        self._cookie = f"d4k-token-{derived(token, 'cookie name')[:8]}"
        self._cookie_value = derived(token, "cookie value")
        self._is_starting = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        shown = self._shown(scope)
        if shown.parameter is not None:
            # In place, for whoever writes a line about this request later, such as uvicorn's access log.
            scope["query_string"] = _without_token(scope["query_string"])
        if shown.cookie is not None and same(shown.cookie, self._cookie_value):
            await self._enter(shown, scope, receive, send)
            return
        if self._is_own_call(scope):
            await self._app(scope, receive, send)
            return
        if not shown.guesses:
            await _refuse(scope, send, 401, _NO_TOKEN)
            return
        address = _address(scope)
        if (seconds := self._attempts.wait_s(address)) > 0:
            await _refuse(scope, send, 429, _TOO_MANY, retry_s=ceil(seconds))
        elif not all(same(given, self._token) for given in shown.guesses):
            self._attempts.wrong(address)
            await _refuse(scope, send, 401, _WRONG_TOKEN)
        else:
            await self._enter(shown, scope, receive, send)

    async def _enter(self, shown: _Shown, scope: Scope, receive: Receive, send: Send) -> None:
        """To the app; a browser that came with `?token=` first gets its cookie and an address without it."""
        if shown.parameter is None or scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        safety = "; Secure" if _is_https(scope) else ""
        cookie = f"{self._cookie}={self._cookie_value}; Path=/; HttpOnly; SameSite=Lax{safety}"
        # Of a query alone, so that it holds behind a proxy that serves the studio under a path of its own.
        target = b"?" + scope["query_string"]
        await _answer(send, 303, b"", [(b"location", target), (b"set-cookie", cookie.encode())])

    def _shown(self, scope: Scope) -> _Shown:
        cookie = bearer = None
        for name, value in scope["headers"]:
            if name == b"cookie":
                cookie = _cookie_of(value, self._cookie) if cookie is None else cookie
            elif name == b"authorization" and value[:7].lower() == b"bearer ":
                bearer = value[7:].strip().decode("latin-1")
        given = [value for key, value in _query(scope["query_string"]) if key == PARAMETER]
        return _Shown(cookie, bearer, given[-1] if given else None)

    def _is_own_call(self, scope: Scope) -> bool:
        """What Gradio asks of its own server while it starts: this path, and then HEAD of the page, which ends it.

        A stranger's address is never the one that the server answers at.
        """
        client, server = scope.get("client"), scope.get("server")
        if not self._is_starting or scope["type"] != "http" or client is None or server is None:
            return False
        if client[0] != server[0]:
            return False
        if scope["method"] == "HEAD" and scope["path"] == "/":
            self._is_starting = False
        return bool(scope["path"] == _OWN_CALL)


class LoginBrake:
    """ASGI middleware: an address that failed to log in too often waits before its next try."""

    def __init__(self, app: ASGIApp, *, attempts: Attempts) -> None:
        self._app, self._attempts = app, attempts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != _LOGIN:
            await self._app(scope, receive, send)
            return
        address = _address(scope)
        if (seconds := self._attempts.wait_s(address)) > 0:
            await _refuse(scope, send, 429, _TOO_MANY, retry_s=ceil(seconds))
            return
        self._attempts.wrong(address)  # before the answer is known: tries sent all at once count too

        async def watched(message: Message) -> None:
            if message["type"] == _START and message["status"] < 400:
                self._attempts.right(address)
            await send(message)

        await self._app(scope, receive, watched)


def _query(query: bytes) -> list[tuple[str, str]]:
    return parse_qsl(query.decode("latin-1"), keep_blank_values=True)


def _without_token(query: bytes) -> bytes:
    return urlencode([(key, value) for key, value in _query(query) if key != PARAMETER]).encode()


def _cookie_of(header: bytes, name: str) -> str | None:
    try:
        morsel = SimpleCookie(header.decode("latin-1")).get(name)
    except CookieError:
        return None
    return None if morsel is None else morsel.value


def _address(scope: Scope) -> str:
    return "unknown" if scope.get("client") is None else str(scope["client"][0])


def _is_https(scope: Scope) -> bool:
    proxied = dict(scope["headers"]).get(b"x-forwarded-proto", b"").split(b",")[0].strip()
    return scope.get("scheme") in ("https", "wss") or proxied == b"https"


async def _refuse(scope: Scope, send: Send, status: int, sentence: str, *, retry_s: int = 0) -> None:
    """A page for browsers, JSON for the rest; a socket is closed before it opens."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "no token"})
        return
    sentence = sentence.format(seconds=retry_s)
    accepts = dict(scope["headers"]).get(b"accept", b"")
    if b"text/html" in accepts:
        kind = b"text/html; charset=utf-8"
        body = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Diffusion-4K Studio</title>'
            '<meta name="viewport" content="width=device-width"><body style="font:16px/1.5 system-ui;margin:3em">'
            f"<p>{sentence}</p></body></html>"
        ).encode()
    else:
        kind, body = b"application/json", json.dumps({"detail": sentence}).encode()
    extra = [(b"content-type", kind)]
    extra.append((b"retry-after", b"%d" % retry_s) if retry_s else (b"www-authenticate", b"Bearer"))
    await _answer(send, status, b"" if scope["method"] == "HEAD" else body, extra)


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Kept by no cache, and the address that led here is told to nobody."""
    always = [
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": _START, "status": status, "headers": [*headers, *always]})
    await send({"type": "http.response.body", "body": body})
