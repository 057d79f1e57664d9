"""Safetensors files by their headers: what is in them, whether they are whole, which weights they are. No torch.

Not here: which files a model needs (`finetune.model_folder`).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError, safe_open

SUFFIX = ".safetensors"
NUM_SAMPLES, SAMPLE_BYTES = 16, 4096  # of each weight file, for its hash

_VARIANT = re.compile(r"\.(fp16|bf16|fp8|non_ema)(?=[.-])")


def variant_of(name: str) -> str:
    """Which second copy of the same weights a file name stands for, such as "fp16"; empty for the plain ones.

    Of shards and their lists too: model.fp16-00001-of-00002.safetensors, model.safetensors.index.fp16.json.
    """
    found = _VARIANT.search(name)
    return "" if found is None else found[1]


@dataclass(frozen=True, slots=True)
class Header:
    """Of one file."""

    tensors: Mapping[str, tuple[str, tuple[int, ...]]]
    """Name -> (dtype as safetensors writes it, such as BF16, shape)."""

    metadata: Mapping[str, str]

    @property
    def num_values(self) -> int:
        return sum(math.prod(shape) for _, shape in self.tensors.values())


def read_header(path: Path) -> Header:
    """Raises ValueError for a file that cannot be read, is no safetensors file, or is cut off."""
    try:
        with safe_open(path, framework="numpy") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            tensors = {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in parts.items()}
            return Header(tensors, dict(file.metadata() or {}))
    except SafetensorError as error:
        raise ValueError(
            f"{path.name} is no readable safetensors file ({error}); copy or download it again"
        ) from error
    except OSError as error:
        why = "it is a link to nothing" if path.is_symlink() else (error.strerror or str(error))
        raise ValueError(f"{path} cannot be read ({why}); check the path and its rights") from error


def is_whole(path: Path) -> bool:
    """Whether a file is as long as its header says; a link into a cache may lead nowhere."""
    try:
        read_header(path)
    except ValueError:
        return False
    return True


def num_values(folder: Path) -> int:
    """How many numbers the weight files of a model's part hold, second copies not counted.

    Raises ValueError for one that is cut off.
    """
    files = sorted(path for path in folder.glob(f"*{SUFFIX}") if not variant_of(path.name))
    return sum(read_header(path).num_values for path in files)


def file_hash(path: Path) -> str:
    """As `weights_hash`, of one file."""
    stat = path.stat()
    return _hash_of(((str(path), stat.st_size, stat.st_mtime_ns),))


def weights_hash(folder: Path) -> str:
    """16 hex digits that tell apart the weights of pipeline folders, without reading them whole.

    Covers each plain weight file's name, size, tensors and 16 evenly spread samples of 4 KiB: a header alone is the
    same before and after a fine-tuning. Where a part has a variant alone, that counts. Remembered until a file changes.
    """
    found = sorted(path for path in folder.rglob(f"*{SUFFIX}") if path.is_file())
    plain = {path.parent for path in found if not variant_of(path.name)}
    files = [path for path in found if not variant_of(path.name) or path.parent not in plain]
    if not files:
        raise ValueError(f"{folder} holds no safetensors weights; download the model again")
    stats = [(str(path), path.stat()) for path in files]
    return _hash_of(tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats))


@lru_cache(maxsize=64)
def _hash_of(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, size, _ in files:
        digest.update(f"{Path(path).parent.name}/{Path(path).name} {size}\n".encode())
        digest.update(repr(sorted(_tensors(Path(path)).items())).encode())
        with open(path, "rb") as file:
            for sample in range(NUM_SAMPLES):
                file.seek(max(0, (size - SAMPLE_BYTES) * sample // (NUM_SAMPLES - 1)))
                digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def _tensors(path: Path) -> Mapping[str, tuple[str, tuple[int, ...]]]:
    """None of a damaged file: the samples still tell it apart."""
    try:
        return read_header(path).tensors
    except ValueError:
        return {}
