"""A hub on this machine that takes uploads: what `huggingface_hub` asks for, and nothing else.

Also the environment of a test whose CLIP is named by the hub, of which nothing is here yet.
"""

from __future__ import annotations

import base64
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.studio.models.hub_stand_in import Refusal, StandIn, hub_stand_in


@contextmanager
def clip_of_the_hub(
    monkeypatch: pytest.MonkeyPatch, cache: Path, named: str, *, refuse: dict[str, Refusal]
) -> Iterator[StandIn]:
    """`D4K_CLIP_B16` names a model of a hub that refuses what it is asked for; `cache` is where models would lie."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("D4K_CLIP_B16", named)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with hub_stand_in(StandIn(refuse=refuse)) as hub:
        template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield hub


@dataclass
class Hub:
    """Its address, and what it was given."""

    url: str = ""
    created: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    """Path in the repository -> content."""

    tokens: set[str] = field(default_factory=set)


@contextmanager
def serving_hub() -> Iterator[Hub]:
    hub = Hub()

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = self.headers.get("Content-Length")
            body = self.rfile.read(int(length)) if length is not None else self._chunks()
            hub.tokens.add(self.headers.get("Authorization", ""))
            self._answer(body)

        def do_GET(self) -> None:
            self._answer(b"")

        def _chunks(self) -> bytes:
            found = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            return found

        def _answer(self, body: bytes) -> None:
            path = self.path.partition("?")[0]
            if path == "/api/repos/create":
                hub.created.append(json.loads(body))
                return self._say({"url": f"{hub.url}/ada/hills", "name": "ada/hills"})
            if path == "/api/validate-yaml":
                return self._say({"errors": [], "warnings": []})
            if re.fullmatch(r"/api/models/ada/hills/preupload/main", path):
                named = [one["path"] for one in json.loads(body)["files"]]
                modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in named]
                return self._say({"files": modes, "commitOid": "0" * 40})
            if re.fullmatch(r"/api/models/ada/hills/commit/main", path):
                for line in body.splitlines():
                    entry = json.loads(line)
                    if entry["key"] == "file":
                        hub.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                return self._say(
                    {"commitUrl": f"{hub.url}/ada/hills/commit/{'1' * 40}", "commitOid": "1" * 40}
                )
            if path == "/api/models/ada/hills" or path.startswith("/api/models/ada/hills/revision/"):
                return self._say({"id": "ada/hills", "sha": "0" * 40, "siblings": [], "private": True})
            self._say({"error": f"no such route: {path}"}, status=404)

        def _say(self, values: dict[str, Any], *, status: int = 200) -> None:
            answer = json.dumps(values).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield hub
    server.shutdown()
    server.server_close()
