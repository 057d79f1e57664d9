"""What a visitor may ask for and how often, how long a GPU is lent, and whose jobs are whose: no server runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gradio.context import LocalContext

from studio.home.ownership import Owners
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.models.lookup import find_model
from studio.queue.table import JobTable
from studio.render_request import RenderRequest
from studio.ui.visitors.submission_gate import SubmissionGate
from studio.visitors.limits import VisitorLimits, VisitorQuota, gpu_seconds


def a_request(**changes: Any) -> RenderRequest:
    values = {
        "width_px": 4096,
        "height_px": 4096,
        "num_inference_steps": 28,
        "guidance_scale": 3.0,
        "seed": 0,
    }
    return RenderRequest(prompt="sea", **(values | changes))


def test_an_hour_has_its_number_of_pictures() -> None:
    now = [0.0]
    quota = VisitorQuota(VisitorLimits(16.8, 64, max_per_hour=3, max_waiting_of_all=5), clock=lambda: now[0])
    one = [a_request()]
    for _ in range(3):
        quota.admit("ada", one, waiting=0, waiting_of_all=0)
    now[0] = 600.0
    with pytest.raises(
        ValueError, match="draws 3 pictures an hour for each visitor; come back in 51 minutes"
    ):
        quota.admit("ada", one, waiting=0, waiting_of_all=0)
    quota.admit("eve", one, waiting=0, waiting_of_all=0)
    with pytest.raises(ValueError, match="5 pictures wait here already"):
        quota.admit("eve", one, waiting=0, waiting_of_all=5)
    now[0] = 3601.0
    quota.admit("ada", one, waiting=0, waiting_of_all=0)


def test_a_new_cookie_begins_no_new_hour() -> None:
    limits = VisitorLimits(16.8, 64, max_per_hour=2, max_per_hour_of_address=3, max_per_hour_of_all=5)
    quota = VisitorQuota(limits, clock=lambda: 0.0)

    def ask(visitor: str, address: str) -> None:
        quota.admit(visitor, [a_request()], waiting=0, waiting_of_all=0, address=address)

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
    quota = VisitorQuota(VisitorLimits(16.8, 64, max_per_hour_of_address=1))
    jobs = JobTable(workspace.database)
    gate = SubmissionGate(quota, jobs, workspace)
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
