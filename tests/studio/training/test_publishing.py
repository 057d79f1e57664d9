"""A run as a repository: complete, readable, without this machine's paths; pushed private by default."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from finetune.config.files import from_values, parse_toml
from finetune.run_folder import RunFolder, create_run
from finetune.run_status import Status
from studio.models.hub_errors import HubError
from studio.training.publishing import loss_curve, push, write_repository


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = create_run(
        tmp_path / "runs",
        from_values(
            {
                "model": {"base": "assets/micro-4k"},
                "data": {
                    "source": str(tmp_path / "secret place" / "hills"),
                    "cache": str(tmp_path / "cache"),
                },
                "output": {"name": "hills", "trigger": "redhill", "notes": "Red hills."},
            }
        ),
    )
    for step in range(1, 101):
        made.append("steps.jsonl", {"step": step, "loss": 1 / step})
    for step, loss in ((0, 1.0), (100, 0.5)):
        made.append(
            "validation.jsonl",
            {"step": step, "loss": loss, "bands": dict.fromkeys(("ll", "lh", "hl", "hh"), loss)},
        )
    made.samples.mkdir()
    for step in (0, 100):
        path = made.samples / f"{step:06d}-00.png"
        Image.fromarray(np.full((1300, 1300, 3), step, np.uint8)).save(path)
        row = {
            "step": step,
            "index": 0,
            "seed": 7,
            "prompt": "a red hill",
            "file": f"samples/{path.name}",
            "error": None,
        }
        made.append("samples.jsonl", row)
    (made.path / "adapter").mkdir()
    (made.path / "adapter" / "pytorch_lora_weights.safetensors").write_bytes(b"weights")
    made.say(Status("done", step=100, num_steps=100))
    return made


def test_a_repository_is_complete_and_tells_no_path(run: RunFolder, tmp_path: Path) -> None:
    folder = write_repository(run, tmp_path / "out")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "pytorch_lora_weights.safetensors",
        "README.md",
        "recipe.toml",
        "loss.svg",
        "samples/00.jpg",
    }
    card = (folder / "README.md").read_text()
    front = dict(re.findall(r"^(\w+): (.+)$", card.split("---")[1], re.MULTILINE))
    assert json.loads(front["base_model"]) == "micro-4k"
    assert json.loads(front["license"]) == "apache-2.0"
    assert json.loads(front["instance_prompt"]) == "redhill"
    assert "lora" in json.loads(front["tags"])
    assert "| 0 | 1.0000 |" in card
    assert "| 100 | 0.5000 |" in card
    assert "a red hill" in card
    for text in (card, (folder / "recipe.toml").read_text()):
        assert str(tmp_path) not in text
        assert "secret place" not in text
    assert parse_toml((folder / "recipe.toml").read_text()).data.source == "hills"
    with Image.open(folder / "samples" / "00.jpg") as picture:
        assert picture.size == (1024, 1024)
        assert np.asarray(picture).mean() > 90, "of the last step"


def test_what_cannot_be_published_is_refused(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ValueError, match="exists already"):
        write_repository(run, tmp_path / "there")
    (run.path / "adapter").rename(run.path / "gone")
    with pytest.raises(ValueError, match="has left no weights yet"):
        write_repository(run, tmp_path / "out")
    with pytest.raises(ValueError, match="ACCOUNT/NAME"):
        push(tmp_path, "name", public=False, environ={})


def test_the_curve_falls_where_the_loss_falls() -> None:
    tree = ElementTree.fromstring(loss_curve([(step, 2.0 - step / 100) for step in range(1, 101)]))
    points = tree.find("{http://www.w3.org/2000/svg}polyline").attrib["points"].split()  # type: ignore[union-attr]
    heights = [float(point.split(",")[1]) for point in points]
    assert heights == sorted(heights)
    assert loss_curve([(1, 1.0), (2, 1.0)]).startswith("<svg")


@pytest.fixture
def hub() -> Iterator[tuple[str, list[tuple[str, dict[str, object]]]]]:
    """Answers the creation of a repository, and refuses all else with 403."""
    heard: list[tuple[str, dict[str, object]]] = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard.append((self.path, json.loads(body) if body.startswith(b"{") else {}))
            created = self.path == "/api/repos/create"
            answer = json.dumps(
                {"url": f"http://{self.headers['Host']}/ada/hills"} if created else {"error": "no"}
            )
            self.send_response(200 if created else 403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())

        do_GET = do_POST

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("public", [False, True])
def test_private_unless_said_otherwise_and_a_refusal_has_its_sentence(
    hub: tuple[str, list[tuple[str, dict[str, object]]]], run: RunFolder, tmp_path: Path, public: bool
) -> None:
    endpoint, heard = hub
    folder = write_repository(run, tmp_path / "out")
    with pytest.raises(HubError, match="allowed to write"):
        push(folder, "ada/hills", public=public, environ={"HF_ENDPOINT": endpoint, "HF_TOKEN": "hf_x"})
    created = dict(heard)["/api/repos/create"]
    assert created["name"] == "hills"
    assert created["organization"] == "ada"
    assert created.get("private", created.get("visibility") == "private") is not public
