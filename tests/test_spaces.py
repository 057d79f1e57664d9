"""The app as a Space with a lent GPU: it starts, draws in place, and keeps visitors apart from one another.

The package `spaces` is emulated as far as the app uses it: a decorator that asks for a duration and passes
arguments as a fork gets them. Attacks that need no visitors: `test_security`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from gradio.context import LocalContext

from studio.home.ownership import Owners
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.models.lookup import find_model
from studio.pictures.gallery import Gallery
from studio.queue.table import Job, JobTable
from studio.render_request import RenderRequest
from studio.ui.visitors.submission_gate import SubmissionGate
from studio.visitors.limits import VisitorDesk, VisitorLimits, gpu_seconds
from tests.served_app import Visitor, served

pytestmark = pytest.mark.process

EMULATED = """
import functools, json, os, pickle, sys

assert "torch" not in sys.modules, "torch came before spaces"


def GPU(task=None, *, duration=60, size=None):
    def decorate(function):
        @functools.wraps(function)
        def lent(*args, **kwargs):
            from gradio.context import LocalContext

            args = pickle.loads(pickle.dumps(args))
            seconds = duration(*args, **kwargs) if callable(duration) else duration
            request = LocalContext.request.get(None)
            with open(os.environ["TEST_LENT"], "a") as file:
                file.write(json.dumps([seconds, request is not None and request.cookies["d4k-visitor"]]) + "\\n")
            return pickle.loads(pickle.dumps(function(*args, **kwargs)))

        return lent

    return decorate if task is None else decorate(task)


def gradio_auto_wrap(task):
    return task
"""
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
        *("coarse_first", "seed", "seed_mode", "count", "adapters", "rope", "speed", "memory", "watch"),
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


def test_strangers_neither_see_nor_touch(space: Space, ada: Visitor, eve: Visitor, picture: str) -> None:
    """Every event of the page with Ada's picture and job in each place where a name fits."""
    job = space.jobs.jobs()[0]
    seen = 0
    watch = {"jobs": [job.id], "picture": picture, "num_done": 0, "demand": 1}
    common = {"ids": [picture], "pane": picture, "keys": [picture], "delta": 0, "metric": "glcm_score"}
    wishes = [
        *(
            common | {"action": act, "id": picture}
            for act in ("star", "trash", "use_all", "empty", "restore")
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
    shown = next(
        event for event in ada.events() if event["api_name"].startswith("show") and len(event["inputs"]) == 3
    )
    mine = ada.call(shown, ["all", "", None])
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
    assert not answer["success"]
    assert words in told(answer)
    assert len(space.jobs.jobs()) == before


def test_strangers_download_no_models(eve: Visitor) -> None:
    event = eve.event("models", "act")
    for action in ("pull", "remove", "free", "test"):
        answer = eve.call(event, [], event_data={"action": action, "id": "flux.1-dev"})
        assert not answer["success"]
        assert "by the owner of this studio alone" in told(answer)


def test_uploads_have_the_hosts_limit(eve: Visitor) -> None:
    assert eve.upload("a.png", bytes(64 * 2**20 + 2**16)).status_code == 413


def test_an_hour_has_its_number_of_pictures() -> None:
    now = [0.0]
    desk = VisitorDesk(VisitorLimits(16.8, 64, max_per_hour=3, max_waiting_of_all=5), clock=lambda: now[0])
    one = [a_request()]
    for _ in range(3):
        desk.admit("ada", one, waiting=0, waiting_of_all=0)
    now[0] = 600.0
    with pytest.raises(
        ValueError, match="draws 3 pictures an hour for each visitor; come back in 51 minutes"
    ):
        desk.admit("ada", one, waiting=0, waiting_of_all=0)
    desk.admit("eve", one, waiting=0, waiting_of_all=0)
    with pytest.raises(ValueError, match="5 pictures wait here already"):
        desk.admit("eve", one, waiting=0, waiting_of_all=5)
    now[0] = 3601.0
    desk.admit("ada", one, waiting=0, waiting_of_all=0)


def test_a_new_cookie_begins_no_new_hour() -> None:
    limits = VisitorLimits(16.8, 64, max_per_hour=2, max_per_hour_of_address=3, max_per_hour_of_all=5)
    desk = VisitorDesk(limits, clock=lambda: 0.0)

    def ask(visitor: str, address: str) -> None:
        desk.admit(visitor, [a_request()], waiting=0, waiting_of_all=0, address=address)

    for number in range(3):
        ask(f"new-{number}", "203.0.113.7")
    with pytest.raises(ValueError, match="draws 3 pictures an hour for each address; come back in"):
        ask("new-3", "203.0.113.7")
    for number in range(2):
        ask(f"other-{number}", f"203.0.113.{number}")
    with pytest.raises(ValueError, match="draws 5 pictures an hour for everybody together"):
        ask("last", "198.51.100.1")
    for part in ("2 an hour", "3 an hour from one address", "5 from all"):
        assert part in limits.sentence()


def test_the_gate_counts_by_the_proxys_word(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "home")
    desk = VisitorDesk(VisitorLimits(16.8, 64, max_per_hour_of_address=1))
    jobs = JobTable(workspace.database)
    gate = SubmissionGate(desk, jobs, workspace)
    for forwarded, refused in (("203.0.113.9, 10.0.0.1", False), ("203.0.113.9", True), (None, False)):
        headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
        request = SimpleNamespace(headers=headers, cookies={}, client=SimpleNamespace(host="10.0.0.1"))
        before = LocalContext.request.set(request)  # type: ignore[arg-type]
        try:
            if refused:
                with pytest.raises(ValueError, match="for each address"):
                    gate.admit([a_request()], jobs)
            else:
                gate.admit([a_request()], jobs)
        finally:
            LocalContext.request.reset(before)


def a_request(**changes: Any) -> RenderRequest:
    values = {
        "width_px": 4096,
        "height_px": 4096,
        "num_inference_steps": 28,
        "guidance_scale": 3.0,
        "seed": 0,
    }
    return RenderRequest(prompt="sea", **(values | changes))


def test_the_gpu_is_asked_for_by_size_and_steps() -> None:
    flux = find_model("diffusion-4k-flux")
    assert gpu_seconds(a_request(), flux) == round(20 + 1.5 * 2.42 * 28)
    quarter = gpu_seconds(a_request(width_px=2048, height_px=2048), flux)
    assert quarter == max(30, round(20 + 1.5 * 2.42 * 28 / 8))
    assert gpu_seconds(a_request(width_px=256, height_px=256, num_inference_steps=1), flux) == 30
    with pytest.raises(ValueError, match="needs the GPU for about 383 s, and it is lent for 300 s at most"):
        gpu_seconds(a_request(num_inference_steps=100), flux)


def test_a_space_is_known_by_its_environment(tmp_path: Path) -> None:
    told = {"SPACE_ID": "ada/studio", "SPACES_ZERO_GPU": "true", "SPACE_AUTHOR_NAME": "ada"}
    found = Settings.from_environment(told, space_storage=tmp_path)
    assert (found.hosted, found.zero_gpu, found.owner, found.home, found.host) == (
        True,
        True,
        "ada",
        tmp_path,
        "0.0.0.0",
    )
    local = Settings.from_environment({"SPACES_ZERO_GPU": "true", "SPACE_AUTHOR_NAME": "ada"})
    assert (local.hosted, local.zero_gpu, local.owner, local.host) == (False, False, None, "127.0.0.1")


def test_the_machine_itself_sees_everything(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "home")
    who: list[str | None] = ["ada"]
    seen, everything = JobTable(workspace.database, viewer=lambda: who[0]), JobTable(workspace.database)
    job = seen.submit("render", a_request().to_dict(), label="sea")
    assert Owners(workspace.database).of("jobs", job) == "ada"
    who[0] = "eve"
    assert (seen.jobs(), [one.id for one in everything.jobs()]) == ([], [job])
    assert (seen.cancel(job), seen.cancel_all(), seen.clear_finished()) == (False, 0, 0)
    for ask in (lambda: seen.get(job), lambda: seen.retry(job)):
        with pytest.raises(ValueError, match=f"there is no job {job}"):
            ask()
    with pytest.raises(ValueError, match="this queue is shared"):
        seen.move(job, "front")
    assert everything.get(job).state == "queued"
