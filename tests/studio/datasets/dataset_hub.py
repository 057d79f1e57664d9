"""A hub on loopback with one dataset, as far as the streaming of `datasets` asks for it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

ID, COMMIT = "someone/pictures", "c" * 40


@dataclass
class DatasetHub:
    """What the hub holds, and what is to go wrong."""

    files: dict[str, bytes] = field(default_factory=dict)
    gated: bool = False
    dead_from: str | None = None
    """From the first request for a file of this name on, every connection is cut."""

    pause: threading.Event | None = None
    """Files of pictures wait for it from the second one on."""

    asked: list[str] = field(default_factory=list)
    endpoint: str = ""
    is_dead: bool = False


def digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def dataset_hub(hub: DatasetHub) -> Iterator[DatasetHub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        if hub.pause is not None:
            hub.pause.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: DatasetHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"POST {path}")
        if "/paths-info/" in path:
            wanted = json.loads(body)["paths"]
            self.say(200, [self.entry(name) for name in wanted if self.entry(name) is not None])
        else:
            self.say(404, {})

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.dead_from is not None and path.endswith(self.hub.dead_from):
            self.hub.is_dead = True
        if self.hub.is_dead:
            self.close_connection = True
            self.connection.close()
            return
        api, page = f"/api/datasets/{ID}", f"/datasets/{ID}/resolve/"
        if path.startswith(api):
            self.describe(path.removeprefix(api))
        elif path.startswith(page):
            self.send_file(path.removeprefix(page).partition("/")[2])
        elif path.startswith("/api/datasets/"):
            self.say(401, {}, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        else:
            self.say(404, {})

    def describe(self, rest: str) -> None:
        if rest == "/auth-check":
            if self.hub.gated:
                about = {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."}
                self.say(401, {}, about)
            else:
                self.say(200, {})
        elif rest.startswith("/tree/"):
            folder = rest.removeprefix("/tree/").partition("/")[2]
            self.say(200, self.tree(folder))
        elif rest.startswith("/revision/") and rest.rpartition("/")[2] not in (COMMIT, "main"):
            self.say(404, {}, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
        else:
            siblings = [
                {"rfilename": name, "size": len(content), "blobId": digest(content)}
                for name, content in self.hub.files.items()
            ]
            facts = {"id": ID, "sha": COMMIT, "private": False, "gated": "auto" if self.hub.gated else False}
            self.say(200, facts | {"tags": [], "downloads": 0, "likes": 0, "siblings": siblings})

    def tree(self, folder: str) -> list[dict[str, Any]]:
        recursive = "recursive=True" in self.path or "recursive=true" in self.path
        inside = [name for name in self.hub.files if not folder or name.startswith(f"{folder}/")]
        found: dict[str, dict[str, Any]] = {}
        for name in inside:
            parts = name.split("/")
            for depth in range(1, len(parts) + 1):
                path = "/".join(parts[:depth])
                beneath = not folder or path.startswith(f"{folder}/")
                direct = depth == (folder.count("/") + 2 if folder else 1)
                entry = self.entry(path)
                if beneath and (recursive or direct) and entry is not None:
                    found[path] = entry
        return list(found.values())

    def entry(self, path: str) -> dict[str, Any] | None:
        if path in self.hub.files:
            content = self.hub.files[path]
            return {"type": "file", "path": path, "size": len(content), "oid": digest(content)}
        if any(name.startswith(f"{path}/") for name in self.hub.files):
            return {"type": "directory", "path": path, "size": 0, "oid": digest(path.encode())}
        return None

    def send_file(self, name: str) -> None:
        if name not in self.hub.files:
            self.say(404, {}, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
            return
        content = self.hub.files[name]
        if self.hub.pause is not None and name.endswith(".png") and not name.endswith("0.png"):
            self.hub.pause.wait(30)
        whole = {"ETag": f'"{digest(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        asked = self.headers.get("Range")
        if asked is None:
            self.send(200, content, whole)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        end = min(len(content), int(last) + 1) if last else len(content)
        part = content[int(first) : end]
        self.send(206, part, whole | {"Content-Range": f"bytes {first}-{end - 1}/{len(content)}"})

    def say(self, status: int, what: object, headers: dict[str, str] | None = None) -> None:
        given = {} if headers is None else headers
        self.send(status, json.dumps(what).encode(), {"Content-Type": "application/json", **given})

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(content)
