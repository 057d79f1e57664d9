"""Where `d4k render` puts its pictures: the gallery, one file, or a folder.

All that can be refused (a name, a folder, the disk) is refused before the rendering.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finetune.named_paths import expanded
from studio.home.disk import MIB, disk_words, require_free, require_writable
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.png import write_png
from studio.pictures.record import PictureRecord

Keep = Callable[[NDArray[np.uint8], PictureRecord], Path]
"""Keeps (H, W, 3) uint8 with its record and says where. ValueError where the disk refuses."""

_NOT_WRITTEN = {".jpg", ".jpeg", ".jxl", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".avif", ".heic"}
"""Whoever asks for one of these means a file; any other ending but .png may be a folder's, such as renders.v2."""

_NAME_BYTES = 120
"""Of a prompt's words in a file's name: file systems take 255 in all, and seed, number and ending come on top."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where pictures go: `keep` writes one into `folder`."""

    folder: Path
    keep: Keep

    def require_room(self, width_px: int, height_px: int) -> None:
        """ValueError, before the minutes of work, where the disk has no room for a picture of this size."""
        # A PNG of noise is a little larger than its pixels, and in the gallery two JPEGs come on top.
        require_free(self.folder, 6 * width_px * height_px / MIB)


def destination(out: Path | None, *, count: int, gallery_home: Path | None) -> Destination:
    """The gallery of `gallery_home` if `out` is None, else `out`: a PNG file, or a folder.

    Several pictures for one file are numbered, name-1.png onwards. Raises ValueError for a place that cannot be
    written.
    """
    if out is None:
        assert gallery_home is not None
        return in_gallery(Gallery(Workspace.open(gallery_home)))
    out = expanded(out).absolute()
    with disk_words(out):  # a name that is too long is refused here already
        is_folder = out.is_dir()
        if out.suffix.lower() in _NOT_WRITTEN and not is_folder:
            raise ValueError(f"masters are lossless PNG, got {out.name}; end the file's name in .png")
        if out.suffix.lower() == ".png" and not is_folder:
            return _one_file(out, count)
        out.mkdir(parents=True, exist_ok=True)
    require_writable(out)
    return Destination(out, lambda image, record: _write_new(out, _name(record), image, record))


def in_gallery(gallery: Gallery) -> Destination:
    """Beside the other pictures."""
    folder = gallery.workspace.pictures
    require_writable(folder)
    return Destination(folder, lambda image, record: gallery.add(image, record).path)


def _one_file(out: Path, count: int) -> Destination:
    if not out.parent.is_dir():
        raise ValueError(f"there is no folder {out.parent}; make it first")
    paths = [out] if count == 1 else [out.with_stem(f"{out.stem}-{i + 1}") for i in range(count)]
    for path in paths:  # the number may be what makes a name too long
        require_writable(path)
    left = iter(paths)

    def keep(image: NDArray[np.uint8], record: PictureRecord) -> Path:
        path = next(left)
        write_png(path, image, record)
        return path

    return Destination(out.parent, keep)


def _name(record: PictureRecord) -> str:
    """Such as "mountains-at-dusk-cloudy-sky-7"."""
    letters = "".join(letter if letter.isalnum() else " " for letter in record.settings.prompt.lower())
    words = "-".join(letters.split()[:8]).encode()[:_NAME_BYTES].decode(errors="ignore")
    return "-".join(part for part in (words.strip("-"), str(record.settings.seed)) if part)


def _write_new(folder: Path, name: str, image: NDArray[np.uint8], record: PictureRecord) -> Path:
    """Never over an older picture, nor over one that another process is writing at the same time."""
    path, number = folder / f"{name}.png", 1
    while not _reserved(path):
        number += 1
        path = folder / f"{name}-{number}.png"
    try:
        write_png(path, image, record)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _reserved(path: Path) -> bool:
    """Make an empty file; False where there is one already."""
    with disk_words(path):
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
    return True
