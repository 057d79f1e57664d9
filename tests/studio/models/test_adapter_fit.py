"""How LoRA files fit a model before anything is drawn: layers, left-over keys with reasons, files that fit nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from finetune.lora.files import save_adapter
from finetune.weight_files import read_header
from studio.cli.main import app
from studio.models import adapter_fit
from studio.models.adapter_fit import AdapterFits
from studio.ui.generate.lora_fits import FitContent, LoraFitHandlers
from studio.ui.generate.lora_stack import LoraContent, LoraRow
from tests.finetune.lora.test_files import trained

FILES = OURS, FOREIGN, BROKEN, REPLACED = [
    f"loras/{name}.safetensors" for name in ("ours", "of-flux", "broken", "replaced")
]
"""Always asked for together: whoever is first has them looked at, in one process."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA of the tiny SD3 with a stranger's pair in it, one of Flux, a file that is none, another one of Flux."""
    root = tmp_path_factory.mktemp("home")
    path = save_adapter(trained("sd3").transformer, root / "made", family="sd3", metadata={})
    state, metadata = load_file(path), dict(read_header(path).metadata)
    state["lora_unet_nowhere.lora_down.weight"] = torch.zeros(2, 8)
    state["lora_unet_nowhere.lora_up.weight"] = torch.zeros(8, 2)
    state["lora_unet_nowhere.hada_w1_a"] = torch.zeros(8, 2)
    (root / "loras").mkdir()
    save_file(state, root / OURS, metadata)
    flux = "transformer.single_transformer_blocks.0.attn.to_q.lora_"
    for name in (FOREIGN, REPLACED):
        save_file({f"{flux}A.weight": torch.ones(1, 8), f"{flux}B.weight": torch.ones(8, 1)}, root / name)
    (root / BROKEN).write_bytes(b"no weights at all")
    return root


@pytest.fixture(scope="module")
def fits(home: Path) -> AdapterFits:
    return AdapterFits(home, os.environ)


def stack(*paths: str, off: tuple[str, ...] = ()) -> LoraContent:
    return LoraContent(rows=tuple(LoraRow(path=path, on=path not in off) for path in paths))


def test_each_file_is_told_apart(fits: AdapterFits, sd3_folder: Path) -> None:
    found = fits.find(FILES, str(sd3_folder))
    assert found[OURS].fits
    assert "3 keys are not used" in found[OURS].words
    assert {(one.reason, one.num_keys) for one in found[OURS].unused} == {
        ("The model has no such layer.", 2),
        ("It is a LoHa, which is not read here; convert it to a LoRA.", 1),
    }
    assert not found[FOREIGN].fits
    assert found[FOREIGN].words == "no layer fits; 2 keys are not used"
    assert not found[BROKEN].fits
    assert "broken.safetensors" in found[BROKEN].words


def test_what_is_known_is_not_looked_at_again(
    fits: AdapterFits, sd3_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fits.find(FILES, str(sd3_folder))
    monkeypatch.setattr(adapter_fit, "CHILD", "no.such.module")
    assert fits.find(FILES, str(sd3_folder)) == first == fits.known(FILES, str(sd3_folder))


def test_lines_of_the_form_and_a_look_that_broke_off(
    fits: AdapterFits, sd3_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers, model = LoraFitHandlers(AdapterFits(fits.root, os.environ)), str(sd3_folder)
    assert handlers.told(model, stack()) == FitContent()
    (waiting,) = handlers.told(model, stack(OURS, FOREIGN, off=(FOREIGN,))).lines
    assert (waiting.title, waiting.mood) == ("ours", "wait")
    with monkeypatch.context() as broken:
        broken.setattr(adapter_fit, "CHILD", "no.such.module")
        told = handlers.fits.find([FOREIGN], model)[FOREIGN]
    assert not told.fits
    assert "broke off" in told.words
    handlers.look(model, stack(OURS, FOREIGN))  # done again
    ours, foreign = handlers.told(model, stack(OURS, FOREIGN).model_dump()).lines
    assert (ours.mood, foreign.mood) == ("warn", "warn")
    assert "no layer fits" in foreign.words
    assert any("and 1 more: The model has no such layer." in sentence for sentence in ours.unused)


def test_a_changed_file_is_another(fits: AdapterFits, home: Path, sd3_folder: Path) -> None:
    assert fits.find(FILES, str(sd3_folder))[REPLACED].words.startswith("no layer")
    (home / REPLACED).write_bytes((home / OURS).read_bytes())
    assert fits.known([REPLACED], str(sd3_folder)) == {}


def test_a_model_that_is_not_here_and_a_file_that_is_gone(fits: AdapterFits, sd3_folder: Path) -> None:
    handlers = LoraFitHandlers(fits)
    fits.find(FILES, str(sd3_folder))
    handlers.look("sd3-medium", stack(OURS))
    (line,) = handlers.told("sd3-medium", stack(OURS)).lines
    assert "not on this machine yet" in line.words
    (line,) = handlers.told(str(sd3_folder), stack("loras/gone.safetensors")).lines
    assert "missing" in line.words
    assert line.mood == "warn"


def test_the_command(home: Path, sd3_folder: Path) -> None:
    done = CliRunner().invoke(app, ["loras", "--home", str(home), "--model", str(sd3_folder)])
    assert done.exit_code == 0, done.output
    assert f"{FOREIGN}\n  no layer fits; 2 keys are not used\n" in done.output
    assert "2 keys such as lora_unet_nowhere.lora_down.weight: The model has no such layer." in done.output
