"""The queue: its order, who may end what, cancelling, retrying, and the jobs of dead workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from studio.queue.job import Job, Progress
from studio.queue.table import JobTable


@pytest.fixture
def jobs(tmp_path: Path) -> JobTable:
    return JobTable(tmp_path / "studio.db")


def submit(jobs: JobTable, number: int) -> list[int]:
    return [jobs.submit("render", {"seed": seed}, label=f"picture {seed}") for seed in range(number)]


def order(jobs: JobTable) -> list[int]:
    return [job.id for job in jobs.jobs()]


def states(jobs: JobTable) -> list[str]:
    return [job.state for job in jobs.jobs()]


def test_a_job_is_remembered_whole(jobs: JobTable) -> None:
    job = jobs.get(jobs.submit("render", {"prompt": "Bäume", "seed": 1}, label="Bäume"))
    assert (job.kind, job.state, job.label) == ("render", "queued", "Bäume")
    assert job.request == {"prompt": "Bäume", "seed": 1}
    assert (job.progress, job.attempts, job.cancel_requested) == (Progress(), 0, False)


def test_first_come_first_served(jobs: JobTable) -> None:
    first, second = submit(jobs, 2)
    claimed = jobs.claim(11, "born so")
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.worker_pid, claimed.worker_born) == (
        first,
        "running",
        11,
        "born so",
    )
    assert claimed.attempts == 1
    assert order(jobs) == [first, second]
    assert jobs.claim(11) is not None
    assert jobs.claim(11) is None


def test_running_then_waiting_then_last_ended(jobs: JobTable) -> None:
    a, b, c, d = submit(jobs, 4)
    for job_id in (a, b):
        jobs.claim(1)
        jobs.finish(job_id, {"picture": "x"})
    jobs.claim(1)
    assert order(jobs) == [c, d, b, a]
    assert [job.id for job in jobs.jobs(states=("done",), limit=1)] == [b]


def test_reports_arrive_and_previews_stay(jobs: JobTable) -> None:
    (job_id,) = submit(jobs, 1)
    jobs.claim(1)
    assert jobs.report(job_id, Progress("denoising", 1, 9, 0.5, 4.0), "a.jpg")
    assert jobs.report(job_id, Progress("denoising", 2, 9, 0.5, 3.5))
    job = jobs.get(job_id)
    assert (job.progress, job.preview) == (Progress("denoising", 2, 9, 0.5, 3.5), "a.jpg")


def test_cancelling_a_running_job_is_a_wish_that_its_report_hears(jobs: JobTable) -> None:
    (job_id,) = submit(jobs, 1)
    jobs.claim(1)
    assert jobs.cancel(job_id)
    assert jobs.get(job_id).state == "running"
    assert not jobs.report(job_id, Progress("denoising", 3, 9))
    jobs.mark_cancelled(job_id, "last.jpg")
    job = jobs.get(job_id)
    assert (job.state, job.preview, job.progress.step) == ("cancelled", "last.jpg", 3)
    assert not jobs.cancel(job_id)


def test_cancelling_all(jobs: JobTable) -> None:
    submit(jobs, 3)
    jobs.claim(1)
    assert jobs.cancel_all() == 3
    assert sorted(states(jobs)) == ["cancelled", "cancelled", "running"]
    assert jobs.claim(1) is None


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("up", [1, 3, 2, 4]), ("down", [1, 2, 4, 3]), ("front", [3, 1, 2, 4]), ("back", [1, 2, 4, 3])],
)
def test_moving_in_the_queue(jobs: JobTable, direction: str, expected: list[int]) -> None:
    submit(jobs, 4)
    assert jobs.move(3, direction)
    assert order(jobs) == expected
    claimed = jobs.claim(1)
    assert claimed is not None
    assert claimed.id == expected[0]


def test_the_ends_of_the_queue_stay_put(jobs: JobTable) -> None:
    submit(jobs, 2)
    assert not jobs.move(1, "up")
    assert not jobs.move(2, "down")
    assert not jobs.move(99, "up")
    with pytest.raises(ValueError, match="not 'sideways'"):
        jobs.move(1, "sideways")


def test_retrying_what_failed(jobs: JobTable) -> None:
    failed, waiting = submit(jobs, 2)
    jobs.claim(1)
    jobs.fail(failed, "no memory")
    assert (jobs.get(failed).state, jobs.get(failed).error) == ("failed", "no memory")
    assert jobs.retry(failed) == failed
    assert order(jobs) == [waiting, failed]
    job = jobs.get(failed)
    assert (job.state, job.error, job.attempts, job.cancel_requested) == ("queued", None, 0, False)


@pytest.mark.parametrize("again", [JobTable.resume, JobTable.retry])
def test_a_promise_outlives_a_death_and_a_retry(
    jobs: JobTable, again: Callable[[JobTable, int], object]
) -> None:
    (job_id,) = submit(jobs, 1)
    jobs.promise(job_id, {"picture": "too early"})
    assert jobs.get(job_id).result is None, "nobody works on it"
    jobs.claim(1)
    jobs.promise(job_id, {"picture": "a"})
    jobs.interrupt_lost(lambda job: False)
    again(jobs, job_id)
    claimed = jobs.claim(2)
    assert claimed is not None
    assert claimed.result == {"picture": "a"}
    jobs.finish(job_id, {"picture": "b"})
    assert jobs.get(job_id).result == {"picture": "b"}


def test_only_what_ended_without_a_result_is_retried(jobs: JobTable) -> None:
    (job_id,) = submit(jobs, 1)
    with pytest.raises(ValueError, match="job 1 is queued; only"):
        jobs.retry(job_id)
    jobs.claim(1)
    jobs.finish(job_id, {"picture": "x"})
    with pytest.raises(ValueError, match="job 1 is done; only"):
        jobs.retry(job_id)


def test_clearing_keeps_what_is_not_ended(jobs: JobTable) -> None:
    submit(jobs, 3)
    jobs.claim(1)
    jobs.finish(1, {})
    jobs.claim(1)
    assert jobs.clear_finished() == 1
    assert order(jobs) == [2, 3]
    with pytest.raises(ValueError, match="no job 1; it was cleared away"):
        jobs.get(1)


def test_jobs_of_the_dead_are_interrupted_and_resume_first(jobs: JobTable) -> None:
    lost, waiting = submit(jobs, 2)
    jobs.claim(11, 5.0)
    jobs.report(lost, Progress("denoising", 4, 9), "a.jpg")

    def is_alive(job: Job) -> bool:
        return job.worker_pid != 11

    (job,) = jobs.interrupt_lost(is_alive)
    assert (job.id, job.state, job.error) == (lost, "interrupted", "the worker died during denoising")
    assert jobs.interrupt_lost(is_alive) == []
    jobs.resume(lost)
    assert order(jobs) == [lost, waiting]
    job = jobs.get(lost)
    assert (job.state, job.error, job.attempts, job.preview, job.worker_pid) == (
        "queued",
        "the worker died during denoising",
        1,
        "a.jpg",
        None,
    )


def test_why_is_told_with_the_state_not_after_it(jobs: JobTable) -> None:
    submit(jobs, 1)
    jobs.claim(11, 5.0)
    (job,) = jobs.interrupt_lost(lambda job: False, explain=lambda job: f"why of {job.state} {job.id}")
    assert job.error == f"why of running {job.id}"


def test_the_living_keep_their_jobs(jobs: JobTable) -> None:
    submit(jobs, 1)
    jobs.claim(11)
    assert jobs.interrupt_lost(lambda job: True) == []
    assert states(jobs) == ["running"]


def test_a_late_end_does_not_undo_an_interruption(jobs: JobTable) -> None:
    (job_id,) = submit(jobs, 1)
    jobs.claim(1)
    jobs.interrupt_lost(lambda job: False)
    jobs.finish(job_id, {"picture": "x"})
    assert not jobs.report(job_id, Progress("denoising", 1, 9))
    assert jobs.get(job_id).state == "interrupted"


def test_an_interrupted_job_that_should_stop_has_stopped(jobs: JobTable) -> None:
    (job_id,) = submit(jobs, 1)
    jobs.claim(1)
    jobs.cancel(job_id)
    jobs.interrupt_lost(lambda job: False)
    jobs.give_up(job_id)
    assert jobs.get(job_id).state == "cancelled"


def test_a_lost_job_that_is_cleared_away_meanwhile_stops_nothing(jobs: JobTable) -> None:
    submit(jobs, 2)
    for pid in (11, 12):
        jobs.claim(pid)

    def explain(job: Job) -> str:
        jobs.clear_finished()  # as somebody presses the button
        return "gone"

    lost = jobs.interrupt_lost(lambda job: False, explain=explain)
    assert len(lost) == 1, "the other one is gone, with nothing said"


def test_the_version_changes_with_everything_but_heartbeats(jobs: JobTable) -> None:
    seen = {jobs.version()}
    for change in (
        lambda: jobs.submit("render", {}, label=""),
        lambda: jobs.claim(1),
        lambda: jobs.report(1, Progress("denoising", 1, 9)),
        lambda: jobs.report(1, Progress("denoising", 1, 9)),  # a new preview may lie under the old path
        lambda: jobs.cancel(1),
        lambda: jobs.mark_cancelled(1),
        lambda: jobs.retry(1),
        lambda: jobs.cancel(1),
        lambda: jobs.clear_finished(),
    ):
        change()
        assert jobs.version() not in seen
        seen.add(jobs.version())
    before = jobs.version()
    jobs.heartbeat(1)
    assert jobs.version() == before


def test_two_tables_see_each_other(jobs: JobTable, tmp_path: Path) -> None:
    submit(jobs, 1)
    assert states(JobTable(tmp_path / "studio.db")) == ["queued"]


def test_of_a_thousand_jobs_none_is_left_out(jobs: JobTable) -> None:
    ids = submit(jobs, 1001)
    assert [job.id for job in jobs.jobs()] == ids
    assert {job.id for job in jobs.jobs(ids=ids[1::2])} == set(ids[1::2])
    assert jobs.count(states=("queued",)) == 1001
    assert [job.id for job in jobs.jobs(ids=[ids[5], 10**9], kind="render")] == [ids[5]]
    assert jobs.jobs(kind="train") == []
