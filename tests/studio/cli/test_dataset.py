"""`d4k dataset ...` and `d4k export`: what they print, write and refuse."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from finetune.config.files import from_values
from finetune.data.cache import open_cache
from finetune.data.dataset import open_dataset
from finetune.lora.files import save_adapter
from finetune.preparing import open_prepared, prepare
from finetune.run_folder import create_run
from studio.cli.main import app
from studio.datasets.places import cache_folder, located, picture_multiple_px
from studio.home.workspace import Workspace
from studio.models.lookup import find_model
from tests.finetune.captions.test_endpoint import Endpoint
from tests.finetune.captions.test_endpoint import endpoint as endpoint
from tests.finetune.data.test_scan import fine
from tests.finetune.lora.test_files import trained
from tests.finetune.tiny_vision_language import save_tiny_model
from tests.studio.datasets.dataset_hub import ID, DatasetHub
from tests.studio.datasets.test_fetching import environ as environ
from tests.studio.datasets.test_fetching import hub as hub

pytestmark = pytest.mark.process


def d4k(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for seed, side in enumerate((300, 300, 200)):
        Image.fromarray(fine(seed, side)).save(folder / f"{seed}.png")
        (folder / f"{seed}.txt").write_text(f"hill {seed}")
    return folder


def test_scan_prints_counts_and_reasons(root: Path, sd3_folder: Path) -> None:
    done = d4k("dataset", "scan", root, "--resolution", 256, "--model", sd3_folder, "--square")
    assert done.exit_code == 0, done.output
    assert "3 pictures, 2 to train on" in done.stdout
    assert "256x256: 2" in done.stdout
    assert "2.png: It is 200 x 200 px, too small for 256 px" in done.stdout


def test_scan_as_json_lists_the_crops(root: Path, sd3_folder: Path) -> None:
    done = d4k("dataset", "scan", root, "--resolution", 256, "--model", sd3_folder, "--json")
    found = json.loads(done.stdout)
    assert found["crops"][0] == {
        "file_name": "0.png",
        "box": [0, 0, 300, 300],
        "size_px": [256, 256],
        "caption": "hill 0",
    }
    assert [e["reason"] for e in found["left_out"]] == ["too-small"]


def test_preview_writes_what_the_cache_encodes(root: Path, sd3_folder: Path, tmp_path: Path) -> None:
    given = ("--resolution", 256, "--model", sd3_folder)
    done = d4k("dataset", "preview", root, *given, "--out", tmp_path / "seen", "--limit", 1)
    assert done.exit_code == 0, done.output
    assert "1 of 2 crops" in done.stdout
    shown = np.asarray(Image.open(tmp_path / "seen" / "256x256" / "0.png"))
    expected = Image.open(root / "0.png").resize((256, 256), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(shown, np.asarray(expected))
    d4k("dataset", "preview", root, *given, "--out", tmp_path / "small", "--side", 64)
    with Image.open(tmp_path / "small" / "256x256" / "1.png") as small:
        assert small.size == (64, 64)


def test_cache_is_built_shown_and_cleared(root: Path, sd3_folder: Path, tmp_path: Path) -> None:
    given = ("--resolution", 256, "--model", sd3_folder, "--home", tmp_path / "home")
    done = d4k("dataset", "cache", root, *given)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("2 examples in ")
    folder = cache_folder(Workspace(tmp_path / "home"), root, find_model(str(sd3_folder)).id)
    assert open_cache(folder).item(0).latents.shape == (16, 16, 16)
    assert "MiB freed" in d4k("dataset", "cache", root, *given, "--clear").stdout
    assert not list(folder.rglob("*.safetensors"))


def test_a_run_trains_on_what_was_encoded_ahead(
    root: Path, sd3_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--resolution", 256, "--model", sd3_folder, "--home", tmp_path / "home", "--precision", "fp32")
    assert d4k("dataset", "cache", root, *given).exit_code == 0
    values = {
        "model": {"base": str(sd3_folder)},
        "data": {"source": str(root), "resolution_px": 256},
        "validation": {"num_examples": 1},
        "resources": {"precision": "fp32", "device": "cpu"},
    }
    workspace = Workspace(tmp_path / "home")
    run = create_run(workspace.runs, located(from_values(values), workspace))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("encoded a second time")

    monkeypatch.setattr("finetune.data.cache.encode_caption", refuse)
    monkeypatch.setattr("finetune.data.cache._encode", refuse)
    prepare(run, run.config(), device=torch.device("cpu"), on_stage=lambda stage, words: None)
    assert len(open_prepared(run, run.config()).data) == 2


def test_captions_through_an_endpoint(
    endpoint: Endpoint, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "1.txt").unlink()
    monkeypatch.setenv("MY_KEY", "sk-x")
    given = ("--base-url", endpoint.base_url, "--model", "m", "--key-variable", "MY_KEY")
    done = d4k("dataset", "caption", root, *given)
    assert "1/1  1.png  picture 1" in done.stdout
    assert "every picture has its caption" in done.stdout
    assert endpoint.asked[0][1]["Authorization"] == "Bearer sk-x"
    endpoint.answers = [(400, {}, {"error": "no"})] * 2
    assert "2 pictures are without" in d4k("dataset", "caption", root, *given, "--replace").stdout


def test_a_zip_is_unpacked_first(root: Path, sd3_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "d.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in root.iterdir():
            opened.write(path, path.name)
    given = ("--resolution", 256, "--model", sd3_folder)
    assert "say into which folder" in d4k("dataset", "scan", archive, *given).stderr
    done = d4k("dataset", "scan", archive, *given, "--unpack-to", tmp_path / "new")
    assert "3 pictures" in done.stdout


def test_bad_input_is_one_sentence(root: Path, tmp_path: Path) -> None:
    for words, told in {
        ("dataset", "scan", tmp_path / "none"): "is missing",
        ("dataset", "scan", root, "--resolution", 1000): "multiple of 32 px, got 1000; try 992",
        ("dataset", "scan", root, "--model", "micro"): "did you mean micro-4k?",
        ("dataset", "caption", root, "--base-url", "x", "--model", "m"): "must be an http",
        ("export", "none", "--home", tmp_path): "has no adapter/",
        ("export", tmp_path / "a.safetensors"): "is missing",
    }.items():
        done = d4k(*words)
        assert (done.exit_code, told in done.stderr) == (2, True), done.output


def test_multiples_of_the_bundled_and_the_published() -> None:
    assert picture_multiple_px(find_model("micro-4k")) == 32
    assert picture_multiple_px(find_model("flux.1-dev")) == 32


@pytest.fixture
def run(tmp_path: Path, sd3_folder: Path) -> Iterator[Path]:
    folder = tmp_path / "home" / "runs" / "oil"
    pipeline = trained("sd3")
    save_adapter(
        pipeline.transformer,
        folder / "adapter",
        family="sd3",
        metadata={"base": str(sd3_folder), "trigger": "d4k"},
    )
    yield folder
    shutil.rmtree(folder)


def test_export_for_comfyui_and_back(run: Path, tmp_path: Path) -> None:
    done = d4k("export", "oil", "--format", "comfyui", "--home", tmp_path / "home")
    assert done.exit_code == 0, done.output
    path = run / "adapter" / "oil-comfyui.safetensors"
    assert f"{path}: " in done.stdout.replace("\n", "")
    kohya = load_file(path)
    assert "lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight" in kohya
    back = d4k("export", path, "--out", tmp_path / "back.safetensors")
    assert back.exit_code == 0, back.output
    ours, again = (
        load_file(run / "adapter" / "pytorch_lora_weights.safetensors"),
        load_file(tmp_path / "back.safetensors"),
    )
    assert ours.keys() == again.keys()
    assert all((ours[key] == again[key]).all() for key in ours)


def test_export_merged_opens(run: Path, tmp_path: Path) -> None:
    done = d4k("export", run, "--format", "merged", "--out", tmp_path / "whole")
    assert done.exit_code == 0, done.output
    assert "every key is used" in done.stdout
    assert find_model(str(tmp_path / "whole")).autoencoder == "f16"
    assert "exists already" in d4k("export", run, "--format", "merged", "--out", tmp_path / "whole").stderr


def test_export_needs_to_know_the_base(run: Path, tmp_path: Path, sd3_folder: Path) -> None:
    path = save_adapter(trained("sd3").transformer, tmp_path / "anon", family="sd3", metadata={})
    assert "name it with --base" in d4k("export", path).stderr
    assert d4k("export", path, "--base", sd3_folder).exit_code == 0
    assert "to a .safetensors file" in d4k("export", run, "--out", tmp_path / "x").stderr


def test_a_dataset_of_the_hub_is_fetched_and_scanned_only_then(
    hub: DatasetHub, environ: dict[str, str], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets", reason="the extra `hub` is not installed")
    for name in ("HF_ENDPOINT", "HF_HOME"):
        monkeypatch.setenv(name, environ[name])
    home = ("--home", workspace.root)
    done = d4k("dataset", "fetch", ID, "--into", "mine", "--max-pictures", 3, *home)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == f"{workspace.datasets / 'mine'}: 3 pictures, as many as were asked for"
    done = d4k("dataset", "fetch", ID, "--split", "nightly", *home)
    assert done.exit_code == 2
    assert "has no split 'nightly'; name one of train" in done.stderr


def test_a_hub_id_in_place_of_a_folder_is_told_the_remedy() -> None:
    for command in ("scan", "preview --out x", "caption --base-url http://x --model y"):
        name, *options = command.split()
        done = d4k("dataset", name, "zhang0jhon/Aesthetic-4K", *options)
        assert done.exit_code == 2
        assert "`d4k dataset fetch zhang0jhon/Aesthetic-4K` brings it first" in done.stderr
    done = d4k("dataset", "fetch", "Aesthetic-4K")
    assert (done.exit_code, "reads owner/name" in done.stderr) == (2, True)


def test_captions_by_a_model_of_this_machine(root: Path, tmp_path: Path) -> None:
    (root / "1.txt").unlink()
    model = save_tiny_model(tmp_path / "tiny-llava")
    done = d4k("dataset", "caption", root, "--local", model, "--prompt", "a red hill")
    assert done.exit_code == 0, done.output
    assert "1/1  1.png  " in done.stdout
    assert done.stdout.strip().endswith("every picture has its caption")
    assert open_dataset(root).items[1].caption_by == "tiny-llava"
    assert "1/1" not in d4k("dataset", "caption", root, "--local", model).stdout
    for words in ((), ("--model", "m"), ("--base-url", "http://x/v1", "--model", "m", "--local", model)):
        refused = d4k("dataset", "caption", root, *words)
        assert refused.exit_code == 2
        assert "from --base-url with --model, or from --local; name one of the two" in refused.stderr
    refused = d4k("dataset", "caption", root, "--local", root)
    assert "it has no config.json; give the folder of a model" in refused.stderr
