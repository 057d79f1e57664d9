"""Moods of a worker: ill wherever nobody watches over it or what it does cannot be told."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import pytest

from studio.home.database import DatabaseBusy
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.ui.parts.header.header import WorkerStatus, worker_status
from studio.work import supervisor as supervision
from studio.work.supervisor import WorkerSupervisor
from studio.work.worker_state import WorkerState

HANG_S = 60.0

Look = Callable[[WorkerSupervisor], None]


@pytest.fixture
def supervisor(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> WorkerSupervisor:
    """Looks without a pause; what it sees, the test says."""
    monkeypatch.setattr(supervision, "LOOK_EVERY_S", 0.001)
    command = (sys.executable, "-c", "raise SystemExit('not to be started')")
    return WorkerSupervisor(workspace, Settings(home=workspace.root), command=command)


def test_a_worker_that_is_not_watched_is_ill(
    supervisor: WorkerSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()
    monkeypatch.setattr(WorkerSupervisor, "look", lambda _: looked.set())
    supervisor.start()
    assert supervisor.describe() == ("starting", "busy")
    assert looked.wait(HANG_S)
    supervisor.stop()
    assert supervisor.describe() == ("the worker is not watched", "ill")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            DatabaseBusy("studio.db is locked"),
            "studio.db is locked (the worker is not watched meanwhile, it is tried again)",
        ),
        (OSError("no fork"), "the worker cannot be started (no fork); see to that, it is tried again"),
        (KeyError("oops"), "KeyError: 'oops' (an error of the studio, it is tried again)"),
    ],
)
def test_who_cannot_watch_is_ill_until_he_can(
    supervisor: WorkerSupervisor,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    words: str,
) -> None:
    told: list[WorkerState] = []
    well = threading.Event()

    def look(watching: WorkerSupervisor) -> None:
        told.append(watching.describe())
        if len(told) == 1:
            raise error
        if len(told) == 2:
            watching._state = watching._find_state(alive=True)
        else:
            well.set()

    monkeypatch.setattr(WorkerSupervisor, "look", look)
    supervisor.start()
    assert well.wait(HANG_S)
    supervisor.stop()
    assert told[:3] == [("starting", "busy"), (words, "ill"), ("starting", "busy")]
    assert ("Traceback" in capsys.readouterr().err) == isinstance(error, KeyError)


@pytest.mark.parametrize(
    "state", [("the worker is not watched", "ill"), ("job 3", "busy"), ("ready", "well")]
)
def test_the_header_shows_the_mood_that_it_is_told(state: tuple[str, str]) -> None:
    words, mood = state
    assert worker_status(WorkerState(words, mood)) == WorkerStatus(text=words, mood=mood)
