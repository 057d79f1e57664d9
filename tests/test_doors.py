"""The whole app behind its doors, over real HTTP on loopback: a token before every route, a login, and their words.

Not here: the gate by itself (`tests.studio.ui.visitors.test_token_gate`), strangers on a public host (`test_spaces`).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from studio.home.workspace import Workspace
from studio.queue.table import JobTable
from tests.served_app import ROOT, SERVE, Visitor, free_port, served

pytestmark = pytest.mark.process

TOKEN = "correct-horse-battery-staple"
CANARY = b"canary-7c2e: only with the token"
ROUTES = """
import json
from starlette.routing import Mount

def told(routes):
    for route in routes:
        if hasattr(route, "original_router"):  # newer FastAPI keeps an included router whole
            yield from told(route.original_router.routes)
        else:
            path = route.path + ("/x" if isinstance(route, Mount) else "")
            yield path, sorted(getattr(route, "methods", None) or ["GET"])

with open(os.environ["TEST_ROUTES"] + ".part", "w") as file:
    json.dump(list(told(demo.app.routes)), file)
os.replace(file.name, os.environ["TEST_ROUTES"])
demo.block_thread()
"""
ENDLESS = ("/gradio_api/heartbeat", "/gradio_api/dev/reload", "/gradio_api/upload_progress")


@dataclass
class Guarded:
    address: str
    home: Path
    routes: list[tuple[str, list[str]]]

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=30, headers=headers)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("machine") / "home"
    workspace = Workspace.open(home)
    (workspace.pictures / "a.png").write_bytes(CANARY)
    routes = home.parent / "routes.json"
    environment = {"D4K_TOKEN": TOKEN, "TEST_ROUTES": str(routes)}
    with served(home, environment, code=SERVE.replace("demo.block_thread()\n", ROUTES)) as at:
        until = time.monotonic() + 30
        while not routes.is_file():  # written once launch() has returned
            assert time.monotonic() < until
            time.sleep(0.05)
        yield Guarded(at, home, json.loads(routes.read_text()))


def requests(guarded: Guarded) -> Iterator[tuple[str, str]]:
    for path, methods in guarded.routes:
        for method in methods:
            yield method, re.sub(r"{[^}]*}", "x", path)


def status(client: httpx.Client, method: str, path: str) -> int:
    """Of the answer's head alone: some routes never end."""
    with client.stream(method, path) as answer:
        return answer.status_code


def test_every_route_is_closed_without_the_token(guarded: Guarded) -> None:
    asked = list(requests(guarded))
    assert len(asked) > 60
    assert ("POST", "/gradio_api/upload") in asked
    with guarded.client() as client:
        assert {request: status(client, *request) for request in asked} == dict.fromkeys(asked, 401)


def test_every_route_is_open_with_it(guarded: Guarded) -> None:
    """Open to the route's own answer, whatever it makes of a request without a body."""
    with guarded.client(authorization=f"Bearer {TOKEN}") as client:
        for method, path in requests(guarded):
            if not path.startswith(ENDLESS):
                assert status(client, method, path) not in (401, 429), (method, path)


def test_a_browser_gets_a_cookie_and_the_queue_answers_it(guarded: Guarded) -> None:
    """Through the queue: the answer comes as a stream of server-sent events."""
    visitor = Visitor(guarded.address)
    assert visitor.client.get("/").status_code == 401
    entered = visitor.client.get(f"/?token={TOKEN}", headers={"accept": "text/html"})
    assert (entered.status_code, entered.headers["location"]) == (303, "?")
    assert "Diffusion-4K Studio" in visitor.client.get("/").text
    event, usual = visitor.event("generate", "click"), visitor.components()
    assert event["queue"] is not False
    form = [usual[number]["props"].get("value") for number in event["inputs"]]
    form[0] = "mountains at dusk, cloudy sky"
    assert visitor.call(event, form)["success"]
    assert [job.label for job in JobTable(guarded.home / "studio.db").jobs()] == [form[0]]
    picture = guarded.home / "pictures" / "a.png"
    assert visitor.file(picture).content == CANARY
    assert visitor.upload("a.txt", b"x").status_code == 200
    visitor.close()


def test_files_and_uploads_are_closed(guarded: Guarded) -> None:
    with guarded.client() as client:
        for path in (guarded.home / "pictures" / "a.png", guarded.home / "studio.db"):
            answer = client.get(f"/gradio_api/file={path}")
            assert answer.status_code == 401
            assert CANARY not in answer.content
        assert client.post("/gradio_api/upload", files={"files": ("b.txt", b"x")}).status_code == 401
    assert not list((guarded.home / "cache" / "uploads").rglob("b.txt"))
    with guarded.client(authorization=f"Bearer {TOKEN}") as client:
        assert client.post("/gradio_api/upload", files={"files": ("b.txt", b"x")}).status_code == 200
    assert list((guarded.home / "cache" / "uploads").rglob("b.txt"))


def test_the_token_is_told_nowhere(guarded: Guarded) -> None:
    with guarded.client(authorization=f"Bearer {TOKEN}") as client:
        client.get("/", params={"token": TOKEN})
        told = [
            client.get(path).text for path in ("/", "/config", "/gradio_api/info", "/gradio_api/openapi.json")
        ]
    told += [path.read_text(errors="replace") for path in guarded.home.parent.glob("*.log")]
    told += [path.read_text(errors="replace") for path in guarded.home.rglob("*") if path.is_file()]
    assert not [text for text in told if TOKEN in text]


def serve(tmp_path: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    told = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environment}
    command = [sys.executable, "-m", "studio.cli.main", "serve", "--home", str(tmp_path / "home"), *words]
    return subprocess.run(
        command, cwd=ROOT, env=told, capture_output=True, text=True, timeout=60, check=False
    )


def test_an_address_that_others_reach_is_refused_without_a_door(tmp_path: Path) -> None:
    done = serve(tmp_path, "--host", "0.0.0.0", "--port", str(free_port()))
    assert done.returncode == 2
    assert done.stderr.startswith("d4k: at 0.0.0.0 anyone who reaches this machine could use the studio")
    assert not (tmp_path / "home").exists()
    program = [sys.executable, str(ROOT / "app.py")]
    told = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "STUDIO_HOME": str(tmp_path / "home")}
    asked = subprocess.run(
        program,
        cwd=ROOT,
        env=told | {"STUDIO_HOST": "0.0.0.0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert asked.returncode == 1
    assert "anyone who reaches this machine" in asked.stderr


def test_serve_makes_a_token_and_asks_for_a_login_too(tmp_path: Path) -> None:
    """As a user does it: the address that is printed opens the login, whose failures are slowed."""
    words = ["serve", "--home", str(tmp_path / "home"), "--port", str(free_port())]
    told = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "D4K_TOKEN": TOKEN}
    process = subprocess.Popen(
        [sys.executable, "-m", "studio.cli.main", *words, "--token", "auto", "--auth", "ann:hunter22"],
        cwd=ROOT,
        env=told,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        address, token = re.search(r"(http://\S+)/\?token=([\w-]{43})\n", lines[1]).groups()  # type: ignore[union-attr]
        assert "hunter22" not in " ".join(psutil.Process(process.pid).cmdline())
        with httpx.Client(base_url=address, timeout=30) as client:
            assert client.post("/login", data={"username": "ann", "password": "hunter22"}).status_code == 401
            assert (
                client.get("/", params={"token": TOKEN}).status_code == 401
            )  # --token auto goes before D4K_TOKEN
            assert client.get("/", params={"token": token}).status_code == 303
            assert client.get("/config").status_code == 401
            for _ in range(8):
                wrong = client.post("/login", data={"username": "ann", "password": "no"})
            assert wrong.status_code == 400
            assert client.post("/login", data={"username": "ann", "password": "hunter22"}).status_code == 200
            assert client.get("/config").status_code == 200
            assert client.post("/login", data={"username": "ann", "password": "no"}).status_code == 400
            assert client.post("/login", data={"username": "ann", "password": "hunter22"}).status_code == 429
        (worker,) = (
            one for one in psutil.Process(process.pid).children() if "studio.work.worker" in one.cmdline()
        )
        assert not {"STUDIO_AUTH", "D4K_TOKEN"} & worker.environ().keys()
    finally:
        for child in psutil.Process(process.pid).children():  # a worker outlives its server
            child.kill()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
