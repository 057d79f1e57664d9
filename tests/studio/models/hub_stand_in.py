"""A hub on loopback that answers as the real one does: lists, redirects of large files to another host, errors.

Small files come from the hub itself under git's SHA-1, large ones from the second server under their SHA-256, in
ranges too. What should go wrong is set by the test.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE_BYTES = 10_000


@dataclass
class Refusal:
    """What the hub answers in place of what was asked for."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Repository:
    files: dict[str, bytes]
    gated: bool = False
    version: int = 1

    @property
    def commit(self) -> str:
        return hashlib.sha1(f"version {self.version}".encode()).hexdigest()


@dataclass
class StandIn:
    repositories: dict[str, Repository] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    """Token to name."""

    admitted: set[str] = field(default_factory=set)
    """Tokens of those who accepted the licences."""

    refuse: dict[str, Refusal] = field(default_factory=dict)
    """By a part of the path."""

    cut_after_bytes: int | None = None
    """Of each answer of the second server, until it is None again."""

    num_cuts: int = 10**9
    whole_files_only: bool = False
    """The second server does not know ranges."""

    pause: threading.Event | None = None
    """The second server sends one chunk and waits for it."""

    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """(host, method and path, headers)"""

    endpoint: str = ""
    far_endpoint: str = ""

    def ranges(self) -> list[str]:
        """Of what was asked of the second server; "" for whole files."""
        return [
            headers.get("range", "") for host, line, headers in self.asked if host == "far" and "GET" in line
        ]


def git_digest(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def hub_stand_in(stand_in: StandIn) -> Iterator[StandIn]:
    servers = []
    for kind in (_Near, _Far):
        handler = type(kind.__name__, (kind,), {"hub": stand_in})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        servers.append((server, thread))
    stand_in.endpoint = f"http://127.0.0.1:{servers[0][0].server_port}"
    stand_in.far_endpoint = f"http://localhost:{servers[1][0].server_port}"
    try:
        yield stand_in
    finally:
        if stand_in.pause is not None:
            stand_in.pause.set()
        for server, thread in servers:
            server.shutdown()
            server.server_close()
            thread.join()


class _Answers(BaseHTTPRequestHandler):
    hub: StandIn
    host: str
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.asked.append((self.host, f"{self.command} {self.path}", headers))
        path = unquote(urlsplit(self.path).path)
        for part, refusal in self.hub.refuse.items():
            if part in path:
                self.say(refusal.status, b'{"error":"refused"}', refusal.headers)
                return
        self.answer(path)

    def answer(self, path: str) -> None:
        raise NotImplementedError

    def say(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({} if headers is None else headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def error(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message} if code else {"X-Error-Message": message}
        self.say(status, json.dumps({"error": message}).encode(), headers)


class _Near(_Answers):
    """The hub itself."""

    host = "near"

    def answer(self, path: str) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.hub.accounts:
            self.error(401, "", "Invalid credentials in Authorization header")
        elif path == "/api/whoami-v2":
            self.say(200, json.dumps({"type": "user", "name": self.hub.accounts[token]}).encode())
        elif path.startswith("/api/models/"):
            owner, name, *rest = path.removeprefix("/api/models/").split("/")
            self.describe(f"{owner}/{name}", rest, token)
        else:
            owner, name, _, revision, *rest = path.removeprefix("/").split("/")
            self.resolve(f"{owner}/{name}", revision, "/".join(rest), token)

    def find(self, hub_id: str, token: str) -> Repository | None:
        repository = self.hub.repositories.get(hub_id)
        if repository is None:  # to strangers the hub does not say whether it is missing or hidden
            self.error(404 if token else 401, "RepoNotFound", "Repository not found")
        return repository

    def may_read(self, hub_id: str, repository: Repository, token: str) -> bool:
        if not repository.gated or token in self.hub.admitted:
            return True
        who = "You are not in the authorized list" if token else "Please log in"
        self.error(403 if token else 401, "GatedRepo", f"Access to model {hub_id} is restricted. {who}.")
        return False

    def describe(self, hub_id: str, rest: list[str], token: str) -> None:
        if (repository := self.find(hub_id, token)) is None:
            return
        if rest == ["auth-check"]:
            if self.may_read(hub_id, repository, token):
                self.say(200, b"{}")
            return
        siblings = []
        for name, content in repository.files.items():
            one: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git_digest(content)}
            if len(content) >= LARGE_BYTES:
                one["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
            siblings.append(one)
        told = {
            "id": hub_id,
            "modelId": hub_id,
            "sha": repository.commit,
            "gated": "auto" if repository.gated else False,
            "private": False,
            "siblings": siblings,
        }
        self.say(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    def resolve(self, hub_id: str, revision: str, name: str, token: str) -> None:
        repository = self.find(hub_id, token)
        if repository is None or not self.may_read(hub_id, repository, token):
            return
        if revision not in ("main", repository.commit):
            self.error(404, "RevisionNotFound", "Invalid rev id")
        elif name not in repository.files:
            self.error(404, "EntryNotFound", "Entry not found")
        else:
            content = repository.files[name]
            commit = {"X-Repo-Commit": repository.commit}
            if len(content) < LARGE_BYTES:
                self.say(200, content, commit | {"ETag": f'"{git_digest(content)}"'})
                return
            large = {
                "X-Linked-Etag": f'"{sha256(content)}"',
                "X-Linked-Size": str(len(content)),
                "Location": f"{self.hub.far_endpoint}/{hub_id}/{name}?signed=1",
            }
            self.say(302, b"", commit | large)


class _Far(_Answers):
    """Where large files lie."""

    host = "far"

    def answer(self, path: str) -> None:
        owner, repository, *rest = path.removeprefix("/").split("/")
        content = self.hub.repositories[f"{owner}/{repository}"].files["/".join(rest)]
        asked = self.headers.get("Range")
        first = 0
        if asked is not None and not self.hub.whole_files_only:
            first = int(asked.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        self.send_body(content[first:])

    def send_body(self, body: bytes) -> None:
        limit = self.hub.cut_after_bytes
        if self.hub.pause is not None and len(body) > 2**16:
            self.wfile.write(body[: 2**16])
            self.wfile.flush()
            self.hub.pause.wait(20)
            body = body[2**16 :]
        elif limit is not None and self.hub.num_cuts > 0 and len(body) > limit:
            self.hub.num_cuts -= 1
            self.wfile.write(body[:limit])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(body)
