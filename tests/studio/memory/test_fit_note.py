"""The sentence above Generate: estimated, measured, too much."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest

from studio.memory import fit_note as module
from studio.memory.fit_note import FitNote, fit_note, rungs_of
from studio.memory.footprints import footprint_of
from studio.memory.free import FreeMemory
from studio.memory.measured import Measurement, keep_measurement
from studio.memory_rungs import FREE_SHARE, KEPT_FREE, RUNGS, render_memory
from studio.models.lookup import find_model
from studio.render_request import AdapterUse, RenderRequest

GB = 10**9
MICRO = find_model("micro-4k")
LAPTOP = FreeMemory(8 * GB, 16 * GB, 100 * GB, None)


def card(free_gb: float) -> FreeMemory:
    return FreeMemory(8 * GB, 16 * GB, 100 * GB, ("Some Card", round(free_gb * GB), 24 * GB))


def note(free: FreeMemory, home: Path, model: str = "micro-4k", **changes: Any) -> FitNote:
    asked = {"width_px": 4096, "height_px": 4096, "num_inference_steps": 14, "guidance_scale": 2.5}
    count = changes.pop("num_pictures", 1)
    request = RenderRequest(prompt="sea", seed=0, **(asked | changes))
    return fit_note(find_model(model), request, free, home, num_pictures=count)


def test_an_estimate_names_no_time(tmp_path: Path) -> None:
    found = note(LAPTOP, tmp_path)
    assert "estimated" in found.text
    assert " GB" in found.text
    assert not any(word in found.text for word in (" s ·", " min"))
    assert not found.is_warning


def test_what_was_measured_here_is_told_with_its_time(tmp_path: Path) -> None:
    keep_measurement(
        tmp_path,
        Measurement(
            time=1.0,
            device=f"cpu ({platform.machine()})",
            model="micro-4k",
            rung="resident",
            dtype="bfloat16",
            width_px=4096,
            height_px=4096,
            guided=True,
            seconds_per_step=2.0,
            decode_s=10.0,
            peak_bytes=round(2.5 * GB),
        ),
    )
    assert note(LAPTOP, tmp_path) == FitNote("about 38 s · 2.5 GB of memory · as measured here")
    assert note(LAPTOP, tmp_path, num_pictures=10).text.startswith("about 6 min")
    assert note(LAPTOP, tmp_path, coarse_first=0.2).text.startswith("about 36 s"), (
        "steps: 14 / 512 + 4 / 64 + 4 / 8 + 4 = 4.6 of 2 s; decodings: 1, and 1.64 to enlarge, of 10 s"
    )
    small = note(LAPTOP, tmp_path, width_px=1024, height_px=1024)
    # Operations of a step, linear and squared in pixels: 1.03e10 here, 9.18e11 there; a sixteenth of the decoding.
    assert small.text.startswith("about 1 s")
    elsewhere = note(card(24), tmp_path)
    assert "estimated" in elsewhere.text


def test_more_than_there_is_is_a_warning(tmp_path: Path) -> None:
    tiny = FreeMemory(1, GB, GB, None)
    found = note(tiny, tmp_path)
    assert found.is_warning
    assert found.text.endswith("more than this machine has (1.0 GB)")


def test_a_gpu_gets_the_first_rung_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "rungs_of", lambda *, on_cpu: RUNGS)
    assert "·" in note(card(20), tmp_path).text
    assert "GPU only" not in note(card(20), tmp_path).text
    footprint = footprint_of(MICRO, tmp_path)
    assert footprint is not None
    least = render_memory(footprint, "model_offload", width_px=4096, height_px=4096, guided=True).peak
    squeezed = note(card(((least + KEPT_FREE) / FREE_SHARE + 2) / GB), tmp_path)
    assert "each part is on the GPU only while it works" in squeezed.text
    forced = note(card(20), tmp_path, memory="nf4")
    assert "changes the picture a little" in forced.text
    assert note(card(0.5), tmp_path).is_warning


def test_a_rung_that_is_not_here_is_said(tmp_path: Path) -> None:
    found = note(LAPTOP, tmp_path, memory="group_offload")
    assert found.is_warning
    assert "not to be had on this machine" in found.text


def test_a_model_that_was_never_opened(tmp_path: Path, sd3_folder: Path) -> None:
    assert "once this model was opened" in note(LAPTOP, tmp_path, model=str(sd3_folder)).text


def test_a_cpu_never_moves_weights() -> None:
    assert set(rungs_of(on_cpu=True)) <= {"resident", "int8"}


def test_loras_count(tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "large.safetensors").write_bytes(bytes(500 * 10**6))
    bare, worn = (
        note(LAPTOP, tmp_path, adapters=uses) for uses in ((), (AdapterUse("loras/large.safetensors"),))
    )
    gigabytes = [float(found.text.split(" GB")[0].split()[-1]) for found in (bare, worn)]
    assert gigabytes[1] - gigabytes[0] == pytest.approx(0.5, abs=0.11)
    unused = note(LAPTOP, tmp_path, adapters=(AdapterUse("loras/large.safetensors", 0),))
    assert unused == bare
