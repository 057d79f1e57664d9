"""Small pictures of exactly what training sees, made in the background and kept in the cache. No torch.

Each is the crop's own pixels (`finetune.data.trained_pixels`), scaled down to THUMBNAIL_PX; a picture that fills no
bucket is shown whole. Not here: which pictures there are (`studio.datasets.watch`).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.data.buckets import Crop
from finetune.data.picture_facts import MAX_MEGAPIXELS
from finetune.data.trained_pixels import trained_pixels
from metrics.pictures import read_picture
from studio.home.disk import MIB
from studio.pictures.previews import write_thumbnail

CACHE_LIMIT_MIB = 1024.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """One picture to be shown."""

    file_name: str
    crop: Crop | None
    """None: the whole picture."""


class CropViews:
    """Thumbnails of one dataset. Safe from any thread."""

    def __init__(self, root: Path, folder: Path, on_change: Callable[[], None]) -> None:
        """`folder` is a cache: it may be deleted at any time. `on_change` is called after each new thumbnail."""
        self.root, self.folder = root, folder
        self._on_change = on_change
        self._lock = threading.Lock()
        self._waiting: list[Wanted] = []
        self._failed: dict[Path, str] = {}
        self._thread: threading.Thread | None = None

    def ready(self, wanted: Wanted) -> Path | None:
        """The thumbnail's file, or None while there is none."""
        path = self._path(wanted)
        return path if path is not None and path.is_file() else None

    def error(self, wanted: Wanted) -> str:
        """Why there will be none, in one sentence; empty if nothing is known against it."""
        path = self._path(wanted)
        if path is None:
            return f"{wanted.file_name} is missing; it was moved or deleted"
        with self._lock:
            return self._failed.get(path, "")

    def ask(self, page: Sequence[Wanted]) -> int:
        """Make those of `page` that are missing, in this order, and forget what was asked before. How many."""
        missing = [one for one in page if self.ready(one) is None and not self.error(one)]
        with self._lock:
            self._waiting = missing
            if missing and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._work, name="thumbnails", daemon=True)
                self._thread.start()
        return len(missing)

    def wait(self, timeout_s: float) -> None:
        """Wait until nothing is left to be made, at most so long."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _work(self) -> None:
        self._tidy()
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None  # decided under the lock: nobody can add work to a thread that leaves
                    return
                wanted = self._waiting.pop(0)
            self._make(wanted)
            self._on_change()

    def _make(self, wanted: Wanted) -> None:
        path = self._path(wanted)
        if path is None or path.is_file():
            return
        try:
            if wanted.crop is None:
                pixels = read_picture(self.root / wanted.file_name, max_megapixels=MAX_MEGAPIXELS).pixels
            else:
                pixels = trained_pixels(self.root, wanted.crop)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_thumbnail(path, pixels)
        except (ValueError, OSError) as error:
            with self._lock:
                self._failed[path] = str(error)

    def _path(self, wanted: Wanted) -> Path | None:
        """Another name for another file content, crop or size; None where the picture is gone."""
        try:
            state = (self.root / wanted.file_name).stat()
        except OSError:
            return None
        said = f"{wanted.file_name} {state.st_size} {state.st_mtime_ns} {wanted.crop}"
        return self.folder / f"{hashlib.sha256(said.encode('utf-8', 'surrogateescape')).hexdigest()[:20]}.jpg"

    def _tidy(self) -> None:
        """Delete the oldest thumbnails until the cache is within its limit."""
        files = [(path.stat(), path) for path in self.folder.glob("*.jpg")]
        size = sum(state.st_size for state, _ in files)
        for state, path in sorted(files, key=lambda entry: entry[0].st_mtime):
            if size <= CACHE_LIMIT_MIB * MIB:
                break
            size -= state.st_size
            path.unlink(missing_ok=True)
