"""The loop of every stage: a budget of work, exact resume, numbers."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
import torch

from finetune.micro.training import Report, train, work_clock


class Walk:
    """A stage whose state is a sum of what its generators gave: any skipped or repeated step would show."""

    name = "walk"

    def __init__(self) -> None:
        self.place = torch.nn.Linear(1, 1)
        torch.nn.init.zeros_(self.place.weight)
        self.modules = {"place": self.place}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "place": torch.optim.AdamW(self.place.parameters(), 0.1)
        }

    def step(self, progress: float, generator: torch.Generator) -> dict[str, float]:
        loss = (self.place.weight - torch.randn(1, generator=generator)).square().mean()
        self.optimizers["place"].zero_grad()
        loss.backward()
        self.optimizers["place"].step()
        return {"loss": loss.item()}


def taken(walk: Walk, folder: Path, *, minutes: float) -> list[Report]:
    """By a clock that is looked at twice a step and finds a second gone each time."""
    clock = itertools.count(0.0)
    return list(train(walk, folder, minutes=minutes, report_every=1, clock=lambda: next(clock)))


def test_a_stage_goes_on_where_its_checkpoint_ends(tmp_path: Path) -> None:
    assert [report.step for report in taken(Walk(), tmp_path, minutes=0.1)] == [1, 2, 3, 4, 5, 6]
    resumed = Walk()
    reports = taken(resumed, tmp_path, minutes=0.2)
    straight = Walk()
    for step in range(reports[-1].step):
        straight.step(0, torch.Generator().manual_seed(step * 1_000_003 + 12345))
    assert [report.step for report in reports] == [7, 8, 9, 10, 11, 12]
    torch.testing.assert_close(resumed.place.weight, straight.place.weight)


def test_a_checkpoint_of_another_architecture_is_named(tmp_path: Path) -> None:
    class Wider(Walk):
        def __init__(self) -> None:
            super().__init__()
            self.modules["place"] = torch.nn.Linear(2, 1)

    class Grouped(Walk):
        def __init__(self) -> None:
            super().__init__()
            groups = [{"params": [weight]} for weight in self.place.parameters()]
            self.optimizers["place"] = torch.optim.AdamW(groups, 0.1)

    class Renamed(Walk):
        def __init__(self) -> None:
            super().__init__()
            self.modules = {"spot": self.place}

    taken(Walk(), tmp_path, minutes=0.1)
    for other in (Wider(), Grouped(), Renamed()):
        with pytest.raises(
            ValueError, match=r"walk\.pt is of another architecture than this recipe's; move it away"
        ):
            taken(other, tmp_path, minutes=0.2)


def test_a_spent_budget_trains_no_further(tmp_path: Path) -> None:
    taken(Walk(), tmp_path, minutes=0.1)
    assert taken(Walk(), tmp_path, minutes=0.1) == []


def test_a_machine_that_does_other_things_too_shortens_no_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "process_time", lambda: 12.0)  # on all threads together
    monkeypatch.setattr(time, "perf_counter", lambda: 500.0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert work_clock(torch.device("cpu"))() == 3.0
    assert work_clock(torch.device("cuda"))() == 500.0


def test_what_only_some_steps_tell_is_averaged_over_those(tmp_path: Path) -> None:
    class Sized(Walk):
        steps = 0

        def step(self, progress: float, generator: torch.Generator) -> dict[str, float]:
            self.steps += 1
            loss = {"loss": float(self.steps)}
            return loss | ({"loss_2048": 10.0 * self.steps} if self.steps in (1, 3) else {})

    clock = itertools.count(0.0)
    (report,) = train(Sized(), tmp_path, minutes=4 / 60, report_every=4, clock=lambda: next(clock))
    assert report.values == {"loss": 2.5, "loss_2048": 20.0}
