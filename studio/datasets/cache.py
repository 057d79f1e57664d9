"""What a dataset's encoded pictures and captions take on disk, and clearing them. No torch, no gradio.

Not here: encoding (`studio.datasets.encoding`), the files (`finetune.data.cache_space`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from finetune.data.cache_space import cache_bytes, clear_cache
from finetune.run_folder import list_runs
from studio.datasets.places import cache_folder
from studio.home.workspace import Workspace
from studio.models.lookup import find_model

_READING = ("running", "stalled")


def encoded_bytes(workspace: Workspace, source: str, model: str) -> int:
    """Of the cache that runs of this dataset and model share; 0 for an unknown model."""
    try:
        return cache_bytes(_folder(workspace, source, model))
    except ValueError:
        return 0


def clear_encoded(workspace: Workspace, source: str, model: str) -> int:
    """Delete it; returns the bytes freed. A run that needs it again encodes again.

    Raises ValueError for an unknown model, and while a run reads it.
    """
    folder = _folder(workspace, source, model)
    for name in _readers(workspace, folder):
        raise ValueError(f"{name} trains on what is encoded; stop it first, or wait until it has ended")
    return clear_cache(folder)


def _folder(workspace: Workspace, source: str, model: str) -> Path:
    return cache_folder(workspace, Path(source), find_model(model).id)


def _readers(workspace: Workspace, folder: Path) -> Iterator[str]:
    for run in list_runs(workspace.runs):
        try:
            reads = run.state().state in _READING and Path(run.config().data.cache) == folder
        except ValueError:  # a damaged run reads nothing
            continue
        if reads:
            yield run.name
