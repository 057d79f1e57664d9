"""What a run tells its trackers, through Accelerate: settings once, each step, and when it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import accelerate.tracking
import pytest
from accelerate.tracking import GeneralTracker
from accelerate.utils import LoggerType

from finetune import train
from finetune.run_folder import RunFolder
from tests.finetune.whole_runs import message, trained

TRACKED = {"output": {"name": "tracked", "trackers": ["trackio"]}}


class Told(GeneralTracker):
    """Keeps what it is told, where a service would send it on."""

    name = "trackio"
    requires_logging_directory = False
    main_process_only = True
    opened: ClassVar[list[Told]] = []

    def __init__(self, project: str, **_: Any) -> None:
        super().__init__()
        self.project, self.settings = project, dict[str, Any]()
        self.rows: list[tuple[int | None, dict[str, Any]]] = []
        self.over = False
        Told.opened.append(self)

    @property
    def tracker(self) -> None:
        return None

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.settings = dict(values)

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        self.rows.append((step, dict(values)))

    def finish(self) -> None:
        self.over = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Told]:
    """A tracker that is installed; those that were opened."""
    monkeypatch.setattr(Told, "opened", [])
    monkeypatch.setitem(accelerate.tracking.LOGGER_TYPE_TO_CLASS, "trackio", Told)
    monkeypatch.setattr(accelerate.tracking, "get_available_trackers", lambda: [LoggerType.TRACKIO])
    monkeypatch.setattr(train, "find_spec", lambda name: object())
    return Told.opened


def test_a_tracker_is_told_the_settings_and_each_step(
    new: Callable[..., RunFolder], opened: list[Told]
) -> None:
    run = trained(new(**TRACKED))
    (told,) = opened
    assert told.project == "diffusion-4k-studio"
    assert told.settings["output.name"] == "tracked"
    assert told.settings["objective.kind"] == run.config().objective.kind
    rows = run.rows()
    assert [step for step, _ in told.rows] == [row["step"] for row in rows]
    for (_, values), row in zip(told.rows, rows, strict=True):
        assert values["loss"] == row["loss"]
        assert {name: values[f"band_{name}"] for name in row["bands"]} == row["bands"]
    assert told.over


def test_a_dry_run_tells_no_tracker(new: Callable[..., RunFolder], opened: list[Told]) -> None:
    trained(new(**TRACKED), "--dry-run")
    assert opened == []


def test_a_tracker_that_is_not_installed_is_named_before_the_work(
    new: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "find_spec", lambda name: None)
    run = new(**TRACKED)
    assert train.main([str(run.path)]) == 1
    assert message(run).startswith("trackio is not installed; pip install 'diffusion-4k-studio[trackers]'")
    assert run.rows() == []
