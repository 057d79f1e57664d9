"""Runs trained in this process: to their end, what they say, and a loss that is changed on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from finetune import learner, train
from finetune.objectives.losses import Prediction
from finetune.run_folder import RunFolder


def trained(run: RunFolder, *flags: str) -> RunFolder:
    assert train.main([str(run.path), *flags]) == 0, run.log.read_text()
    return run


def message(run: RunFolder) -> str:
    return str(json.loads((run.path / "status.json").read_text())["message"])


def objective_that(
    monkeypatch: pytest.MonkeyPatch, at_call: int, then: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Replace the loss of one call."""
    made, calls = vars(learner)["make_objective"], 0  # it may be replaced already

    def make(*given: Any, **named: Any) -> Callable[[Prediction], torch.Tensor]:
        objective = made(*given, **named)

        def watched(prediction: Prediction) -> torch.Tensor:
            nonlocal calls
            calls += 1
            losses = objective(prediction)
            return then(losses) if calls == at_call else losses

        return watched

    monkeypatch.setattr(learner, "make_objective", make)
