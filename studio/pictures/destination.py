"""Where `d4k render` puts its pictures: the gallery, one file, or a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.home.disk import disk_words
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.png import write_png
from studio.pictures.record import PictureRecord

Destination = Callable[[NDArray[np.uint8], PictureRecord], Path]
"""Keeps (H, W, 3) uint8 with its record and says where."""


def destination(out: Path | None, *, count: int, gallery_home: Path | None) -> Destination:
    """The gallery of `gallery_home` if `out` is None, else `out`: a PNG file, or a folder.

    Several pictures for one file are numbered, name-1.png onwards. Checked now, before the rendering.
    """
    if out is None:
        assert gallery_home is not None
        gallery = Gallery(Workspace.open(gallery_home))
        return lambda image, record: gallery.add(image, record).path
    out = out.expanduser().absolute()
    if out.is_dir() or not out.suffix:
        with disk_words(out):
            out.mkdir(parents=True, exist_ok=True)
        return lambda image, record: _write_new(out, _name(record), image, record)
    if out.suffix.lower() != ".png":
        raise ValueError(f"masters are lossless PNG, got {out.name}; end the file's name in .png")
    if not out.parent.is_dir():
        raise ValueError(f"there is no folder {out.parent}; make it first")
    paths = iter([out] if count == 1 else [out.with_stem(f"{out.stem}-{i + 1}") for i in range(count)])

    def write(image: NDArray[np.uint8], record: PictureRecord) -> Path:
        path = next(paths)
        write_png(path, image, record)
        return path

    return write


def _name(record: PictureRecord) -> str:
    """Such as "mountains-at-dusk-cloudy-sky-7"."""
    letters = "".join(letter if letter.isalnum() else " " for letter in record.settings.prompt.lower())
    return "-".join([*letters.split()[:8], str(record.settings.seed)])


def _write_new(folder: Path, name: str, image: NDArray[np.uint8], record: PictureRecord) -> Path:
    """Never over an older picture."""
    path, number = folder / f"{name}.png", 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}.png"
    write_png(path, image, record)
    return path
