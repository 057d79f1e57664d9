"""What is done before the first step, and that it can be broken off anywhere."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune import preparing, train
from finetune.preparing import open_prepared, prepare
from finetune.run_folder import RunFolder
from tests.finetune.training_runs import new_run, write_dataset
from tests.tiny_models import tiny_sd3_pipeline

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preparing")
    tiny_sd3_pipeline().save_pretrained(folder / "sd3")
    write_dataset(folder / "data")
    with zipfile.ZipFile(folder / "data.zip", "w") as archive:
        for file in (folder / "data").iterdir():
            archive.write(file, f"inside/{file.name}")
    return folder


def run_of(home: Path, name: str, source: str = "data", **sections: Any) -> RunFolder:
    return new_run(home / "runs", home / "sd3", home / source, output={"name": name}, **sections)


class Stopped(Exception):
    pass


def stop_at(wanted: str) -> Any:
    def on_stage(stage: str, message: str) -> None:
        if stage == wanted:
            raise Stopped(message)

    return on_stage


def silent(stage: str, message: str) -> None:
    pass


def test_a_zip_is_unpacked_once_and_a_run_broken_off_goes_on(home: Path) -> None:
    run = run_of(home, "zipped", "data.zip")
    with pytest.raises(Stopped):
        prepare(run, run.config(), device=CPU, on_stage=stop_at("encoding"))
    assert (run.path / "unpacked" / "inside" / "0.png").is_file()
    prepare(run, run.config(), device=CPU, on_stage=silent)
    assert len(open_prepared(run, run.config()).data) == 6


def test_a_zip_that_was_cut_off_is_unpacked_anew(home: Path) -> None:
    run = run_of(home, "cut", "data.zip")
    part = run.path / ".unpacked.4194305-0123abcd.part"  # of a process that no system numbers so
    (part / "inside").mkdir(parents=True)
    (part / "inside" / "0.png").write_bytes(b"half")
    os.utime(part, (0, 0))
    prepare(run, run.config(), device=CPU, on_stage=silent)
    assert len(open_prepared(run, run.config()).data) == 6
    assert not part.exists()


def test_an_objective_that_cannot_be_is_refused_before_anything_is_encoded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("encoded in vain")

    monkeypatch.setattr(preparing, "build_cache", refuse)
    levels = {"kind": "wavelet", "levels": 4, "detail_weights": [[1.0, 1.0, 2.0]] * 4}
    for objective, words in (
        ({"kind": "wavelet", "wavelet": "hare"}, "no wavelet of PyWavelets"),
        (levels, "set objective.levels to 3"),  # 64 px are 8 latents
    ):
        run = run_of(home, "split", objective=objective)
        assert train.main([str(run.path)]) == 1
        assert words in json.loads((run.path / "status.json").read_text())["message"]


def test_latents_with_the_vaes_shift_left_in_are_others(home: Path) -> None:
    """As the published training of SD3: raw x scale instead of (raw - shift) x scale."""
    cache = home / "shift-cache"
    found = []
    for name, shift in (("centred", True), ("published", False)):
        run = run_of(home, name, model={"latent_shift": shift}, data={"cache": str(cache)})
        prepare(run, run.config(), device=CPU, on_stage=silent)
        found.append(open_prepared(run, run.config()).data.item(0).latents)
    vae = json.loads((home / "sd3" / "vae" / "config.json").read_text())
    assert vae["shift_factor"]
    bias = vae["shift_factor"] * vae["scaling_factor"]
    torch.testing.assert_close(found[1] - found[0], torch.full_like(found[0], bias), rtol=0, atol=1e-5)
    shutil.rmtree(cache)
