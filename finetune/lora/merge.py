"""Adapters melted into a whole pipeline folder that stock diffusers opens, F16 kept.

Works on the files, shard by shard: no model is opened, every weight keeps its dtype, and all that the adapters do not
touch is copied byte for byte. W becomes W + weight * up @ down, summed in float32.
Not here: reading adapters (`finetune.lora.files`).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from finetune.backbones import checkpoints, family_of
from finetune.data.exclusions import write_json
from finetune.json_text import parse_json
from finetune.lora.files import read_adapter
from finetune.lora.keys import LowRank
from finetune.lora.matching import MatchReport
from finetune.whole_files import whole_file

RECORD = "merged_adapters.json"
_WEIGHT = ".weight"


def merge_adapters(
    source: str | Path, adapters: Sequence[tuple[Path, float]], target: Path
) -> tuple[MatchReport, ...]:
    """Write `source`, a pipeline folder or hub id, with `adapters` (file, weight) melted in to `target`.

    Returns how each adapter fitted. Known faults of published folders are mended in the copy.

    Raises:
        ValueError: `target` exists, no adapters, one that fits no layer, a disk without room. Nothing is left then.
    """
    if not adapters:
        raise ValueError("no adapter was given; name at least one LoRA file")
    if target.exists():
        raise ValueError(f"{target} exists already; choose another name or move it away")
    folder = checkpoints.pipeline_folder(source)
    family, shapes = family_of(folder), folder_shapes(folder)
    read = [read_adapter(path, family=family.name, shapes=shapes) for path, _ in adapters]
    for (path, _), adapter in zip(adapters, read, strict=True):
        if not adapter.pairs:
            raise ValueError(f"{path.name} fits no layer of {source}; it was made for another model")
    updates: dict[str, list[tuple[float, LowRank]]] = {}
    for (_, weight), adapter in zip(adapters, read, strict=True):
        for name, pair in adapter.pairs.items():
            updates.setdefault(f"{name}{_WEIGHT}", []).append((weight, pair))
    try:
        with whole_file(target) as part:
            part.mkdir(parents=True)
            _copy_untouched(folder, part)
            for shard in _shards(folder):
                tensors = load_file(shard)
                for key in tensors.keys() & updates.keys():
                    tensors[key] = merged(tensors[key], updates[key])
                save_file(tensors, part / "transformer" / shard.name, {"format": "pt"})
            record = [{"file": path.name, "weight": weight} for path, weight in adapters]
            write_json(part / RECORD, {"base": str(source), "adapters": record})
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{target} cannot be written ({error}); free some space or check rights") from error
    return tuple(adapter.report for adapter in read)


def with_transformer(source: str | Path, transformer: Path, target: Path) -> None:
    """Write `source`, a pipeline folder or hub id, with the transformer of a full run in place of its own to `target`.

    `transformer` is a folder of that name, as `save_pretrained` writes it.
    Raises ValueError as `merge_adapters`, and where the two transformers differ in shape.
    """
    if target.exists():
        raise ValueError(f"{target} exists already; choose another name or move it away")
    folder = checkpoints.pipeline_folder(source)
    family_of(folder)
    theirs, ours = folder_shapes(folder), folder_shapes(transformer.parent)
    if theirs != ours:
        odd = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
        raise ValueError(f"{transformer} is no transformer of {source}, {odd[0]} differs; name its true base")
    try:
        with whole_file(target) as part:
            part.mkdir(parents=True)
            _copy_untouched(folder, part)
            shutil.rmtree(part / "transformer", ignore_errors=True)
            shutil.copytree(transformer, part / "transformer")
    except OSError as error:
        raise ValueError(f"{target} cannot be written ({error}); free some space or check rights") from error


def merged(weight: Tensor, updates: Sequence[tuple[float, LowRank]]) -> Tensor:
    """weight + sum of factor * up @ down, in the weight's dtype."""
    total = weight.float()
    for factor, pair in updates:
        change = pair.up.float().flatten(1) @ pair.down.float().flatten(1)
        total = total + factor * change.reshape(weight.shape)
    return total.to(weight.dtype)


def folder_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Layers of a folder's transformer and the shapes of their weights, from the files' headers."""
    shapes = {}
    for shard in _shards(folder):
        with safe_open(shard, framework="pt") as file:
            for key in list(file.keys()):
                shape = tuple(file.get_slice(key).get_shape())
                if key.endswith(_WEIGHT) and len(shape) in (2, 4):
                    shapes[key.removesuffix(_WEIGHT)] = shape
    return shapes


def _shards(folder: Path) -> list[Path]:
    inside = folder / "transformer"
    indices = [path for path in inside.glob("*.safetensors.index.json") if ".fp16." not in path.name]
    if indices:
        names: Mapping[str, str] = parse_json(indices[0].read_text(encoding="utf-8"))["weight_map"]
        return [inside / name for name in sorted(set(names.values()))]
    plain = inside / "diffusion_pytorch_model.safetensors"
    if not plain.is_file():
        raise ValueError(f"{inside} holds no diffusion_pytorch_model.safetensors; download the model again")
    return [plain]


def _copy_untouched(folder: Path, target: Path) -> None:
    """Everything but the transformer's weights; second copies of weights stay behind."""
    with checkpoints.stock_layout(folder) as (readable, _):
        shutil.copyfile(readable / "model_index.json", target / "model_index.json")
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        of_transformer = relative.parts[0] == "transformer" and path.suffix == ".safetensors"
        variant = any(mark in path.name for mark in (".fp16.", ".bf16.", ".non_ema."))
        hidden = any(name.startswith(".") for name in relative.parts)
        if path.is_file() and not (
            of_transformer or variant or hidden or relative.parts == ("model_index.json",)
        ):
            in_component = len(relative.parts) > 1 and (folder / relative.parts[0]).is_dir()
            if in_component or path.suffix in (".md", ".txt") or path.name.startswith("LICEN"):
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / relative)
    config = target / "vae" / "config.json"
    if config.is_file():
        values = parse_json(config.read_text(encoding="utf-8"))
        if values.get("_class_name") != "AutoencoderKL":  # the published code's own class
            write_json(config, {**values, "_class_name": "AutoencoderKL"})
