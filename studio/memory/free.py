"""What is free on this machine, and the wish that the worker gives its model back. No torch.

The wish is a file that an idle worker finds: the page's process and the worker share nothing but the home.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from studio.home.workspace import Workspace

WISH = "free-memory"
ASK_GPU_S = 3.0


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """In bytes, at one moment."""

    ram_free: int
    ram_total: int
    disk_free: int
    """Of the disk that models are downloaded to."""

    gpu: tuple[str, int, int] | None
    """(name, free, total) of the first NVIDIA GPU; None without one."""

    def sentence(self) -> str:
        parts = [f"{_gb(self.ram_free)} of {_gb(self.ram_total)} GB memory free"]
        if self.gpu is not None:
            name, free, total = self.gpu
            parts.append(f"{_gb(free)} of {_gb(total)} GB free on {name}")
        return " · ".join([*parts, f"{_gb(self.disk_free)} GB disk free"])


def free_memory(downloads: Path) -> FreeMemory:
    """Look now. `downloads` is the folder of downloaded models; it may not exist yet."""
    memory = psutil.virtual_memory()
    existing = next(folder for folder in (downloads, *downloads.parents) if folder.is_dir())
    return FreeMemory(memory.available, memory.total, shutil.disk_usage(existing).free, graphics_card())


def wish_for_memory(workspace: Workspace) -> None:
    """Ask the worker to close its model; it does so within a second of being idle."""
    (workspace.root / WISH).touch()


def take_wish(workspace: Workspace) -> bool:
    """For the worker: whether somebody asked, once."""
    try:
        (workspace.root / WISH).unlink()
    except FileNotFoundError:
        return False
    return True


def graphics_card() -> tuple[str, int, int] | None:
    """(name, free, total) bytes of the first one, by NVIDIA's own tool: torch does not belong in the page's process."""
    if shutil.which("nvidia-smi") is None:
        return None
    query = ("nvidia-smi", "--query-gpu=name,memory.free,memory.total", "--format=csv,noheader,nounits")
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=ASK_GPU_S, check=True)
        name, free, total = (part.strip() for part in done.stdout.splitlines()[0].rsplit(",", 2))
        return name, int(free) * 2**20, int(total) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None  # no driver, or a virtual GPU that does not tell


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f}"
