"""What is checked before anything expensive: name, model, dataset, disk, memory, precision. No torch, no gradio.

Not here: what a run really takes (a dry run measures it, `finetune.dry_run`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from finetune.config.run_config import FinetuneConfig
from finetune.data.dataset import open_dataset
from finetune.data.exclusions import FILE_NAME as EXCLUSIONS
from studio.datasets.places import dataset_place
from studio.home.workspace import Workspace
from studio.models.lookup import cached_folder, check_available, check_size, find_model
from studio.training.crops import CropCount, count_crops, crops_check
from studio.training.needs import Check, disk_check, memory_check
from studio.training.runs import Forecast, Trainings

_EXTRAS = {"adamw8bit": "bitsandbytes", "prodigy": "prodigyopt"}


def num_nvidia_gpus() -> int:
    """As the driver says, and of them those that CUDA may see; torch is not asked."""
    there = len([path for path in Path("/dev").glob("nvidia*") if path.name[6:].isdigit()])
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return there if seen is None else min(there, len([each for each in seen.split(",") if each.strip()]))


def check_all(
    config: FinetuneConfig,
    trainings: Trainings,
    *,
    forecast: Forecast | None = None,
    gpus: Callable[[], int] = num_nvidia_gpus,
) -> list[Check]:
    """Every check, in the order of the form. A problem is one that a start would meet too."""
    there = gpus()
    dataset, count = _dataset(config, trainings.workspace)
    found = [_model(config), dataset]
    found += [] if count is None or dataset.level == "problem" else [crops_check(count, config)]
    found += [
        _precision(config, there),
        memory_check(config, there > 0),
        disk_check(config, trainings, forecast),
        _name(config, trainings),
    ]
    return found


def _model(config: FinetuneConfig) -> Check:
    try:
        entry = find_model(config.model.base)
        check_available(entry)
        check_size(entry, config.data.resolution_px, config.data.resolution_px)
    except ValueError as error:
        return Check("Model", "problem", str(error))
    if entry.folder is None and cached_folder(entry.source) is None:
        return Check(
            "Model", "warning", f"{entry.title} is not on this machine yet and will be fetched first"
        )
    return Check("Model", "ok", f"{entry.title}, {entry.licence}")


def _dataset(config: FinetuneConfig, workspace: Workspace) -> tuple[Check, CropCount | None]:
    """The check, and what was counted."""
    if not config.data.source.strip():
        return Check("Dataset", "problem", "no dataset is chosen; choose one in step 1"), None
    try:
        source = dataset_place(config.data.source, workspace)
        if source.suffix.lower() == ".zip" and source.is_file():
            words = f"{source.name} is a zip, it is unpacked and counted when the run starts"
            return Check("Dataset", "warning", words), None
        dataset = open_dataset(source)
        count = count_crops(dataset, config)
    except (ValueError, OSError) as error:
        return Check("Dataset", "problem", str(error)), None
    scanned = (dataset.root / EXCLUSIONS).is_file()
    without = sum(item.caption is None for item in dataset.items)
    return _counted(count, config, scanned=scanned, without_caption=without), count


def _counted(count: CropCount, config: FinetuneConfig, *, scanned: bool, without_caption: int) -> Check:
    side, crops = config.data.resolution_px, count.total
    kept_out = config.validation.num_examples  # whether or not validation is ever measured
    apart = [
        *([f"{count.too_small} too small"] if count.too_small else []),
        *([f"{count.left_out} left out"] if count.left_out else []),
    ]
    words = f"{crops} {'crop' if crops == 1 else 'crops'} at {side} px{_of(apart)}"
    words += "" if scanned else ", before a scan"
    if not crops:
        return Check(
            "Dataset", "problem", f"no picture is fit for {side} px{_of(apart)}; lower the resolution"
        )
    if crops <= kept_out:
        return Check(
            "Dataset",
            "problem",
            f"{words}, and validation keeps {kept_out} of them; lower validation.num_examples or add pictures",
        )
    if without_caption:
        return Check(
            "Dataset", "warning", f"{words}; {without_caption} pictures have no caption and are left out"
        )
    return Check("Dataset", "ok", words)


def _precision(config: FinetuneConfig, gpus: int) -> Check:
    resources, on_gpu = config.resources, gpus > 0 and config.resources.device != "cpu"
    needs = _EXTRAS.get(config.optimizer.kind)
    if needs is not None and find_spec(needs) is None:
        return Check(
            "Device", "problem", f"optimizer {config.optimizer.kind} needs {needs}; install the extra [train]"
        )
    for tracker in config.output.trackers:
        if find_spec(tracker) is None:
            return Check("Device", "problem", f"{tracker} is not installed; install the extra [trackers]")
    if on_gpu and resources.processes > gpus:
        return Check(
            "Device",
            "problem",
            f"{resources.processes} processes need a GPU each, and there {'is' if gpus == 1 else 'are'} {gpus}; "
            f"set resources.processes to {gpus}",
        )
    if on_gpu:
        count = "NVIDIA GPU" if resources.processes == 1 else f"{resources.processes} NVIDIA GPUs"
        return Check("Device", "ok", f"{count}, {resources.precision}")
    if resources.precision == "fp16":
        return Check("Device", "problem", "fp16 needs a GPU and there is none; choose fp32")
    if config.method.quantise_base != "none":
        return Check("Device", "problem", "a quantised base needs an NVIDIA GPU; set it to none")
    if resources.precision == "bf16":
        return Check("Device", "warning", "CPU in bf16; fp32 is exact there and most often faster")
    return Check("Device", "ok", "CPU, fp32")


def _name(config: FinetuneConfig, trainings: Trainings) -> Check:
    name = config.output.name
    if name == "untitled":
        return Check("Name", "warning", "the run is still untitled; a name helps to find it again")
    if any(line.name == name for line in trainings.listed()):
        return Check("Name", "ok", f"{name} exists already, so this one will be numbered")
    return Check("Name", "ok", f"runs/{name}")


def _of(apart: list[str]) -> str:
    return f" ({', '.join(apart)})" if apart else ""
