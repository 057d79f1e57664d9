"""Datasets of a hub on loopback, read by the process that does it: whole, cut, stopped, killed, refused."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.data.dataset import open_dataset
from finetune.data.hub_dataset import FetchSettings
from finetune.data.hub_stream import HubSource
from studio.datasets.fetching import Fetched, Fetches, fetch, fetch_folder
from studio.home.workspace import Workspace
from tests.studio.datasets.dataset_hub import COMMIT, ID, DatasetHub, dataset_hub

pytestmark = pytest.mark.process

needs_library = pytest.mark.skipif(
    importlib.util.find_spec("datasets") is None, reason="the extra `hub` is not installed"
)

SOURCE = HubSource(hub_id=ID)


def picture(number: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


PICTURES = [picture(n) for n in range(4)]


@pytest.fixture
def hub() -> Iterator[DatasetHub]:
    files = {f"train/p{n}.png": content for n, content in enumerate(PICTURES)}
    lines = [json.dumps({"file_name": f"p{n}.png", "text": f"caption {n}"}) for n in range(len(PICTURES))]
    files["train/metadata.jsonl"] = ("\n".join(lines) + "\n").encode()
    with dataset_hub(DatasetHub(files=files)) as running:
        yield running


@pytest.fixture
def environ(hub: DatasetHub, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return kept | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf")}


def run(
    environ: dict[str, str], folder: Path, source: HubSource = SOURCE, limit: int | None = None
) -> Fetched:
    settings = FetchSettings(max_pictures=limit)
    return fetch(source, folder, settings, told=lambda *_: True, environ=environ)


def captions(folder: Path) -> list[str | None]:
    return [item.caption for item in open_dataset(folder).items]


@needs_library
@pytest.mark.slow  # the library asks for 23 s again before it gives up
def test_what_came_before_the_network_went_stays_and_is_gone_on_with(
    hub: DatasetHub, environ: dict[str, str], tmp_path: Path
) -> None:
    hub.dead_from = "p2.png"
    with pytest.raises(ValueError, match=r"cannot be reached; check the network .* what is here stays"):
        run(environ, tmp_path / "here")
    assert captions(tmp_path / "here") == ["caption 0", "caption 1"]
    hub.dead_from, hub.is_dead = None, False
    hub.asked.clear()
    end = run(environ, tmp_path / "here")
    assert (end.pictures, end.words) == (4, "4 pictures, the whole split")
    assert captions(tmp_path / "here") == [f"caption {n}" for n in range(4)]
    assert [(tmp_path / "here" / f"00000{n}.png").read_bytes() for n in range(4)] == PICTURES
    assert not [line for line in hub.asked if line.endswith(("p0.png", "p1.png"))], (
        "what is here is not asked for"
    )
    assert json.loads((tmp_path / "here" / "fetch.json").read_text())["source"]["revision"] == COMMIT


@needs_library
def test_refusals_are_sentences_and_leave_nothing(
    hub: DatasetHub, environ: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"there is no dataset someone/nowhere .* misspelt"):
        run(environ, tmp_path / "here", HubSource(hub_id="someone/nowhere"))
    hub.gated = True
    with pytest.raises(ValueError, match=r"is gated: accept its licence at http.*/datasets/someone/pictures"):
        run(environ, tmp_path / "here")
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE forbids it"):
        run(environ | {"HF_HUB_OFFLINE": "1"}, tmp_path / "here")
    with pytest.raises(ValueError, match="HF_ENDPOINT must be an http address"):
        run(environ | {"HF_ENDPOINT": "nowhere"}, tmp_path / "here")
    assert not (tmp_path / "here").exists()


@needs_library
def test_it_stops_while_nothing_comes_and_goes_on(
    hub: DatasetHub, environ: dict[str, str], workspace: Workspace
) -> None:
    hub.pause = threading.Event()
    fetches = Fetches(workspace, environ)
    assert fetches.start(ID)
    assert not fetches.start(ID), "one at a time"
    deadline = time.monotonic() + 60
    while fetches.state.done < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert fetches.state.words.startswith("1 ")
    fetches.stop()
    state = fetches.wait(60)
    assert (state.state, state.words) == ("stopped", "stopped at 1 picture; start again to go on")
    hub.pause.set()
    assert fetches.start(ID, max_pictures=3)
    state = fetches.wait(60)
    assert (state.state, state.words) == ("done", "3 pictures, as many as were asked for")
    assert fetches.folder == workspace.datasets / "pictures"
    assert captions(workspace.datasets / "pictures") == [f"caption {n}" for n in range(3)]


def test_where_a_dataset_is_fetched_to(workspace: Workspace) -> None:
    assert fetch_folder(workspace, SOURCE) == workspace.datasets / "pictures"
    (workspace.datasets / "pictures").mkdir()
    assert fetch_folder(workspace, SOURCE) == workspace.datasets / "pictures-2"
    assert fetch_folder(workspace, SOURCE, "mine") == workspace.datasets / "mine"
    for name in ("../mine", ".hidden", "", "a/b"):
        with pytest.raises(ValueError, match="dataset's name"):
            fetch_folder(workspace, SOURCE, name)
