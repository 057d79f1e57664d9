"""The three files of a picture: master, preview and thumbnail, each written whole, and all of them or none.

Not here: the rows that find them (`studio.pictures.gallery`), what is inside (`studio.pictures.png`, `.previews`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.home.disk import MIB, require_free, whole_file
from studio.home.workspace import Workspace
from studio.pictures.png import write_png
from studio.pictures.previews import write_preview, write_stand_in, write_thumbnail
from studio.pictures.record import PictureRecord


@dataclass(frozen=True, slots=True)
class PictureFiles:
    """Where the files of pictures lie; nothing is asked of the disk before it is needed."""

    workspace: Workspace

    def master(self, picture_id: str) -> Path:
        """A lossless PNG with the record inside."""
        return self.workspace.pictures / f"{picture_id}.png"

    def preview(self, picture_id: str) -> Path:
        """A JPEG of the full size."""
        return self.workspace.previews / f"{picture_id}.jpg"

    def thumbnail(self, picture_id: str) -> Path:
        """A JPEG of 512 px on its longer side."""
        return self.workspace.thumbnails / f"{picture_id}.jpg"

    def write(self, picture_id: str, image: NDArray[np.uint8], record: PictureRecord) -> None:
        """(H, W, 3) uint8. On a full disk, ValueError and nothing is left of it."""
        # A PNG of noise is a little larger than its pixels, and the two JPEGs come on top.
        require_free(self.workspace.pictures, 2 * image.nbytes / MIB)
        with self._all_or_none(picture_id):
            write_png(self.master(picture_id), image, record)
            write_preview(self.preview(picture_id), image)
            write_thumbnail(self.thumbnail(picture_id), image)

    def copy(self, picture_id: str, source: Path) -> None:
        """Byte for byte. ValueError, and nothing is left of it, where it cannot be read whole or the disk is full."""
        require_free(self.workspace.pictures, 3 * source.stat().st_size / MIB)
        with self._all_or_none(picture_id):
            with whole_file(self.master(picture_id)) as part:
                shutil.copyfile(source, part)
            write_preview(self.preview(picture_id), self.master(picture_id))
            write_thumbnail(self.thumbnail(picture_id), self.master(picture_id))

    def delete(self, picture_id: str) -> None:
        """Also what is there only in part."""
        for path in (self.thumbnail(picture_id), self.preview(picture_id), self.master(picture_id)):
            with suppress(IsADirectoryError, PermissionError):  # a folder is not ours
                path.unlink(missing_ok=True)

    def shown_preview(self, picture_id: str) -> tuple[Path, str]:
        """A preview that is there or can be made, and ""; else a stand-in and the reason."""
        return self._shown(self.preview(picture_id), write_preview, self.master(picture_id))

    def shown_thumbnail(self, picture_id: str) -> tuple[Path, str]:
        """As `shown_preview`."""
        return self._shown(self.thumbnail(picture_id), write_thumbnail, self.master(picture_id))

    def _shown(self, view: Path, write: Callable[[Path, Path], None], master: Path) -> tuple[Path, str]:
        if view.is_file():
            return view, ""
        try:
            write(view, master)
        except (OSError, ValueError) as error:  # an OSError: something else lies where the view belongs
            stand_in = self.workspace.previews / "stand-in.jpg"
            if not stand_in.is_file():
                write_stand_in(stand_in)
            words = (
                str(error)
                if isinstance(error, ValueError)
                else f"{view} cannot be written ({error.strerror})"
            )
            return stand_in, words
        return view, ""

    @contextmanager
    def _all_or_none(self, picture_id: str) -> Iterator[None]:
        try:
            yield
        except BaseException:  # whatever it was, its own words are what counts: deleting may not hide them
            with suppress(OSError):
                self.delete(picture_id)
            raise
