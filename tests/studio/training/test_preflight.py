"""Checks before a start: every one is seen to pass, to warn and to refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finetune.config.files import changed, from_values
from finetune.config.run_config import FinetuneConfig
from finetune.data.exclusions import Exclusion, load_exclusions, save_exclusions
from studio.memory.training_footprints import training_footprint
from studio.training import needs as training_needs
from studio.training import preflight as training_preflight
from studio.training.needs import Check
from studio.training.preflight import check_all
from studio.training.runs import Forecast, Trainings


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Eight pictures of 140 x 130 px and one of 90 px; all with captions."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(8):
        picture = Image.fromarray(np.full((130, 140, 3), 30 * i, np.uint8))
        picture.save(folder / f"{i}.jpg")
        (folder / f"{i}.txt").write_text("a hill")
    Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(folder / "small.png")
    (folder / "small.txt").write_text("a hill")
    return folder


@pytest.fixture
def config(pictures: Path) -> FinetuneConfig:
    return from_values(
        {
            "data": {"source": str(pictures), "resolution_px": 128},
            "resources": {"precision": "fp32"},
            "output": {"name": "oil"},
        }
    )


def checks(config: FinetuneConfig, trainings: Trainings, **more: Any) -> dict[str, Check]:
    more.setdefault("gpus", no_gpu)
    return {check.name: check for check in check_all(config, trainings, **more)}


def no_gpu() -> int:
    return 0


def one_gpu() -> int:
    return 1


def test_all_is_well(config: FinetuneConfig, trainings: Trainings) -> None:
    found = checks(config, trainings)
    assert list(found) == ["Model", "Dataset", "Crops", "Device", "Memory", "Disk", "Name"]
    assert {check.level for check in found.values()} == {"ok"}
    assert found["Dataset"].words == "8 crops at 128 px (1 too small), before a scan"
    assert found["Crops"].words == "8 of 128 x 128 px"
    assert found["Model"].words.startswith("Micro-4K")
    assert found["Name"].words == "runs/oil"


def test_the_dataset(config: FinetuneConfig, trainings: Trainings, pictures: Path, tmp_path: Path) -> None:
    def of(section: str, **settings: Any) -> Check:
        return checks(changed(config, section, **settings), trainings)["Dataset"]

    assert (of("data", source="").level, of("data", source="/no/such").level) == ("problem", "problem")
    (tmp_path / "empty").mkdir()
    assert of("data", source=str(tmp_path / "empty")).level == "problem"
    assert "lower the resolution" in of("data", resolution_px=4096).words
    assert "lower validation.num_examples" in of("validation", num_examples=8).words
    assert of("validation", num_examples=8, every=0).level == "problem", "they are kept out all the same"
    assert of("validation", num_examples=7, every=0).level == "ok"
    save_exclusions(
        pictures, load_exclusions(pictures).with_found([Exclusion("0.jpg", "blurred", "It is blurred.")])
    )
    assert of("data").words == "7 crops at 128 px (1 too small, 1 left out)"
    (pictures / "2.txt").unlink()
    assert of("data").level == "warning"
    assert "6 crops" in of("data").words
    (pictures / "3.jpg").write_bytes(b"no picture")
    assert "5 crops" in of("data").words


def test_the_crops(config: FinetuneConfig, trainings: Trainings, pictures: Path) -> None:
    """128 px are 8 latents of Micro-4K, which are halved three times and no more."""

    def of(**sections: Any) -> Check | None:
        values = {"data": {"source": str(pictures), "resolution_px": 128}, **sections}
        return checks(from_values(values), trainings).get("Crops")

    def split(levels: int, wavelet: str = "haar") -> Any:
        weights = [[1.0, 1.0, 2.0]] * levels
        return of(
            objective={"kind": "wavelet", "wavelet": wavelet, "levels": levels, "detail_weights": weights}
        )

    assert split(3).level == "ok"
    assert split(4).level == "problem"
    assert "set objective.levels to 3" in split(4).words
    assert "no wavelet of PyWavelets" in split(1, "hare").words
    samples = of(samples={"prompts": ["a hill"], "width_px": 1000})
    assert samples is not None
    assert (samples.level, "multiples of 32" in samples.words) == ("warning", True)
    assert of(data={"source": "/no/such", "resolution_px": 128}) is None
    Image.fromarray(np.zeros((200, 400, 3), np.uint8)).save(pictures / "wide.png")
    (pictures / "wide.txt").write_text("a hill")
    found = of()
    assert found is not None
    assert found.words == "8 of 128 x 128 px, 1 of 160 x 96 px"


def test_a_dataset_of_the_hub_that_was_not_fetched(config: FinetuneConfig, trainings: Trainings) -> None:
    found = checks(changed(config, "data", source="zhang0jhon/Aesthetic-4K"), trainings)["Dataset"]
    assert (found.level, "d4k dataset fetch" in found.words) == ("problem", True)


def test_the_model(config: FinetuneConfig, trainings: Trainings, monkeypatch: pytest.MonkeyPatch) -> None:
    def of(base: str, side_px: int = 2048) -> Check:
        changed_ = changed(changed(config, "model", base=base), "data", resolution_px=side_px)
        return checks(changed_, trainings)["Model"]

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert "there is no model" in of("micro-8k").words
    assert "draws up to 4096" in of("micro-4k", 8192).words
    assert of("zhang0jhon/flux_wavelet").level == "warning"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "forbids to fetch it" in of("zhang0jhon/flux_wavelet").words


def test_the_device(config: FinetuneConfig, trainings: Trainings, monkeypatch: pytest.MonkeyPatch) -> None:
    def of(section: str, gpus: Any = no_gpu, **settings: Any) -> Check:
        return checks(changed(config, section, **settings), trainings, gpus=gpus)["Device"]

    assert of("resources", precision="bf16").level == "warning"
    assert of("resources", precision="bf16", gpus=one_gpu).level == "ok"
    assert of("resources", precision="bf16", device="cpu", gpus=one_gpu).level == "warning"
    assert of("resources", precision="fp16").level == "problem"
    assert of("method", quantise_base="nf4").level == "problem"
    assert of("method", quantise_base="nf4", gpus=one_gpu).level == "ok"
    too_many = of("resources", processes=4, gpus=one_gpu)
    assert (too_many.level, "there is 1" in too_many.words) == ("problem", True)
    assert of("resources", processes=4, gpus=lambda: 4).words == "4 NVIDIA GPUs, fp32"
    monkeypatch.setattr(training_preflight, "find_spec", {}.get)
    assert "needs bitsandbytes" in of("optimizer", kind="adamw8bit").words
    assert "needs prodigyopt" in of("optimizer", kind="prodigy").words
    assert "not installed" in of("output", trackers=("tensorboard",)).words


def test_the_disk(config: FinetuneConfig, trainings: Trainings, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = Forecast(0.5, 2**30, "CPU", 60, 600.0, 3 * 2**30)
    free = {"mib": 4000.0}
    monkeypatch.setattr(training_needs, "free_mib", lambda folder: free["mib"])
    assert checks(config, trainings)["Disk"].level == "ok"
    found = checks(config, trainings, forecast=measured)["Disk"]
    assert (found.level, found.words) == (
        "ok",
        "3.0 GiB for checkpoints (measured by the dry run), 3.9 GiB free",
    )
    free["mib"] = 3100.0
    assert checks(config, trainings, forecast=measured)["Disk"].level == "problem"
    free["mib"] = 100.0
    assert "100 MiB are free" in checks(config, trainings)["Disk"].words


def test_memory_of_a_catalogue_model_is_forecast_whole(
    config: FinetuneConfig, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    footprint = training_footprint("micro-4k")
    assert footprint is not None
    values = {"data": {"source": config.data.source, "resolution_px": 128}, "method": {"kind": "full"}}
    full = from_values({**values, "resources": {"precision": "fp32"}})
    # 4 bytes each: weight, gradient and two moments in memory; weight and moments four times on disk
    numbers = footprint.num_parameters
    found = checks(full, trainings)
    assert f"weights {numbers * 4 / 2**20:.0f} MiB" in found["Memory"].words
    assert f"gradients and optimizer {numbers * 12 / 2**20:.0f} MiB" in found["Memory"].words
    assert "activations" in found["Memory"].words
    assert found["Memory"].level == "ok"

    class Nothing:
        available = 10_000

    monkeypatch.setattr(training_needs.psutil, "virtual_memory", Nothing)
    assert checks(full, trainings)["Memory"].level == "problem"
    assert "choose LoRA" in checks(full, trainings)["Memory"].words
    monkeypatch.setattr(training_needs, "graphics_card", lambda: ("Some Card", 10**7, 10**10))
    on_gpu = checks(full, trainings, gpus=one_gpu)["Memory"]
    assert on_gpu.level == "warning"
    assert "free on Some Card" in on_gpu.words
    large = from_values(
        {**values, "model": {"base": "flux.1-dev"}, "data": {**values["data"], "resolution_px": 4096}}
    )
    assert "208.9 GiB estimated" in checks(large, trainings, gpus=one_gpu)["Memory"].words
    offloaded = from_values({**values, "resources": {"precision": "fp32", "cpu_offload": True}})
    resting = checks(offloaded, trainings, gpus=one_gpu)["Memory"]
    assert resting.level == "problem"
    assert f"{numbers * 16 / 2**20:.0f} MiB in main memory, where 0 MiB are free" in resting.words


def test_a_folder_is_estimated_from_its_weights(
    config: FinetuneConfig, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = 5_172_416 + 128 * 128 * 192  # the file holds the table of positions too
    monkeypatch.setattr(training_needs, "training_footprint", lambda model: None)
    full = from_values(
        {
            "data": {"source": config.data.source, "resolution_px": 128},
            "method": {"kind": "full"},
            "resources": {"precision": "fp32"},
        }
    )
    found = checks(full, trainings)
    assert f"{numbers * 16 / 2**20:.0f} MiB for weights, gradients" in found["Memory"].words
    assert f"{numbers * 12 * 4 / 2**20:.0f} MiB for checkpoints (estimated)" in found["Disk"].words

    class Nothing:
        available = 10_000

    monkeypatch.setattr(training_needs.psutil, "virtual_memory", Nothing)
    assert checks(full, trainings)["Memory"].level == "problem"
    assert checks(full, trainings, gpus=one_gpu)["Memory"].level == "ok"


def test_the_name(config: FinetuneConfig, trainings: Trainings) -> None:
    assert checks(changed(config, "output", name="untitled"), trainings)["Name"].level == "warning"
    trainings.start(config)
    assert "will be numbered" in checks(config, trainings)["Name"].words
