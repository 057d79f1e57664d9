"""The memory ladder on tiny pipelines: equal pictures where nothing is rounded, the next rung when memory ends."""

from __future__ import annotations

import gc
import importlib.util
import weakref
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from studio.memory import fitting, ladder
from studio.memory.fit_note import rungs_of
from studio.memory.footprints import learn_footprint
from studio.memory.ladder import is_out_of_memory, render_fitting
from studio.memory.measured import measurements
from studio.memory_rungs import CHANGES_PICTURE, RUNGS, Rung
from studio.models.lookup import find_model
from studio.pipeline.draw import RenderResult, render
from studio.pipeline.opening import PipelineKeeper, device_name, load_pipeline
from studio.render_request import RenderRequest
from studio.rendering.drawn_record import drawn_record

NewRequest = Callable[..., RenderRequest]
CPU = torch.device("cpu")


@pytest.fixture(params=["sd3", "flux"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(f"{request.param}_folder")
    return found


@pytest.mark.parametrize("rung", [rung for rung in RUNGS if rung not in ("resident", *CHANGES_PICTURE)])
def test_weights_come_and_go_and_the_picture_stays(folder: Path, new_request: NewRequest, rung: Rung) -> None:
    """Every rung that rounds nothing; on a CPU their weights move from main memory to main memory."""
    entry = find_model(str(folder))
    whole = render(load_pipeline(entry, device=CPU), new_request())
    moved = load_pipeline(entry, device=CPU, rung=rung)
    for _ in range(2):  # the second time the prompt is known and the text encoders rest
        np.testing.assert_array_equal(render(moved, new_request()).image, whole.image)
    record = drawn_record(moved, new_request(), render(moved, new_request()))
    assert (record.rung, record.gave_up) == (rung, ())


def test_smaller_weights_change_the_picture_a_little_and_say_so(
    folder: Path, new_request: NewRequest
) -> None:
    entry = find_model(str(folder))
    request = new_request(guidance_scale=1.0, num_inference_steps=4)
    whole = render(load_pipeline(entry, device=CPU), request)
    small = load_pipeline(entry, device=CPU, rung="int8")
    block = small.pipeline.transformer.transformer_blocks[0]
    assert type(block.attn.to_q.weight).__name__ == "Int8Tensor"
    assert type(small.pipeline.transformer.proj_out.weight) is torch.nn.Parameter
    result = render(small, request)
    difference = np.abs(result.image.astype(int) - whole.image.astype(int))
    assert 0 < difference.mean() < 3
    assert any("changes the picture a little" in note for note in result.notes)
    assert drawn_record(small, request, result).to_dict()["memory"] == {"rung": "int8", "gave_up": []}


def runs_out(times: int, error: Exception) -> Callable[..., RenderResult]:
    """`render`, but the first calls find no memory."""
    calls = []

    def attempt(*given: Any, **named: Any) -> RenderResult:
        calls.append(given[0].rung)
        if len(calls) <= times:
            raise type(error)(*error.args)  # a new one: a kept one would keep its frames
        return render(*given, **named)

    return attempt


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_out_of_memory_tries_the_next_rung_once(
    folder: Path, new_request: NewRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    entry, said = find_model(str(folder)), list[str]()
    monkeypatch.setattr(ladder, "render", runs_out(1, error))
    keeper, request = PipelineKeeper(), new_request(num_inference_steps=3)
    opened, result = render_fitting(keeper, entry, request, home=tmp_path, say=said.append)
    assert (opened.rung, result.gave_up) == ("int8", ("resident",))
    assert drawn_record(opened, request, result).to_dict()["memory"] == {
        "rung": "int8",
        "gave_up": ["resident"],
    }
    assert said == [f"{entry.id}: out of memory where everything stays on the GPU"]


def test_the_second_failure_names_both_and_the_remedy(
    sd3_folder: Path, new_request: NewRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "render", runs_out(2, MemoryError()))
    keeper = PipelineKeeper()
    with pytest.raises(
        ValueError, match=r"ran out of memory at 320 x 256.*stays on the GPU, nor where 8-bit"
    ):
        render_fitting(keeper, find_model(str(sd3_folder)), new_request(), home=tmp_path)
    assert keeper.opened is None


def test_the_first_attempt_is_freed_before_the_second(
    sd3_folder: Path, new_request: NewRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[weakref.ref[Any]] = []
    still_there = []

    def load(entry: Any, *, rung: Rung) -> Any:
        gc.collect()
        still_there.extend(ref for ref in seen if ref() is not None)
        opened = load_pipeline(entry, device=CPU, rung=rung)
        seen.append(weakref.ref(opened.pipeline))
        return opened

    monkeypatch.setattr(ladder, "render", runs_out(1, MemoryError()))
    render_fitting(PipelineKeeper(load), find_model(str(sd3_folder)), new_request(), home=tmp_path)
    assert len(seen) == 2
    assert still_there == []


def test_other_errors_are_not_taken_for_memory(
    sd3_folder: Path, new_request: NewRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_out_of_memory(RuntimeError("expected scalar type"))
    monkeypatch.setattr(ladder, "render", runs_out(1, RuntimeError("expected scalar type")))
    with pytest.raises(RuntimeError, match="expected scalar type"):
        render_fitting(PipelineKeeper(), find_model(str(sd3_folder)), new_request(), home=tmp_path)


def test_a_rung_that_is_asked_for_is_taken_and_what_it_took_is_kept(
    sd3_folder: Path, new_request: NewRequest, tmp_path: Path
) -> None:
    entry = find_model(str(sd3_folder))
    opened, result = render_fitting(PipelineKeeper(), entry, new_request(memory="int8"), home=tmp_path)
    assert opened.rung == "int8"
    (kept,) = measurements(tmp_path, model=entry.id, device=device_name(CPU), rung="int8")
    assert (kept.width_px, kept.height_px, kept.guided) == (320, 256, True)
    assert kept.seconds_per_step == pytest.approx(result.seconds_per_step, abs=1e-3)
    assert kept.peak_bytes > 50 * 2**20


def test_a_rung_of_other_devices_is_refused_with_those_there_are(
    sd3_folder: Path, new_request: NewRequest, tmp_path: Path
) -> None:
    request = new_request(memory="group_offload")
    with pytest.raises(ValueError, match="not to be had here; choose auto or one of resident, int8"):
        render_fitting(PipelineKeeper(), find_model(str(sd3_folder)), request, home=tmp_path)


def test_a_picture_beyond_the_machines_memory_is_refused_before_the_work(
    sd3_folder: Path, new_request: NewRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = psutil.virtual_memory()
    monkeypatch.setattr(fitting.psutil, "virtual_memory", lambda: real._replace(total=10**5))
    with pytest.raises(ValueError, match=r"needs about .* GB of memory, and this machine has"):
        render_fitting(PipelineKeeper(), find_model(str(sd3_folder)), new_request(), home=tmp_path)


def test_a_gpu_has_every_rung_whose_package_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: ModuleType(name))
    assert rungs_of(on_cpu=False) == RUNGS
    assert rungs_of(on_cpu=True) == ("resident", "int8")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert rungs_of(on_cpu=False) == ("resident", "encoders_freed", "model_offload", "group_offload")
    assert rungs_of(on_cpu=True) == ("resident",)


def test_a_footprint_of_a_folder_is_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = find_model(str(folder))
    first = learn_footprint(entry, tmp_path)
    opened = load_pipeline(entry, device=CPU)
    for name, size in first.weights.items():
        part = getattr(opened.pipeline, name)
        numbers = {
            w.data_ptr(): w.numel() for w in part.state_dict().values()
        }  # T5's embedding has two names
        assert size == 2 * sum(numbers.values()), name
    monkeypatch.setattr(
        "studio.memory.footprints.footprint_of_folder", lambda *_, **__: pytest.fail("measured again")
    )
    assert learn_footprint(entry, tmp_path) == first
