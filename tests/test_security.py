"""Attacks on the running app that must all fail: files beyond its folders, fetches, uploads, other sites, no login.

Not here: files with a payload (`test_untrusted_files`), strangers on a public host (`test_spaces`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.record import PictureRecord
from studio.render_request import RenderRequest
from tests.served_app import Visitor, served
from tests.trap import CANARY, Trap, trap_set

pytestmark = pytest.mark.process

HF_TOKEN = "hf_" + "SecretSecretSecretSecretSecretSec1"
PASSWORD = "pass-word-7"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder beside the home with a secret in it."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "secret.txt").write_bytes(CANARY)
    (folder / "secret.png").write_bytes(CANARY)
    (folder / "secret.safetensors").write_bytes(CANARY)
    return folder


@pytest.fixture(scope="module")
def home(outside: Path) -> Path:
    """With one picture, a note of its own, and links that lead out."""
    workspace = Workspace.open(outside / "home")
    image = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    request = RenderRequest(
        prompt="sea", width_px=256, height_px=256, num_inference_steps=2, guidance_scale=1, seed=1
    )
    Gallery(workspace).add(image, PictureRecord(settings=request))
    (workspace.root / "notes.txt").write_bytes(CANARY)
    (workspace.runs / "config.json").write_bytes(CANARY)
    (workspace.pictures / "link.png").symlink_to(outside / "secret.png")
    (workspace.looking / "link").symlink_to(outside, target_is_directory=True)
    (workspace.uploads / "link.txt").symlink_to(outside / "secret.txt")
    return workspace.root


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    with served(home, {"HF_TOKEN": HF_TOKEN}) as at:
        yield at


@pytest.fixture(scope="module")
def visitor(address: str) -> Iterator[Visitor]:
    one = Visitor(address)
    yield one
    one.close()


@pytest.fixture(scope="module")
def trap() -> Iterator[str]:
    with trap_set() as at:
        yield at


def refused(answer: httpx.Response) -> bool:
    return answer.status_code in (400, 401, 403, 404, 405, 422) and CANARY not in answer.content


def test_the_gallery_is_served_and_nothing_beside_it(visitor: Visitor, home: Path) -> None:
    picture = next(path for path in (home / "pictures").glob("2*.png"))
    assert visitor.file(picture).content == picture.read_bytes()
    for path in (home / "studio.db", home / "notes.txt", home / "runs" / "config.json", home / "logs"):
        assert refused(visitor.file(path)), path
    for path in (
        "/etc/passwd",
        "/proc/self/environ",
        "app.py",
        "README.md",
        ".git/config",
        "studio/models/lookup.py",
    ):
        assert refused(visitor.file(path)), path


@pytest.mark.parametrize(
    "way",
    [
        "{home}/pictures/../notes.txt",
        "{home}/pictures/%2e%2e/notes.txt",
        "{home}/pictures/..%2fnotes.txt",
        "{home}/pictures/..%5cnotes.txt",
        "{home}/pictures/%252e%252e/notes.txt",
        "{home}/pictures/thumbnails/../../../secret.txt",
        "{home}/cache/uploads/../../notes.txt",
        "{home}/cache/looking/../../notes.txt",
        "/{home}/notes.txt",
        "file://{home}/notes.txt",
        "{home}/notes.txt%00.png",
        "../../../../../../..{home}/notes.txt",
    ],
)
def test_no_traversal(visitor: Visitor, home: Path, way: str) -> None:
    target = way.format(home=home)
    for route in ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/static/", "/assets/", "/svelte/"):
        assert refused(visitor.client.get(f"{route}{target}")), route
    for query in ("deep_link", "upload_progress", "custom_component/1/server/component"):
        answer = visitor.client.get(f"/gradio_api/{query}/{target}", params={"upload_id": target})
        assert CANARY not in answer.content


@pytest.mark.parametrize(
    "link", ["pictures/link.png", "cache/looking/link/secret.txt", "cache/uploads/link.txt"]
)
def test_links_that_lead_out_are_not_followed(visitor: Visitor, home: Path, link: str) -> None:
    assert (home / link).read_bytes() == CANARY
    assert refused(visitor.file(home / link))


def test_an_upload_stays_in_its_folder(visitor: Visitor, home: Path, outside: Path) -> None:
    before = {path for path in outside.rglob("*") if not path.is_relative_to(home / "cache" / "uploads")}
    for name in (
        "../../escaped.png",
        "/tmp/escaped.png",
        "..\\..\\escaped.png",
        "a/../../../escaped.png",
        "a\0b.png",
    ):
        answer = visitor.upload(name, b"x")
        if answer.status_code == 200:
            kept = Path(answer.json()[0]).resolve()
            assert kept.is_relative_to(home / "cache" / "uploads"), name
    after = {path for path in outside.rglob("*") if not path.is_relative_to(home / "cache" / "uploads")}
    assert not [path for path in after - before if not path.name.startswith("studio.db-")]


def test_an_upload_has_a_limit(visitor: Visitor, home: Path) -> None:
    assert visitor.upload("small.png", b"x" * 1000).status_code == 200
    assert visitor.upload("large.png", b"y" * (2**20 + 2**16)).status_code == 413
    kept = [
        path for path in (home / "cache" / "uploads").rglob("*") if path.is_file() and not path.is_symlink()
    ]
    assert sum(path.stat().st_size for path in kept) < 2**20, "the refused upload was left on the disk"


def payloads(target: str) -> list[Any]:
    """Ways to name a file in an input that expects one, or expects something else."""
    whole = {
        "path": target,
        "url": target,
        "orig_name": "a.png",
        "size": 1,
        "mime_type": "image/png",
        "is_stream": False,
        "meta": {"_type": "gradio.FileData"},
    }
    return [whole, [whole], target, [target], {"nested": whole, "rows": [{"path": target, "deep": whole}]}]


thoroughly = pytest.mark.parametrize(
    "each", [pytest.param(1, id="once"), pytest.param(2, marks=pytest.mark.slow, id="in two events")]
)
"""How many of the events that read an input are called with payloads in that one alone."""


def call_everything(visitor: Visitor, target: str, each: int) -> Iterator[tuple[str, str]]:
    """Each event with each payload in all inputs, then in one while the others are as usual: (name, answer)."""
    usual = {number: one["props"].get("value") for number, one in visitor.components().items()}
    wish = {
        "action": "open",
        "id": target,
        "ids": [target],
        "pane": target,
        "keys": [target],
        "text": "a",
        "metric": "glcm_score",
        "delta": 1,
        "x": 1,
        "y": 1,
        "width": 99,
        "height": 99,
    }
    tried: Counter[int] = Counter()
    for event in visitor.events():
        inputs = event["inputs"]
        datas = [[payload for _ in inputs] for payload in payloads(target)]
        for place, number in enumerate(inputs):
            tried[number] += 1
            # The form's widgets feed many events, which read them in the same way.
            for payload in payloads(target)[: 3 * each : 3] if tried[number] <= each else ():
                data = [usual[number] for number in inputs]
                data[place] = payload
                datas.append(data)
        for data in datas:
            yield event["api_name"], json.dumps(visitor.call(event, data, event_data=wish))


@thoroughly
def test_no_event_hands_out_a_file_of_the_machine(
    visitor: Visitor, home: Path, outside: Path, each: int
) -> None:
    """Every event of the page, with the file named in every input in every form."""
    answered = 0
    for name, said in call_everything(visitor, str(outside / "secret.png"), each):
        answered += 1
        assert CANARY.decode() not in said, name
    assert answered > 300, "the fuzz called almost nothing"
    known = {"notes.txt", "config.json", "secret.txt", "secret.png", "secret.safetensors"}
    copies = [
        path
        for path in home.rglob("*")
        if path.is_file() and not path.is_symlink() and path.name not in known and CANARY in path.read_bytes()
    ]
    assert not copies, "a copy was made where the page serves files"


@thoroughly
def test_no_event_fetches_an_address(visitor: Visitor, trap: str, each: int) -> None:
    for _ in call_everything(visitor, f"{trap}/inner", each):
        pass
    for route in ("file=", "proxy="):
        for address in (f"{trap}/inner", f"{trap}/hop", trap.replace("127.0.0.1", "localhost") + "/inner"):
            answer = visitor.client.get(f"/gradio_api/{route}{address}")
            assert answer.status_code != 200
            assert CANARY not in answer.content
    assert Trap.asked == []


def test_the_trap_would_have_noticed(trap: str) -> None:
    assert httpx.get(f"{trap}/inner").content == CANARY
    assert Trap.asked.pop() == "/inner"


def test_another_site_gets_no_leave_to_read(visitor: Visitor) -> None:
    """A page of another origin in the same browser: the answer carries no permission, and a write is refused."""
    origin = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path in ("/config", "/gradio_api/info"):
        answer = visitor.client.get(path, headers=origin)
        assert answer.headers.get("access-control-allow-origin") in (None, ""), path
    asked = visitor.client.options(
        "/gradio_api/queue/join", headers=origin | {"Access-Control-Request-Method": "POST"}
    )
    assert "https://evil.example" not in asked.headers.get("access-control-allow-origin", "")


def test_no_secret_is_told(visitor: Visitor, home: Path) -> None:
    told = [
        visitor.client.get(path).text
        for path in ("/", "/config", "/gradio_api/info", "/gradio_api/openapi.json")
    ]
    told += [path.read_text(errors="replace") for path in (home / "logs").glob("*")]
    told.append((home.parent / f"{home.name}-server.log").read_text())
    assert not [text for text in told if HF_TOKEN in text]
    kept = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {"studio.db", ".png"} <= {*(path.name for path in kept), *(path.suffix for path in kept)}
    assert not [path for path in kept if HF_TOKEN.encode() in path.read_bytes()], "database, pictures, caches"


def test_a_password_guards_every_route(home: Path, outside: Path) -> None:
    with served(outside / "guarded", {"STUDIO_AUTH": f"me:{PASSWORD}"}) as at:
        workspace = Workspace(outside / "guarded")
        (workspace.pictures / "a.png").write_bytes(CANARY)
        with httpx.Client(base_url=at, timeout=30) as client:
            doors = [
                "/config",
                "/gradio_api/info",
                f"/gradio_api/file={workspace.pictures / 'a.png'}",
                "/monitoring",
            ]
            for door in doors:
                assert client.get(door).status_code in (401, 403, 404), door
            for door in ("/gradio_api/run/score", "/gradio_api/call/score", "/gradio_api/queue/join"):
                body = {"data": [None, ""], "fn_index": 5, "session_hash": "abc"}
                assert client.post(door, json=body).status_code == 401, door
            assert client.post("/gradio_api/upload", files={"files": ("a.png", b"x")}).status_code == 401
            assert client.post("/login", data={"username": "me", "password": "no"}).status_code == 400
            assert client.post("/login", data={"username": "me", "password": PASSWORD}).status_code == 200
            assert client.get(doors[2]).content == CANARY
            assert PASSWORD not in client.get("/").text + client.get("/config").text
