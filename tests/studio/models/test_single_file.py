"""Models of one file, drawn: the same pixels as from a whole folder, whoever named the layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from finetune.config.files import changed
from finetune.config.run_config import FinetuneConfig
from studio.datasets.places import located
from studio.home.workspace import Workspace
from studio.models.lookup import check_available, find_model, is_here, weights_hash
from studio.pipeline.draw import render
from studio.pipeline.opening import load_pipeline
from studio.render_request import RenderRequest
from tests.original_names import sd3_in_original_names

NewRequest = Callable[..., RenderRequest]


def transformer_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")


def drawn(model: str, request: RenderRequest) -> np.ndarray:
    opened = load_pipeline(find_model(model), device=torch.device("cpu"), dtype=torch.float32)
    return render(opened, request).image


@pytest.fixture(params=["original", "all in one", "diffusers", "flux"])
def file_and_base(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A file with other weights than its base has."""
    base: Path = request.getfixturevalue("flux_folder" if request.param == "flux" else "sd3_folder")
    state = {name: weight * 1.05 for name, weight in transformer_of(base).items()}
    if request.param in ("original", "all in one"):
        prefix = "" if request.param == "original" else "model.diffusion_model."
        state = sd3_in_original_names(state, prefix=prefix)
    if request.param == "all in one":
        state |= {"first_stage_model.decoder.conv_in.weight": torch.zeros(2)}
    save_file(state, tmp_path / "tuned.safetensors")
    return tmp_path / "tuned.safetensors", base


def test_it_draws_what_its_folder_draws(
    file_and_base: tuple[Path, Path], new_request: NewRequest, tmp_path: Path
) -> None:
    file, base = file_and_base
    whole = tmp_path / "whole"
    whole.mkdir()
    for part in base.iterdir():
        if part.name != "transformer":
            (whole / part.name).symlink_to(part)
    (whole / "transformer").mkdir()
    (whole / "transformer" / "config.json").symlink_to(base / "transformer" / "config.json")
    tuned = {name: weight * 1.05 for name, weight in transformer_of(base).items()}
    save_file(tuned, whole / "transformer" / "diffusion_pytorch_model.safetensors")
    name = f"{file}@{base}"
    entry = find_model(name)
    assert (entry.id, entry.title, entry.transformer_file) == (name, "tuned", file)
    assert is_here(entry)
    check_available(entry)
    found = drawn(name, new_request())
    np.testing.assert_array_equal(found, drawn(str(whole), new_request()))
    assert (found != drawn(str(base), new_request())).any()


def test_its_hash_follows_the_file(file_and_base: tuple[Path, Path]) -> None:
    file, base = file_and_base
    entry = find_model(f"{file}@{base}")
    before = weights_hash(entry)
    assert before != weights_hash(find_model(str(base)))
    save_file({name: weight * 2 for name, weight in load_file(file).items()}, file)
    assert weights_hash(entry) != before


def test_a_file_without_its_base_names_what_to_fetch(sd3_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "tuned.safetensors"
    save_file(sd3_in_original_names(transformer_of(sd3_folder)), file)
    with pytest.raises(
        ValueError,
        match=r"needs the text encoders and the VAE of .* 3 Medium, .*pull sd3-medium",
    ):
        find_model(str(file))


def test_another_familys_base_is_refused(sd3_folder: Path, flux_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "tuned.safetensors"
    save_file(transformer_of(flux_folder), file)
    with pytest.raises(ValueError, match=r"is a flux model and .* is sd3; name another base"):
        find_model(f"{file}@{sd3_folder}")


def test_a_file_that_lacks_layers_or_fits_another_base(sd3_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "tuned.safetensors"
    state = transformer_of(sd3_folder)
    lacking = {name: weight for name, weight in state.items() if "proj_out" not in name}
    for names, words in (
        (lacking, "lacks layers that tiny-sd3 has; download it again"),
        (
            {**sd3_in_original_names(state), "final_layer.linear.weight": None},
            "lacks the layer 'final_layer.linear.weight'",
        ),
    ):
        save_file({name: weight for name, weight in names.items() if weight is not None}, file)
        with pytest.raises(ValueError, match=words):
            load_pipeline(find_model(f"{file}@{sd3_folder}"), device=torch.device("cpu"))
    save_file(state | {"proj_out.weight": torch.zeros(3, 3)}, file)
    with pytest.raises(ValueError, match=r"tuned.safetensors does not fit tiny-sd3 \(.*name the model"):
        load_pipeline(find_model(f"{file}@{sd3_folder}"), device=torch.device("cpu"))


def test_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no file .*none.safetensors; check the path"):
        find_model(str(tmp_path / "none.safetensors"))


def test_visitors_of_a_public_host_open_no_files(sd3_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "tuned.safetensors"
    save_file(transformer_of(sd3_folder), file)
    for name in (str(file), f"{file}@{sd3_folder}", "a/b.safetensors@micro-4k"):
        with pytest.raises(ValueError, match="there is no model"):
            find_model(name, environ={"SPACE_ID": "ada/studio"})


def test_training_starts_from_whole_folders(sd3_folder: Path, tmp_path: Path, workspace: Workspace) -> None:
    file = tmp_path / "tuned.safetensors"
    save_file(transformer_of(sd3_folder), file)
    config = changed(FinetuneConfig(), "model", base=f"{file}@{sd3_folder}")
    config = changed(config, "data", source=str(tmp_path))
    with pytest.raises(ValueError, match="tuned is one file, and this needs a pipeline folder"):
        located(config, workspace)
