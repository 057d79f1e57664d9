"""What a download from the hub consists of: which files a pipeline reads, how large they are, what of them is here.

No torch, no network. Not here: asking the hub (`studio.models.hub`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from finetune.model_folder import INDEX
from finetune.weight_files import variant_of

_COMPONENTS = (
    *("scheduler", "text_encoder", "text_encoder_2", "text_encoder_3"),
    *("tokenizer", "tokenizer_2", "tokenizer_3", "transformer", "vae"),
)
_KINDS = (".safetensors", ".json", ".txt", ".model")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file that a pipeline needs."""

    name: str
    """Within the model, such as vae/config.json."""

    size_bytes: int
    digest: str
    """SHA-256 of a weight file, git's SHA-1 of a small one: the name that the cache keeps it under."""

    here_bytes: int
    """Of it on this machine already; below `size_bytes` where it was cut."""


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """What a download would fetch."""

    hub_id: str
    commit: str
    """The version, 40 hex digits: a change on the hub meanwhile cannot mix two versions."""

    gated: bool
    files: tuple[RemoteFile, ...]

    @property
    def total_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def missing_bytes(self) -> int:
        """Still to be fetched: what the disk must have free."""
        return sum(file.size_bytes - file.here_bytes for file in self.files)


def is_needed(name: str) -> bool:
    """Whether a stock SD3 or Flux pipeline reads the file. Names come from the hub: none may lead elsewhere."""
    path = PurePosixPath(name)
    if name == INDEX:
        return True
    if len(path.parts) != 2 or path.parts[0] not in _COMPONENTS:
        return False
    return path.suffix in _KINDS and not variant_of(path.name) and ".." not in path.name
