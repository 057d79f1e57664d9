"""The files of a cache: named by what decides their content, written whole or not at all.

Not here: what is in them (`finetune.data.cache`).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from finetune.data.exclusions import write_json
from finetune.json_text import parse_json
from finetune.whole_files import whole_file

VERSION = 1


def cache_name(*parts: str) -> str:
    """A file's name: parts are told apart by their lengths."""
    digest = sha256()
    for part in (str(VERSION), *parts):
        encoded = part.encode()
        digest.update(f"{len(encoded)}:".encode() + encoded)
    return f"{digest.hexdigest()[:40]}.safetensors"


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raises ValueError where the disk is full or refuses."""
    try:
        with whole_file(path) as part:
            save_file(dict(tensors), part)
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"{path.parent} cannot be written ({error}); free some space or check rights"
        ) from error


def is_whole(path: Path) -> bool:
    """Whether the file is there and as long as its header says."""
    try:
        with safe_open(path, framework="pt") as file:
            return len(file.keys()) > 0
    except (FileNotFoundError, SafetensorError):
        return False


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Raises ValueError where the file is damaged or gone."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} is damaged or gone ({error}); build the cache again") from error


class Contents:
    """Hashes of picture files, remembered until a file changes."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path, self.root = path, root
        try:
            known = parse_json(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # it can be made again
            known = {}
        self._known: dict[str, Any] = known if isinstance(known, dict) else {}

    def digest(self, file_name: str) -> str:
        path = self.root / file_name
        try:
            state = path.stat()
            stamp = [str(path.resolve()), state.st_size, state.st_mtime_ns]
            held = self._known.get(file_name)
            if isinstance(held, list) and held[:3] == stamp:
                return str(held[3])
            with path.open("rb") as file:
                found = _hash_of_file(file)
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error.strerror}); scan the dataset again") from error
        self._known[file_name] = [*stamp, found]
        return found

    def keep(self) -> None:
        write_json(self.path, self._known)


def _hash_of_file(file: Any) -> str:
    digest = sha256()
    while chunk := file.read(2**20):
        digest.update(chunk)
    return digest.hexdigest()
