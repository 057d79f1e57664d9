"""What a render says that it took: its own greatest memory, not that of a larger one before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from studio.models.lookup import find_model
from studio.pipeline import draw
from studio.pipeline.draw import render
from studio.pipeline.opening import load_pipeline
from studio.render_request import RenderRequest


def test_the_peak_before_it_is_forgotten_first(
    sd3_folder: Path, new_request: Callable[..., RenderRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = load_pipeline(find_model(str(sd3_folder)), device=torch.device("cpu"))
    peak_bytes, happened = 5 * 2**30, []

    def forget_peak(device: torch.device) -> None:
        nonlocal peak_bytes
        happened.append(f"forgotten on {device}")
        peak_bytes = 2**20

    def asked(device: torch.device) -> int:
        happened.append("asked for")
        return peak_bytes

    def at_work(*_: object) -> bool:
        happened.append("at work")
        return True

    monkeypatch.setattr(draw, "forget_peak", forget_peak)
    monkeypatch.setattr(draw, "peak_bytes", asked)
    done = render(opened, new_request(num_inference_steps=2), on_progress=at_work)
    assert done.peak_memory_mib == 1.0
    assert list(dict.fromkeys(happened)) == ["forgotten on cpu", "at work", "asked for"]
    assert happened.count("forgotten on cpu") == 1
