"""Pictures opened for inspection: the decoded master of the last few, and files that a browser can show.

Numbers are computed on the master array; the browser gets files of its own. Not here: layers.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metrics.pictures import MAX_MEGAPIXELS, read_picture
from studio.home.disk import MIB, require_free, whole_file
from studio.pictures.previews import write_preview, write_thumbnail

KEPT_ARRAYS_MIB = 150.0
"""Three decoded pictures of 4096 x 4096; the newest is kept whatever its size."""

CACHE_LIMIT_MIB = 2048.0
MAX_SIDE_PX = 65_500
"""Of the JPEG that a browser is shown; its canvases end there too."""

SOURCE = "source.txt"
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Subject:
    """One picture under inspection."""

    id: str
    """Of its file: changes when the file does."""

    title: str
    path: Path
    """The file that was opened, and that is measured."""

    width_px: int
    height_px: int
    preview_path: Path
    """A JPEG of the full size."""

    exact_path: Path
    """A file that every browser shows: the master, or a PNG of what was read from it."""

    thumbnail_path: Path | None = None
    """A small JPEG, for the first view."""

    notes: tuple[str, ...] = ()
    """What was changed while reading."""


class Opened:
    """Opens pictures and keeps the last few decoded. Safe from any thread."""

    def __init__(self, folder: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> None:
        """`folder` is a cache: it may be deleted at any time."""
        self.folder, self.max_megapixels = folder, max_megapixels
        self._lock, self._reading = threading.Lock(), threading.Lock()
        self._subjects: dict[str, Subject] = {}
        self._arrays: OrderedDict[str, NDArray[np.uint8]] = OrderedDict()

    def open(self, path: Path, *, title: str | None = None) -> Subject:
        """Read a picture of any common format, or find it again if its file is as it was.

        Its title is the file's name unless one is given.

        Raises ValueError, one sentence, for whatever cannot be read.
        """
        if path.is_file() and (known := self._known(_fingerprint(path))) is not None:
            return known if title is None else replace(known, title=title)
        picture = read_picture(path, max_megapixels=self.max_megapixels)
        subject_id = _fingerprint(path)
        height, width = picture.pixels.shape[:2]
        if max(height, width) > MAX_SIDE_PX:
            raise ValueError(
                f"{path.name} is {width} x {height}; a browser shows sides of at most {MAX_SIDE_PX} px, "
                "so cut out a part"
            )
        folder = self._new_folder(subject_id, path)
        require_free(folder, 2 * picture.pixels.nbytes / MIB)
        exact, preview = path, folder / "preview.jpg"
        if picture.notes or picture.format == "TIFF":
            exact = folder / "exact.png"
            with whole_file(exact) as part:
                Image.fromarray(picture.pixels).save(part, format="PNG", compress_level=1)
        thumbnail = folder / "thumbnail.jpg"
        write_preview(preview, picture.pixels)
        write_thumbnail(thumbnail, picture.pixels)
        self._keep(subject_id, picture.pixels)
        name = path.name if title is None else title
        return self._remember(
            Subject(subject_id, name, path, width, height, preview, exact, thumbnail, picture.notes)
        )

    def open_master(
        self, path: Path, *, title: str, preview: Path, thumbnail: Path, width_px: int, height_px: int
    ) -> Subject:
        """A master of the gallery, whose size and views are known: it is decoded when its pixels are asked for.

        Raises ValueError if the file is gone.
        """
        if not path.is_file():
            raise ValueError(f"{path} is missing; it was moved or deleted")
        subject_id = _fingerprint(path)
        known = self._known(subject_id)
        if known is not None:
            return known
        self._new_folder(subject_id, path)
        return self._remember(Subject(subject_id, title, path, width_px, height_px, preview, path, thumbnail))

    def source_of(self, subject_id: str) -> Path | None:
        """The file that an id was given for, which may have changed since; None for no id of here."""
        note = self.folder / subject_id / SOURCE
        return (
            Path(note.read_text(encoding="utf-8")) if _ID.fullmatch(subject_id) and note.is_file() else None
        )

    def open_again(self, subject_id: str) -> Subject:
        """A picture that was opened here before, by its id: what an address names.

        Raises ValueError if it is not known, has changed or is gone.
        """
        source = self.source_of(subject_id)
        if source is None:
            raise ValueError(
                f"the picture {subject_id[:40]} was not opened in this studio; open its file again"
            )
        subject = self.open(source)
        if subject.id != subject_id:
            raise ValueError(f"{subject.title} has changed since the address was made; open it again")
        return subject

    def pixels(self, subject: Subject) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, read again if it was let go. Not to be written to.

        Raises ValueError if the file can no longer be read.
        """
        with self._reading:  # two askers must not decode 50 MB each
            with self._lock:
                found = self._arrays.get(subject.id)
                if found is not None:
                    self._arrays.move_to_end(subject.id)
                    return found
            pixels = read_picture(subject.path, max_megapixels=self.max_megapixels).pixels
            self._keep(subject.id, pixels)
            return pixels

    def folder_of(self, subject: Subject) -> Path:
        """Where its layers are kept."""
        return self.folder / subject.id

    def tidy(self, limit_mib: float = CACHE_LIMIT_MIB) -> None:
        """Delete the files that were made longest ago, until the cache is within its limit."""
        tidy(self.folder, limit_mib, spared=SOURCE)

    def _known(self, subject_id: str) -> Subject | None:
        found = self._subjects.get(subject_id)
        return found if found and found.preview_path.is_file() and found.exact_path.is_file() else None

    def _remember(self, subject: Subject) -> Subject:
        self._subjects[subject.id] = subject
        return subject

    def _new_folder(self, subject_id: str, path: Path) -> Path:
        self.tidy()
        folder = self.folder / subject_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SOURCE).write_text(str(path.resolve()), encoding="utf-8")
        return folder

    def _keep(self, subject_id: str, pixels: NDArray[np.uint8]) -> None:
        pixels.flags.writeable = False
        with self._lock:
            self._arrays[subject_id] = pixels
            self._arrays.move_to_end(subject_id)
            while (
                len(self._arrays) > 1 and sum(a.nbytes for a in self._arrays.values()) > KEPT_ARRAYS_MIB * MIB
            ):
                self._arrays.popitem(last=False)


def tidy(folder: Path, limit_mib: float, *, spared: str = "") -> None:
    """Delete the oldest files under a folder, but for those named `spared`, until the rest is within a limit."""
    files = sorted(
        (path for path in folder.rglob("*") if path.is_file() and path.name != spared),
        key=lambda path: path.stat().st_mtime,
    )
    size = sum(path.stat().st_size for path in files)
    for path in files:
        if size <= limit_mib * MIB:
            break
        size -= path.stat().st_size
        path.unlink(missing_ok=True)


def _fingerprint(path: Path) -> str:
    state = path.stat()
    said = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
    return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()[:16]
