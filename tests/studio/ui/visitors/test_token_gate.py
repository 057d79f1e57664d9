"""The gate before an app of two routes and a socket: who gets through, with what, and how often one may guess."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from studio.home.doors import Attempts, derived
from studio.ui.visitors.token_gate import LoginBrake, TokenGate

TOKEN = "correct-horse-battery-staple"
OTHER = "correct-horse-battery-stable"
PAGE = {"accept": "text/html,*/*"}


async def tell(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"inside {request.url.query}")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("inside")
    await websocket.close()


async def login(request: Request) -> PlainTextResponse:
    right = (await request.body()) == b"right"
    return PlainTextResponse("", status_code=200 if right else 400)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> TestClient:
    app = Starlette(
        routes=[
            Route("/a/b", tell, methods=["GET", "POST"]),
            Route("/gradio_api/startup-events", tell),
            WebSocketRoute("/socket", talk),
        ]
    )
    gate = TokenGate(app, token=TOKEN, attempts=Attempts(most=3, clock=clock))
    return TestClient(gate, base_url="http://studio.lan", follow_redirects=False)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_without_a_token_nothing_is_told(client: TestClient) -> None:
    for path in ("/a/b", "/gradio_api/startup-events", "/nowhere"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json()["detail"].startswith("This studio opens with its token")
    page = client.get("/a/b", headers=PAGE)
    assert page.status_code == 401
    assert page.headers["content-type"].startswith("text/html")
    assert "<p>This studio opens with its token" in page.text
    assert client.head("/a/b").content == b""


def test_scripts_send_a_header(client: TestClient) -> None:
    assert client.get("/a/b", headers=bearer(TOKEN)).text == "inside "
    assert client.post("/a/b", headers=bearer(TOKEN)).text == "inside "
    assert client.get("/a/b", headers={"authorization": f"bearer {TOKEN}"}).status_code == 200
    for wrong in (bearer(OTHER), bearer(TOKEN + "x"), bearer("")):
        assert client.get("/a/b", headers=wrong).status_code == 401
    assert "cookie" not in client.get("/a/b", headers=bearer(TOKEN)).request.headers


def test_a_browser_shows_it_once(client: TestClient) -> None:
    first = client.get(f"/a/b?x=1&token={TOKEN}&y=%26", headers=PAGE)
    assert (first.status_code, first.headers["location"]) == (303, "?x=1&y=%26")
    assert (first.headers["referrer-policy"], first.headers["cache-control"]) == ("no-referrer", "no-store")
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    assert client.get(f"/a/b{first.headers['location']}").text == "inside x=1&y=%26"
    again = client.get(f"/a/b?token={TOKEN}")  # an old bookmark
    assert (again.status_code, again.headers["location"]) == (303, "?")


def test_behind_https_the_cookie_stays_there(client: TestClient) -> None:
    answer = client.get(f"/a/b?token={TOKEN}", headers={"x-forwarded-proto": "https"})
    assert answer.headers["set-cookie"].endswith("; Secure")


def test_a_cookie_of_another_token_is_worth_nothing(client: TestClient) -> None:
    name = f"d4k-token-{derived(TOKEN, 'cookie name')[:8]}"
    for value in (TOKEN, derived(OTHER, "cookie value"), derived(TOKEN, "cookie name"), ""):
        assert client.get("/a/b", headers={"cookie": f"{name}={value}"}).status_code == 401
    right = derived(TOKEN, "cookie value")
    assert client.get("/a/b", headers={"cookie": f"{name}={right}"}).status_code == 200


def test_a_write_with_the_parameter_goes_on_without_it(client: TestClient) -> None:
    assert client.post(f"/a/b?token={TOKEN}&x=1").text == "inside x=1"
    assert client.post(f"/a/b?token={OTHER}&x=1").status_code == 401
    assert client.get(f"/a/b?token={TOKEN}&token={OTHER}").status_code == 401


def test_sockets_are_guarded_too(client: TestClient) -> None:
    with client.websocket_connect("/socket", headers=bearer(TOKEN)) as talking:
        assert talking.receive_text() == "inside"
    for headers in ({}, bearer(OTHER)):
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            client.websocket_connect("/socket", headers=headers),
        ):
            pass
        assert refused.value.code == 1008


def test_guessing_is_slowed_and_the_known_browser_goes_on(client: TestClient, clock: Clock) -> None:
    client.get(f"/a/b?token={TOKEN}")
    cookies = dict(client.cookies)
    client.cookies.clear()
    for _ in range(3):
        assert client.get("/a/b", headers=bearer(OTHER)).status_code == 401
    refused = client.get("/a/b", headers=bearer(TOKEN))  # right, and not even looked at
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert (
        refused.json()["detail"] == "Too many wrong tries from this address; wait 60 seconds and try again."
    )
    assert client.get(f"/a/b?token={TOKEN}").status_code == 429
    client.cookies.update(cookies)
    assert client.get("/a/b").status_code == 200
    client.cookies.clear()
    assert client.get("/a/b").status_code == 401  # asks nothing, so it is told what is asked
    clock.now += 60
    assert client.get("/a/b", headers=bearer(TOKEN)).status_code == 200


def test_logging_in_is_slowed(clock: Clock) -> None:
    brake = LoginBrake(
        Starlette(routes=[Route("/login", login, methods=["POST"]), Route("/a/b", tell)]),
        attempts=Attempts(most=3, clock=clock),
    )
    client = TestClient(brake)
    for _ in range(5):  # right ones do not count
        assert client.post("/login", content="right").status_code == 200
    for _ in range(3):
        assert client.post("/login", content="wrong").status_code == 400
    assert client.post("/login", content="right").status_code == 429
    assert client.get("/a/b").status_code == 200
    clock.now += 60
    assert client.post("/login", content="right").status_code == 200


def test_what_the_server_asks_itself_passes_while_it_starts() -> None:
    """Gradio calls its own start-up route, then looks whether its page answers; strangers are refused all along."""
    answered: list[int] = []

    async def inner(scope: object, receive: object, send: object) -> None:
        answered.append(200)

    gate = TokenGate(inner, token=TOKEN, attempts=Attempts())

    def ask(method: str, path: str, client: str) -> int:
        told: list[Message] = []

        async def send(message: Message) -> None:
            told.append(message)

        async def receive() -> Message:
            return {"type": "http.request"}

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [],
            "client": (client, 40000),
            "server": ("192.168.1.7", 7860),
        }
        before = len(answered)
        asyncio.run(gate(scope, receive, send))
        return 200 if len(answered) > before else int(told[0]["status"])

    start = ("GET", "/gradio_api/startup-events")
    assert ask(*start, "192.168.1.9") == 401
    assert ask(*start, "192.168.1.7") == 200
    assert ask("GET", "/", "192.168.1.7") == 401
    assert ask("HEAD", "/", "192.168.1.9") == 401
    assert ask(*start, "192.168.1.7") == 200
    assert ask("HEAD", "/", "192.168.1.7") == 401  # the last of Gradio's
    assert ask(*start, "192.168.1.7") == 401


@pytest.fixture
def logged() -> Iterator[tuple[str, list[str]]]:
    """A server that writes a line about each request, as uvicorn does unless told otherwise."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    log = logging.getLogger("uvicorn.access")
    handler = Keep()
    gate = TokenGate(Starlette(routes=[Route("/a/b", tell)]), token=TOKEN, attempts=Attempts())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(gate, port=port, log_level="info", lifespan="off"))
    log.addHandler(handler)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}", lines
    server.should_exit = True
    thread.join()
    log.removeHandler(handler)


def test_no_log_line_tells_the_token(logged: tuple[str, list[str]]) -> None:
    address, lines = logged
    for token in (TOKEN, OTHER):
        httpx.get(f"{address}/a/b?x=1&token={token}")
    assert [line.split('"')[1] for line in lines] == ["GET /a/b?x=1 HTTP/1.1"] * 2
    assert not [line for line in lines if "correct-horse" in line]
