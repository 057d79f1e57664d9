"""The datasets of a home, and the ones that are open: from its own folder, a folder of the machine, or a zip.

No torch, no gradio. Not here: looking through one (`studio.datasets.watch`), changing it (`studio.datasets.edits`).
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from finetune.data.dataset import METADATA, Dataset, open_dataset
from finetune.named_paths import is_file
from finetune.whole_text import whole_text
from metrics.pictures import SUFFIXES
from studio.datasets.watch import DatasetWatch
from studio.home.disk import disk_words
from studio.home.roots import check_inside, named_path
from studio.home.workspace import Workspace

KEPT_OPEN = 6
"""Datasets whose scans are remembered at once; the one that was used longest ago is let go first."""

_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class DatasetName:
    """One dataset of the home."""

    title: str
    """The name of its folder under `datasets`."""

    path: str
    """Where its pictures begin."""


class Datasets:
    """Opens datasets and remembers what was found in the last few. Safe from any thread."""

    def __init__(self, workspace: Workspace, *, hosted: bool = False) -> None:
        """`hosted`: on a public host only the home's own datasets may be named."""
        self.workspace, self.hosted = workspace, hosted
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, DatasetWatch] = OrderedDict()

    def listed(self) -> tuple[DatasetName, ...]:
        """Every dataset of the home, in the order of their names. No picture is looked at."""
        found = []
        for folder in sorted(self.workspace.datasets.iterdir(), key=lambda path: path.name.lower()):
            if folder.name.startswith("."):
                continue
            try:
                start = _start_of(folder) if folder.is_dir() else None
            except OSError:  # that it cannot be looked into is said when it is opened
                start = folder
            if start is not None:
                found.append(DatasetName(whole_text(folder.name), whole_text(str(start))))
        return tuple(found)

    def open(self, source: str) -> DatasetWatch:
        """The dataset of a folder, as it was left if it is open. A relative path lies under the home's datasets.

        Raises ValueError for what is no dataset, and on a public host for whatever is not the home's.
        """
        root = self._root_of(source)
        with self._lock:
            known = self._open.get(root)
            if known is not None:
                self._open.move_to_end(root)
                return known
        dataset: Dataset = open_dataset(root)
        with self._lock:
            watch = self._open.setdefault(root, DatasetWatch(self.workspace, dataset))
            while len(self._open) > KEPT_OPEN:
                oldest = next((r for r, w in self._open.items() if w is not watch and not w.is_busy()), None)
                if oldest is None:
                    break
                del self._open[oldest]
            return watch

    def known(self, source: str) -> DatasetWatch | None:
        """The dataset if it is open; touches no disk but to resolve the path."""
        if not source.strip():
            return None
        try:
            root = self._root_of(source)
        except ValueError:
            return None
        with self._lock:
            return self._open.get(root)

    def add_zip(self, archive: Path) -> str:
        """Unpack a zip into a folder of its own under the home's datasets, and return where its pictures begin.

        Raises ValueError, with nothing left behind, for a zip that is not a dataset or cannot be trusted.
        """
        if archive.suffix.lower() != ".zip":
            raise ValueError(f"{archive.name} is no zip; drop the zip of a folder of pictures and captions")
        folder = self._free_folder(archive.stem)
        try:
            return str(open_dataset(archive, unpack_to=folder).root)
        except ValueError:
            shutil.rmtree(
                folder, ignore_errors=True
            )  # a zip without pictures was unpacked before it was refused
            raise

    def _root_of(self, source: str) -> Path:
        text = source.strip()
        if not text:
            raise ValueError("no dataset is chosen; choose one, name a folder, or drop a zip")
        path = named_path(text)
        if not path.is_absolute():
            path = self.workspace.datasets / path
        with disk_words(path):
            root = Path(os.path.realpath(self._known_as(path)))
        if self.hosted and self.workspace.datasets.resolve() not in root.parents:
            raise ValueError(
                f"{text[:80]!r} is not a dataset of this studio; choose one from the list, or drop a zip"
            )
        check_inside(root, home=self.workspace.root)
        if root.suffix.lower() == ".zip" and is_file(root):
            raise ValueError(f"{root.name} is a zip; drop it, and it is unpacked into this studio's home")
        return root

    def _known_as(self, path: Path) -> Path:
        """The folder that `listed` shows under this path: the same, but for a name that is no text."""
        if "\ufffd" not in path.name or path.exists():
            return path
        return next((one for one in path.parent.glob("*") if whole_text(str(one)) == str(path)), path)

    def _free_folder(self, stem: str) -> Path:
        stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.")[:_LONGEST_NAME]
        name = stem if stem else "dataset"
        folder, number = self.workspace.datasets / name, 2
        while folder.exists():
            folder, number = self.workspace.datasets / f"{name}-{number}", number + 1
        return folder


def _start_of(folder: Path) -> Path | None:
    """Where pictures or their list begin: in `folder`, or in the only folder of it; None for neither."""
    for place in (folder, *_only_folder(folder)):
        if (place / METADATA).is_file() or any(
            path.suffix.lower() in SUFFIXES and not path.name.startswith(".") for path in place.iterdir()
        ):
            return place
    inside = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    return folder if inside else None


def _only_folder(folder: Path) -> list[Path]:
    inside = list(folder.iterdir())
    return inside if len(inside) == 1 and inside[0].is_dir() else []
