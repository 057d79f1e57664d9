"""The previews of running renders are served whole although the worker replaces them meanwhile."""

from __future__ import annotations

from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.home.workspace import Workspace
from studio.ui.visitors.visitors import asked_file


class LivePreviews:
    """ASGI middleware: the length it announces for a live preview is that of the bytes it sends.

    The app behind it takes the length of a file first and opens it then. One that was replaced in between is sent with
    the length of its predecessor, and the browser shows neither.
    """

    def __init__(self, app: ASGIApp, *, workspace: Workspace) -> None:
        self._app, self._folder = app, workspace.previews.resolve()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = asked_file(scope["path"]) if scope["type"] == "http" else None
        if path is None or not self._is_live(Path(path)):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def gather(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and message["status"] == 200:
                start = message
            elif message["type"] == "http.response.body" and start is not None:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    others = [one for one in start["headers"] if one[0].lower() != b"content-length"]
                    length = (b"content-length", b"%d" % len(body))
                    await send({**start, "headers": [*others, length]})
                    await send({"type": "http.response.body", "body": body})
            else:
                await send(message)

        await self._app(scope, receive, gather)

    def _is_live(self, path: Path) -> bool:
        try:
            return path.stem.startswith("job-") and path.parent.resolve() == self._folder
        except (OSError, ValueError):  # such as a folder's name with a zero byte
            return False
