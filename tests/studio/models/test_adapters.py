"""Adapters in Generate: found, checked, worn by a warm model, recorded; weight 0 changes no bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import save_file
from typer.testing import CliRunner

from finetune.lora.files import save_adapter
from finetune.weight_files import read_header
from studio.cli.main import app
from studio.home.workspace import Workspace
from studio.models.adapters import list_adapters, resolve_adapter
from studio.models.lookup import find_model
from studio.pictures.gallery import Gallery
from studio.pictures.settings_reader import read_settings
from studio.pipeline.draw import render
from studio.pipeline.opening import OpenedModel, load_pipeline
from studio.queue.table import JobTable
from studio.render_request import AdapterUse, RenderRequest, expand_requests, parse_adapter
from studio.rendering.drawn_record import drawn_record
from studio.rendering.job import RenderJobs
from tests.finetune.lora.test_files import trained

NewRequest = Callable[..., RenderRequest]


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two SD3 LoRAs of ours and one of Flux."""
    root = tmp_path_factory.mktemp("home")
    strong, rank_two = trained("sd3"), trained("sd3", rank=2)
    save_adapter(
        strong.transformer, root / "runs" / "oil" / "adapter", family="sd3", metadata={"trigger": "d4k oil"}
    )
    path = save_adapter(rank_two.transformer, root / "made", family="sd3", metadata={})
    (root / "loras").mkdir()
    shutil.move(path, root / SECOND)
    of_flux = "transformer.single_transformer_blocks.0.attn.to_q.lora_"
    state = {f"{of_flux}A.weight": torch.ones(1, 8), f"{of_flux}B.weight": torch.ones(8, 1)}
    save_file(state, root / "loras" / "flux.safetensors")
    return root


OIL = "runs/oil/adapter/pytorch_lora_weights.safetensors"
SECOND = "loras/second.safetensors"


@pytest.fixture(scope="module")
def opened(sd3_folder: Path) -> OpenedModel:
    return load_pipeline(find_model(str(sd3_folder)), device=torch.device("cpu"), dtype=torch.float32)


def drawn(opened: OpenedModel, request: RenderRequest, root: Path) -> np.ndarray:
    return render(opened, request, home=root).image.astype(int)


@pytest.fixture
def quick(new_request: NewRequest) -> NewRequest:
    return lambda *uses, **changes: new_request(adapters=uses, num_inference_steps=2, **changes)


def test_weight_zero_changes_no_bit_and_taking_off_neither(
    opened: OpenedModel, adapters: Path, quick: Any
) -> None:
    base = drawn(opened, quick(), adapters)
    worn = drawn(opened, quick(AdapterUse(OIL)), adapters)
    assert np.abs(worn - base).max() > 5
    assert np.array_equal(drawn(opened, quick(AdapterUse(OIL, 0)), adapters), base)
    assert opened.adapters.worn == ()
    assert np.array_equal(drawn(opened, quick(AdapterUse(OIL), AdapterUse(SECOND, 0)), adapters), worn)
    assert np.array_equal(drawn(opened, quick(), adapters), base)


def test_the_picture_is_stock_diffusers_own(
    opened: OpenedModel, adapters: Path, quick: Any, sd3_folder: Path
) -> None:
    ours = drawn(opened, quick(AdapterUse(OIL, 0.8)), adapters)
    other = load_pipeline(find_model(str(sd3_folder)), device=torch.device("cpu"), dtype=torch.float32)
    stock: DiffusionPipeline = other.pipeline
    stock.load_lora_weights(adapters / OIL, adapter_name="oil")
    stock.set_adapters(["oil"], [0.8])
    assert np.abs(drawn(other, quick(), adapters) - ours).max() <= 1


def test_an_adapter_is_worn_over_smaller_weights(adapters: Path, quick: Any, sd3_folder: Path) -> None:
    small = load_pipeline(find_model(str(sd3_folder)), device=torch.device("cpu"), rung="int8")
    bare = drawn(small, quick(), adapters)
    assert np.abs(drawn(small, quick(AdapterUse(OIL)), adapters) - bare).max() > 5
    assert np.array_equal(drawn(small, quick(), adapters), bare)


def test_a_stack_adds_up_in_any_order_and_weights_change_without_reading(
    opened: OpenedModel, adapters: Path, quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = AdapterUse(OIL, 0.5), AdapterUse(SECOND, 0.5)
    both = drawn(opened, quick(one, two), adapters)
    assert np.abs(drawn(opened, quick(two, one), adapters) - both).max() <= 1
    alone = drawn(opened, quick(one), adapters)
    assert np.abs(alone - both).max() > 1
    monkeypatch.setattr(
        "studio.pipeline.adapter_stack.read_adapter", lambda *_, **__: pytest.fail("the file was read again")
    )
    assert np.abs(drawn(opened, quick(replace(one, weight=-0.5)), adapters) - alone).max() > 1
    assert np.array_equal(drawn(opened, quick(one), adapters), alone)


def test_a_file_that_changed_is_read_again(
    opened: OpenedModel, adapters: Path, quick: Any, tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    shutil.copy(adapters / OIL, path)
    use = AdapterUse(str(path))
    first = drawn(opened, quick(use), adapters)
    shutil.copy(adapters / SECOND, path)
    second = drawn(opened, quick(use), adapters)
    assert np.array_equal(second, drawn(opened, quick(AdapterUse(SECOND)), adapters))
    assert np.abs(first - second).max() > 1


def test_after_a_refusal_the_model_is_bare(opened: OpenedModel, adapters: Path, quick: Any) -> None:
    base = drawn(opened, quick(), adapters)
    drawn(opened, quick(AdapterUse(OIL)), adapters)
    with pytest.raises(ValueError, match=r"flux\.safetensors fits no layer of this model"):
        drawn(opened, quick(AdapterUse(OIL), AdapterUse("loras/flux.safetensors")), adapters)
    assert opened.pipeline.get_list_adapters() == {}
    assert np.array_equal(drawn(opened, quick(), adapters), base)
    with pytest.raises(ValueError, match=r"gone\.safetensors is missing"):
        drawn(opened, quick(AdapterUse("loras/gone.safetensors")), adapters)


def test_record_and_notes(opened: OpenedModel, adapters: Path, quick: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    state = load_file(adapters / SECOND) | {"lora_te1_x.alpha": torch.ones(())}
    save_file(state, tmp_path / "odd.safetensors")
    request = quick(AdapterUse(OIL, 0.5), AdapterUse(str(tmp_path / "odd.safetensors")))
    result = render(opened, request, home=adapters)
    assert result.notes == ("Of odd.safetensors, 1 keys fit nothing here and were not used.",)
    record = json.loads(json.dumps(drawn_record(opened, request, result).to_dict()))
    assert record["settings"]["adapters"][0] == {"path": OIL, "weight": 0.5}
    assert [a["unused_keys"] for a in record["adapters"]] == [0, 1]
    assert all(len(a["digest"]) == 16 and a["layers"] > 5 for a in record["adapters"])
    assert RenderRequest.from_dict(record["settings"]) == request


def test_a_job_wears_adapters_of_the_home_and_the_file_says_so(
    workspace: Workspace, adapters: Path, quick: Any, sd3_folder: Path
) -> None:
    shutil.copytree(adapters / "runs", workspace.runs, dirs_exist_ok=True)
    jobs = JobTable(workspace.database)
    renders = RenderJobs(workspace, jobs)
    request = quick(AdapterUse(OIL), model=str(sd3_folder))
    jobs.submit("render", request.to_dict(), label="worn")
    job = jobs.claim(1, 0.0)
    assert job is not None
    assert renders.do(job)
    (picture,) = Gallery(workspace).pictures()
    assert [(use.path, use.weight) for use in picture.record.settings.adapters] == [(OIL, 1.0)]
    assert RenderRequest.from_dict(read_settings(picture.path).values) == request
    (workspace.root / OIL).unlink()
    jobs.submit("render", request.to_dict(), label="gone")
    gone = jobs.claim(1, 0.0)
    assert gone is not None
    with pytest.raises(ValueError, match="is missing; it was moved or deleted"):
        renders.do(gone)


def test_what_is_listed(workspace: Workspace, adapters: Path) -> None:
    assert list_adapters(workspace) == ()
    shutil.copytree(adapters / "runs", workspace.runs, dirs_exist_ok=True)
    (workspace.root / "loras" / "styles").mkdir(parents=True)
    shutil.copy(adapters / SECOND, workspace.root / "loras" / "styles" / "ink.safetensors")
    (workspace.root / "loras" / "broken.safetensors").write_bytes(b"\xff" * 9)
    (workspace.root / "loras" / "gone.safetensors").symlink_to(workspace.root / "nowhere")
    found = {adapter.title: adapter for adapter in list_adapters(workspace)}
    assert found.keys() == {"oil", "styles/ink", "broken"}, "a link that leads nowhere is no file"
    assert found["oil"].path == OIL
    assert found["oil"].metadata["trigger"] == "d4k oil"
    assert found["oil"].error is None
    assert "no readable safetensors file" in str(found["broken"].error)
    assert resolve_adapter(workspace.root, found["styles/ink"].path).is_file()


def test_paths_stay_in_the_home(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leads out of"):
        resolve_adapter(tmp_path / "home", "../x.safetensors")
    with pytest.raises(ValueError, match="is no absolute path"):
        resolve_adapter(None, "x.safetensors")
    (tmp_path / "x.safetensors").write_bytes((2**60).to_bytes(8, "little"))
    with pytest.raises(ValueError, match=r"no readable safetensors file .*[Hh]eader"):
        read_header(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("adapters", "words"),
    [
        ([{"path": "a.ckpt", "weight": 1}], "is a .safetensors file"),
        ([{"path": "a.safetensors", "weight": float("nan")}], "between -4 and 4"),
        ([{"path": "a.safetensors", "weight": 5}], "between -4 and 4, got 5"),
        ([{"path": "a.safetensors", "weight": "1"}], "must be a number"),
        ([{"path": "a.safetensors"}] * 2, "named twice"),
        ([{"path": f"{i}.safetensors"} for i in range(9)], "at most 8 adapters"),
        ([{"file": "a.safetensors"}], "a path and a weight each"),
        ("a.safetensors", "a path and a weight each"),
        (3, "a path and a weight each"),
    ],
)
def test_bad_adapters_of_a_request(new_request: NewRequest, adapters: Any, words: str) -> None:
    values = new_request().to_dict() | {"adapters": adapters}
    with pytest.raises(ValueError, match=words):
        RenderRequest.from_dict(values)


def test_requests_without_adapters_are_as_before(new_request: NewRequest) -> None:
    values = new_request().to_dict()
    assert values.pop("adapters") == []
    assert RenderRequest.from_dict(values).adapters == ()


def test_a_submission_hands_them_on() -> None:
    use = AdapterUse("loras/a.safetensors", 0.3)
    given = {"prompts": "sea", "as_list": False, "count": 2, "seed": 1, "seed_mode": "walk"}
    made = expand_requests(**given, num_inference_steps=2, guidance_scale=1.0, adapters=[use])  # type: ignore[arg-type]
    assert [request.adapters for request in made] == [(use,), (use,)]


def test_files_and_weights_on_the_command_line(
    adapters: Path, sd3_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(adapters / "loras")
    words = ["render", "sea", "--model", str(sd3_folder), "--size", "256x256", "--steps", "2", "--json"]
    words += ["--out", str(tmp_path / "out.png")]
    done = CliRunner().invoke(app, [*words, "--lora", "second.safetensors:0.5"])
    assert done.exit_code == 0, done.output
    listed = [{"path": str(adapters / SECOND), "weight": 0.5}]
    assert json.loads(done.stdout)["settings"]["adapters"] == listed
    refused = CliRunner().invoke(app, [*words, "--lora", "none.safetensors"])
    assert (refused.exit_code, "is missing" in refused.stderr) == (2, True)


def test_how_an_adapter_is_written() -> None:
    assert parse_adapter("a:b.safetensors") == AdapterUse("a:b.safetensors", 1.0)
    assert parse_adapter("a.safetensors:-0.5") == AdapterUse("a.safetensors", -0.5)
    for bad in ("a.safetensors:strong", "a", "a:1"):
        with pytest.raises(ValueError, match="an adapter"):
            parse_adapter(bad)
