"""All numbers of a picture: the same as each metric alone, measured once, and what a small picture lacks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from metrics.evaluate import WEIGHT_FREE, score_picture
from studio.inspection import numbers as module
from studio.inspection.numbers import Numbers, measure_picture
from studio.inspection.opened import Opened, Subject


def test_every_score_is_that_of_the_metric_alone(pixels: np.ndarray) -> None:
    found = measure_picture(pixels)
    alone = score_picture(pixels)
    assert tuple(found.scores) == WEIGHT_FREE
    for name, score in alone.items():
        assert found.scores[name] == score.value, name
    assert found.missing == {}
    assert {one.kind for one in found.artefacts} == {"stripes", "grid", "seam"}


def test_a_small_picture_lacks_some_numbers_and_says_why() -> None:
    tiny = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    found = measure_picture(tiny)
    assert "compression_ratio" in found.scores
    assert "glcm_score" not in found.scores
    assert "64" in found.missing["glcm_score"]
    assert found.spectrum is None
    assert len(found.energies) == 4
    told = json.loads(json.dumps(found.to_json()))
    assert told["metrics"].keys() == found.scores.keys()
    assert "quality 95, 4:4:4" in told["metrics"]["compression_ratio_444"]["codec"]


def test_a_picture_is_measured_once(
    opened: Opened, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(module, "measure_picture", lambda pixels: calls.append(1) or object())
    numbers = Numbers(opened)
    assert numbers.of(subject) is numbers.of(subject)
    assert len(calls) == 1
