"""Which LoRA files there are: of finished runs, and what somebody put into `loras/`. No torch, headers only.

Not here: putting them on a model (`studio.pipeline.adapter_stack`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from finetune.named_paths import is_file
from finetune.weight_files import read_header
from studio.home.roots import check_inside, named_path
from studio.home.settings import is_hosted
from studio.home.workspace import Workspace

FOLDER = "loras"
RUN_FILE = "adapter/pytorch_lora_weights.safetensors"


@dataclass(frozen=True, slots=True)
class FoundAdapter:
    """One LoRA file."""

    path: str
    """Under the studio's home, as an `AdapterUse` takes it."""

    title: str
    """The run's name, or the file's."""

    modified_at: float
    """Seconds since 1970."""

    size_bytes: int
    metadata: Mapping[str, str]
    """Of its header; ours hold family, rank, base and trigger."""

    error: str | None = None
    """One sentence where the file cannot be read."""


def list_adapters(workspace: Workspace) -> tuple[FoundAdapter, ...]:
    """All LoRAs of a home, the newest first; unreadable ones too, with their error."""
    files = [(path, path.parents[1].name) for path in workspace.runs.glob(f"*/{RUN_FILE}")]
    loras = workspace.root / FOLDER
    files += [
        (path, path.relative_to(loras).with_suffix("").as_posix()) for path in loras.rglob("*.safetensors")
    ]
    found = [_look(workspace.root, path, title) for path, title in files if path.is_file()]
    return tuple(sorted(found, key=lambda adapter: (-adapter.modified_at, adapter.path)))


def resolve_adapter(root: Path | None, path: str) -> Path:
    """The file of an `AdapterUse`; relative paths lie under the home `root`.

    Raises ValueError for one that is missing, leads out of the home, or has no home to lie under.
    """
    if root is not None and is_hosted(os.environ) and _leaves(root, Path(path)):
        raise ValueError(f"there is no LoRA {Path(path).name} in this studio; choose one of the list")
    given = named_path(path)
    if not given.is_absolute():
        if root is None:
            raise ValueError(f"{path} is no absolute path; give the whole path of the adapter")
        if not (root / given).resolve().is_relative_to(root.resolve()):
            raise ValueError(f"{path} leads out of {root}; give the whole path of the adapter")
        given = root / given
    check_inside(given, home=root)
    if not is_file(given):
        raise ValueError(f"the adapter {given} is missing; it was moved or deleted, so choose another")
    return given


def _leaves(root: Path, given: Path) -> bool:
    """Whether it lies anywhere but where this studio keeps its LoRAs."""
    place = (root / given).resolve()
    return not any(place.is_relative_to((root / folder).resolve()) for folder in (FOLDER, "runs"))


def file_digest(path: Path) -> str:
    """16 hex digits of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _look(root: Path, path: Path, title: str) -> FoundAdapter:
    changed_at, size_bytes, metadata, error = 0.0, 0, {}, None
    try:
        metadata = dict(read_header(path).metadata)  # also of a link that leads nowhere, which has no state
        changed_at, size_bytes = path.stat().st_mtime, path.stat().st_size
    except (OSError, ValueError) as trouble:
        error = str(trouble)
    return FoundAdapter(path.relative_to(root).as_posix(), title, changed_at, size_bytes, metadata, error)
