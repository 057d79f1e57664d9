"""The app as a Space with a lent GPU: it starts, draws in place, and keeps visitors apart from one another.

The package `spaces` is emulated as far as the app uses it: a decorator that asks for a duration and passes
arguments as a fork gets them. Attacks that need no visitors: `test_security`; the limits without a server:
`tests.studio.visitors.test_limits`.
"""

from __future__ import annotations

import html
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.job import Job
from studio.queue.table import JobTable
from tests.emulated_spaces import EMULATED
from tests.served_app import Visitor, served

pytestmark = pytest.mark.process

PROMPT = "mountains at dusk, cloudy sky"


@dataclass
class Space:
    address: str
    home: Path
    lent: Path

    @property
    def jobs(self) -> JobTable:
        return JobTable(self.home / "studio.db")

    def ended(self, job_id: int) -> Job:
        until = time.monotonic() + 90
        while (job := self.jobs.get(job_id)).state in ("queued", "running"):
            assert time.monotonic() < until, job
            time.sleep(0.1)
        return job


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    root = tmp_path_factory.mktemp("space")
    (root / "packages" / "spaces").mkdir(parents=True)
    (root / "packages" / "spaces" / "__init__.py").write_text(EMULATED)
    environment = {
        "SPACE_ID": "ada/studio",
        "SPACE_AUTHOR_NAME": "ada",
        "SYSTEM": "spaces",
        "SPACES_ZERO_GPU": "true",
        "STUDIO_HOST": "127.0.0.1",
        "HF_HUB_OFFLINE": "1",
        "TEST_LENT": str(root / "lent.jsonl"),
        "PYTHONPATH": str(root / "packages"),
    }
    with served(
        root / "home", environment, code="import sys; sys.path.insert(0, '.'); import app; app.main()"
    ) as at:
        yield Space(at, root / "home", root / "lent.jsonl")


@pytest.fixture(scope="module")
def ada(space: Space) -> Iterator[Visitor]:
    visitor = Visitor(space.address)
    yield visitor
    visitor.close()


@pytest.fixture(scope="module")
def eve(space: Space) -> Iterator[Visitor]:
    visitor = Visitor(space.address)
    yield visitor
    visitor.close()


def submit(visitor: Visitor, **changes: Any) -> dict[str, Any]:
    """Press Generate with a small picture in the form."""
    event = visitor.event("generate", "click")
    usual = visitor.components()
    data = [usual[number]["props"].get("value") for number in event["inputs"]]
    names = (
        *("prompt", "as_list", "negative", "model", "preset", "width", "height", "steps", "guidance"),
        *(
            "coarse_first",
            "seed",
            "seed_mode",
            "count",
            "adapters",
            "rope",
            "speed",
            "memory",
            "init",
            "watch",
        ),
    )
    form = dict(zip(names, data, strict=True))
    form |= {"prompt": PROMPT, "preset": "custom", "width": 256, "height": 256, "steps": 2, "watch": None}
    return visitor.call(event, [(form | changes)[name] for name in names])


def told(answer: dict[str, Any]) -> str:
    return json.dumps(answer["output"])


@pytest.fixture(scope="module")
def picture(space: Space, ada: Visitor) -> str:
    """Ada's, drawn by the running app."""
    answer = submit(ada)
    assert answer["success"], answer
    job = space.ended(max(job.id for job in space.jobs.jobs()))
    assert job.state == "done", job.error
    assert job.result is not None
    return str(job.result["picture"])


def test_it_draws_in_place_on_a_lent_gpu(space: Space, ada: Visitor, picture: str) -> None:
    lent = [json.loads(line) for line in space.lent.read_text().splitlines()]
    assert lent == [[30, ada.client.cookies["d4k-visitor"]]], "the time is counted to who asked"
    assert not (space.home / "logs" / "worker.log").exists(), "a worker process was started"
    found = Gallery(Workspace(space.home)).get(picture)
    assert (found.width_px, found.height_px) == (256, 256)
    assert found.record.settings.prompt == PROMPT


def test_the_limits_stand_on_the_page_and_training_does_not(ada: Visitor) -> None:
    page = json.dumps(ada.config)
    assert (
        "pictures up to 16.8 megapixels and 50 steps, 4 waiting at once, 30 an hour, uploads up to 64 MiB"
        in page
    )
    assert "Training is the owner's alone" in page
    names = {str(one["props"].get("elem_id")) for one in ada.config["components"]}
    assert "generate" in names
    assert not [name for name in names if name.startswith(("finetune", "dataset", "training", "run-"))]
    labels = {str(one["props"].get("label")) for one in ada.config["components"] if one["type"] == "tabitem"}
    assert {"Generate", "Gallery"} <= labels
    assert not labels & {"Fine-tune", "Training", "Dataset"}


def test_a_cookie_tells_visitors_apart(space: Space, ada: Visitor, eve: Visitor) -> None:
    for visitor in (ada, eve):
        assert visitor.config
    mine, theirs = ada.client.cookies["d4k-visitor"], eve.client.cookies["d4k-visitor"]
    assert (len(mine), mine != theirs) == (32, True)
    header = httpx.get(space.address).headers["set-cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header
    behind_tls = httpx.get(space.address, headers={"X-Forwarded-Proto": "https"}).headers["set-cookie"]
    assert "SameSite=None; Secure; Partitioned" in behind_tls
    database = (space.home / "studio.db").read_bytes() + (space.home / "studio.db-wal").read_bytes()
    assert mine.encode() not in database, "the cookie itself was kept"


def test_files_are_for_their_owner_alone(space: Space, ada: Visitor, eve: Visitor, picture: str) -> None:
    found = Gallery(Workspace(space.home)).get(picture)
    previews = list((space.home / "cache" / "previews").glob("job-*.jpg"))
    assert previews, "the render left no live preview to steal"
    for path in (found.path, found.preview_path, found.thumbnail_path, *previews):
        assert ada.file(path).status_code == 200, path
        assert eve.file(path).status_code == 404, path
        for way in (f"/gradio_api/file/{path}", f"/gradio_api/file={path.parent}/../{path.parent.name}/{path.name}",
                    f"/gradio_api/file={str(path).replace('/', '%2f')}", f"/gradio_api/file=/{path}"):  # fmt: skip
            assert eve.client.get(way).status_code in (403, 404), way
    stolen = eve.client.get(f"/gradio_api/file={found.path}", headers={"Cookie": "d4k-visitor=" + "A" * 32})
    assert stolen.status_code == 404


def test_files_of_others_are_no_uploads(space: Space, eve: Visitor, picture: str) -> None:
    """Whoever calls an event says where a file lies; Gradio believes it of every folder that the studio serves."""
    served = [
        Gallery(Workspace(space.home)).get(picture).path,
        *(space.home / "cache" / "previews").glob("*.jpg"),
    ]
    asked = 0
    for event in eve.events():
        kinds = [eve.components()[number]["type"] for number in event["inputs"]]
        values = [eve.components()[number]["props"].get("value") for number in event["inputs"]]
        for path in served if "file" in kinds else ():
            sent = {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}
            many = {
                number
                for number in event["inputs"]
                if eve.components()[number]["props"].get("file_count") != "single"
            }
            files = [
                ([sent] if number in many else sent) if kind == "file" else value
                for number, kind, value in zip(event["inputs"], kinds, values, strict=True)
            ]
            answer = eve.call(event, files)
            assert not answer["success"], event["api_name"]
            assert "was not sent by this browser" in json.dumps(answer), event["api_name"]
            asked += 1
    assert asked >= 10


def test_strangers_neither_see_nor_touch(space: Space, ada: Visitor, eve: Visitor, picture: str) -> None:
    """Every event of the page with Ada's picture and job in each place where a name fits."""
    job = space.jobs.jobs()[0]
    seen = 0
    watch = {"jobs": [job.id], "picture": picture, "num_done": 0, "demand": 1}
    common = {"ids": [picture], "pane": picture, "keys": [picture], "delta": 0, "metric": "glcm_score"}
    wishes = [
        *(
            common | {"action": act, "id": picture}
            for act in ("star", "trash", "use_all", "redraw", "empty", "restore")
        ),
        *(
            common | {"action": act, "id": job.id}
            for act in ("cancel", "retry", "clear_finished", "open", "front")
        ),
    ]
    for event in eve.events():
        kinds = [eve.components()[number]["type"] for number in event["inputs"]]
        usual = [eve.components()[number]["props"].get("value") for number in event["inputs"]]
        named = [
            watch if kind == "browserstate" else [picture] if kind == "dropdown" and not value else value
            for kind, value in zip(kinds, usual, strict=True)
        ]
        if event["api_name"].startswith("submit"):
            continue
        for wish in wishes:
            seen += 1
            said = json.dumps(eve.call(event, named, event_data=wish))
            assert PROMPT not in said, event["api_name"]
            assert f"{picture}.png" not in said, event["api_name"]
    assert seen > 300
    after = Gallery(Workspace(space.home)).get(picture)
    assert (after.starred, after.trashed_at, after.missing) == (False, None, False)
    assert space.jobs.get(job.id).state == "done"
    asked_by = {number: one["type"] for number, one in ada.components().items()}
    shown = next(  # the gallery's own: its shelf, its search, and what the page keeps
        event
        for event in ada.events()
        if event["api_name"].startswith("show")
        and [asked_by[number] for number in event["inputs"]] == ["radio", "textbox", "state", "state"]
    )
    mine = ada.call(shown, ["all", "", None, None])
    assert picture in told(mine), "its owner does not see it either, so nothing was tested"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 8192, "height": 8192}, "renders at most 16.8"),
        ({"steps": 51}, "this host draws at most 50"),
        ({"count": 5}, "this host takes 4 at once"),
        ({"model": "/etc"}, "there is no model '/etc' in this studio"),
        ({"model": "../../etc"}, "there is no model '../../etc' in this studio"),
        ({"model": "someone/else"}, "someone/else is not in the catalogue"),
        (
            {
                "adapters": {
                    "rows": [{"path": "/etc/x.safetensors", "weight": 1, "on": True}],
                    "strengths": "1",
                }
            },
            "there is no LoRA x.safetensors in this studio",
        ),
        (
            {
                "adapters": {
                    "rows": [{"path": "cache/x.safetensors", "weight": 1, "on": True}],
                    "strengths": "1",
                }
            },
            "there is no LoRA x.safetensors in this studio",
        ),
    ],
)
def test_what_goes_beyond_the_limits_is_refused(
    space: Space, eve: Visitor, changes: dict[str, Any], words: str
) -> None:
    before = len(space.jobs.jobs())
    answer = submit(eve, **changes)
    assert words in html.unescape(answer["output"]["data"][0])
    assert len(space.jobs.jobs()) == before


def test_strangers_download_no_models(eve: Visitor) -> None:
    event = eve.event("models", "act")
    for action in ("pull", "remove", "free", "test"):
        answer = eve.call(event, [], event_data={"action": action, "id": "flux.1-dev"})
        assert not answer["success"]
        assert "by the owner of this studio alone" in told(answer)


def test_uploads_have_the_hosts_limit(eve: Visitor) -> None:
    assert eve.upload("a.png", bytes(64 * 2**20 + 2**16)).status_code == 413
