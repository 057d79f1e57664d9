"""Live previews that are replaced while they are served."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from starlette.responses import FileResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from studio.home.workspace import Workspace
from studio.ui.visitors.live_previews import LivePreviews


class Replacing:
    """An app that takes the length of its file before the worker replaces it, and opens it afterwards."""

    def __init__(self, path: Path, later: bytes) -> None:
        self.path, self.later = path, later

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = FileResponse(self.path, stat_result=os.stat(self.path))
        self.path.write_bytes(self.later)
        await response(scope, receive, send)


@pytest.mark.parametrize("num_bytes", [0, 10, 1_000, 64 * 1024, 200_000])
def test_a_preview_replaced_while_it_is_served_comes_whole(workspace: Workspace, num_bytes: int) -> None:
    path = workspace.previews / "job-7.jpg"
    path.write_bytes(b"a" * 1_000)
    later = b"b" * num_bytes
    client = TestClient(LivePreviews(Replacing(path, later), workspace=workspace))
    answer = client.get(f"/gradio_api/file={path}")
    assert answer.status_code == 200
    assert answer.content == later
    assert answer.headers["content-length"] == str(num_bytes)
    assert answer.headers["content-type"] == "image/jpeg"


def test_other_files_and_refusals_pass_as_they_are(workspace: Workspace) -> None:
    sent = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        sent.append(send)
        status = 404 if "missing" in scope["path"] else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})

    client = TestClient(LivePreviews(app, workspace=workspace))
    for path in ("/", f"/gradio_api/file={workspace.pictures}/job-7.png", "/gradio_api/file=%00/job-7.jpg"):
        assert client.get(path).content == b"no"
    assert client.get(f"/gradio_api/file={workspace.previews}/job-missing.jpg").status_code == 404
    assert len(sent) == 4  # each passed through once
