"""Model folders as files: what a diffusers pipeline folder holds, what it lacks, which weights they are.

No torch: the page asks these questions too. Opening a model is `finetune.backbones.checkpoints`' work.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

NUM_SAMPLES, SAMPLE_BYTES = 16, 4096  # of each weight file, for its hash
MAX_HEADER_BYTES = 100 * 2**20  # as in the safetensors library

_LIBRARIES = ("diffusers", "transformers")
_VARIANTS = (".fp16.", ".bf16.", ".non_ema.")  # second copies of the same weights


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises ValueError where it is missing or something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; download the model again") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not readable JSON ({error}); download the model again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} does not hold a JSON object; download the model again")
    return content


def pipeline_class(folder: Path) -> str:
    """The pipeline class that `model_index.json` names."""
    return str(read_json(folder / "model_index.json").get("_class_name"))


def is_f16_folder(folder: Path) -> bool:
    """Whether the folder's VAE says that it works at 16 pixels a latent."""
    config = folder / "vae" / "config.json"
    return config.is_file() and read_json(config).get("stride") == 2


def f16_alignment(folder: Path) -> Literal["exact", "reference"]:
    """How an F16 VAE's pictures lie; "exact" where its config says nothing."""
    config = folder / "vae" / "config.json"
    declared = read_json(config).get("f16_alignment") if config.is_file() else None
    return "reference" if declared == "reference" else "exact"


def foreign_code(folder: Path) -> list[str]:
    """Components that `model_index.json` takes from code of the model's own, such as "scheduler (my_code)".

    Not the VAE: whatever class it names, diffusers' own is used.
    """
    index = read_json(folder / "model_index.json")
    return [
        f"{name} ({entry[0]})"
        for name, entry in index.items()
        if not name.startswith("_") and name != "vae" and isinstance(entry, list) and len(entry) == 2
        if entry[0] not in (None, *_LIBRARIES)
    ]


def missing_files(folder: Path) -> list[str]:
    """Paths under `folder` that its `model_index.json` calls for and that are absent or cut off."""
    index = read_json(folder / "model_index.json")
    missing = []
    for name, entry in index.items():
        if not name.startswith("_") and isinstance(entry, list) and len(entry) == 2 and entry[0] is not None:
            missing += [f"{name}/{lacking}" for lacking in _missing_in_component(folder / name)]
    return missing


@lru_cache(maxsize=64)
def _hash_of(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, size, _ in files:
        digest.update(f"{Path(path).parent.name}/{Path(path).name} {size}\n".encode())
        with open(path, "rb") as file:
            digest.update(_header_bytes(file.read(8), file.read, size))
            for sample in range(NUM_SAMPLES):
                file.seek(max(0, (size - SAMPLE_BYTES) * sample // (NUM_SAMPLES - 1)))
                digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def tensor_sizes(folder: Path) -> int:
    """How many numbers the safetensors files of a model's part hold, by their headers; second copies not counted."""
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        if any(mark in path.name for mark in _VARIANTS):
            continue
        header = b""
        if path.is_file():
            with path.open("rb") as file:
                header = _header_bytes(file.read(8), file.read, path.stat().st_size)
        if not header:
            raise ValueError(f"{path} is not a whole safetensors file; download the model again")
        tensors = json.loads(header)
        total += sum(math.prod(t["shape"]) for name, t in tensors.items() if name != "__metadata__")
    return total


def safetensors_header(path: Path) -> dict[str, Any]:
    """Names to dtype, shape and place, and `__metadata__`; empty for a file that is cut off or something else."""
    try:
        if not _is_whole(path):
            return {}
        with path.open("rb") as file:
            header: dict[str, Any] = json.loads(_header_bytes(file.read(8), file.read, path.stat().st_size))
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); check the path and its rights"
        ) from error
    return header


def file_hash(path: Path) -> str:
    """As `weights_hash`, of one file."""
    stat = path.stat()
    return _hash_of(((str(path), stat.st_size, stat.st_mtime_ns),))


def weights_hash(folder: Path) -> str:
    """16 hex digits that tell apart the weights of pipeline folders, without reading them whole.

    Covers each safetensors file's name, size and header, and 16 evenly spread samples of 4 KiB: a header
    alone is the same before and after a fine-tuning. Remembered until a file changes.
    """
    files = sorted(path for path in folder.rglob("*.safetensors") if not _is_variant(path) and path.is_file())
    if not files:
        raise ValueError(f"{folder} holds no safetensors weights; download the model again")
    stats = [(str(path), path.stat()) for path in files]
    return _hash_of(tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats))


def _missing_in_component(folder: Path) -> list[str]:
    if not folder.is_dir():
        return [""]
    weights = [path for path in folder.glob("*.safetensors") if not _is_variant(path)]
    cut_off = [path.name for path in weights if not _is_whole(path)]
    for index in folder.glob("*.safetensors.index.json"):
        if not _is_variant(index):
            shards = sorted(set(read_json(index).get("weight_map", {}).values()))
            return [shard for shard in shards if not (folder / shard).is_file()] + cut_off
    if (folder / "config.json").is_file() and not weights:
        return ["*.safetensors"]
    has_config = any(
        (folder / name).is_file()
        for name in (
            "config.json",
            "scheduler_config.json",
            "tokenizer_config.json",
            "preprocessor_config.json",
        )
    )
    return cut_off if has_config else ["config.json", *cut_off]


def _is_variant(path: Path) -> bool:
    return any(variant in path.name for variant in _VARIANTS)


def _is_whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says; a link into a cache may lead nowhere."""
    if not path.is_file():
        return False
    size = path.stat().st_size
    with path.open("rb") as file:
        header = _header_bytes(file.read(8), file.read, size)
    try:
        tensors = json.loads(header)
        end = max((t["data_offsets"][1] for name, t in tensors.items() if name != "__metadata__"), default=0)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return size == 8 + len(header) + int(end)


def _header_bytes(length: bytes, read: Any, size: int) -> bytes:
    """The JSON header of a safetensors file; empty where the file cannot hold the one it announces."""
    if len(length) < 8:
        return b""
    num_bytes = struct.unpack("<Q", length)[0]
    if num_bytes > min(size - 8, MAX_HEADER_BYTES):
        return b""
    header: bytes = read(num_bytes)
    return header
