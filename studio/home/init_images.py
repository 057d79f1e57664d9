"""Pictures that renders begin from: each kept once, by its content, for as long as a render may ask for it.

A name tells whose it is, so that on a host of strangers a name found in a shared picture opens nothing. No torch.
Not here: how much of it is drawn anew (`studio.init_image`), what draws (`studio.pipeline.denoising`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finetune.whole_files import sweep_parts
from metrics.pictures import MAX_MEGAPIXELS, read_picture
from studio.home.disk import MIB, require_free, whole_file
from studio.init_image import USUAL_STRENGTH, InitImage

FOLDER = "init"
MIN_SIDE_PX = 32
_MACHINE = "0" * 12


def keep_init_image(
    home: Path,
    picture: Path,
    *,
    strength: float = USUAL_STRENGTH,
    owner: str | None = None,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> InitImage:
    """Keep a copy of a PNG, JPEG, WebP or TIFF file that can be read whole.

    Args:
        home: The studio's, such as `Workspace.root`.
        owner: Of a visitor, as `studio.home.ownership.Viewer` tells it; None for the machine's own.

    Raises:
        ValueError: no picture, one that is damaged, too large or too small, a full disk, or a strength out of range.
    """
    height, width = read_picture(picture, max_megapixels=max_megapixels).pixels.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise ValueError(
            f"{picture.name} is {width} x {height} px, too small to begin from; "
            f"choose one of {MIN_SIDE_PX} px a side or more"
        )
    init = InitImage(f"{_mark(owner)}-{_digest(picture, owner)}", strength)
    path = init_image_path(home, init.id)
    if not _touched(path) or _digest(path, owner) != init.id.partition("-")[2]:  # not there, or damaged since
        if home.exists():
            require_free(home, 2 * picture.stat().st_size / MIB)
        with whole_file(path) as part:
            shutil.copyfile(picture, part)
    return init


def init_image_path(home: Path, image_id: str) -> Path:
    """Where it lies, there or not. `image_id` is that of an `InitImage`, which has checked it."""
    return home / FOLDER / image_id


def is_of(image_id: str, owner: str | None) -> bool:
    """Whether its name says that `owner` handed it in; None, who owns the machine, may see all."""
    return owner is None or image_id.startswith(f"{_mark(owner)}-")


def require_init_image(home: Path | None, init: InitImage) -> Path:
    """The file, kept for another while.

    Raises ValueError where it is not there, or there is no home to look in.
    """
    path = None if home is None else init_image_path(home, init.id)
    if path is None or not _touched(path):
        raise ValueError(
            "the picture to begin from is no longer kept here; choose its file again, or take it away"
        )
    return path


def read_init_image(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) RGB as shown. ValueError where the file was damaged since it was kept."""
    try:
        return read_picture(path).pixels
    except ValueError as error:
        raise ValueError(
            f"the picture to begin from cannot be read ({error}); choose its file again"
        ) from error


def forget_init_images(
    home: Path, *, older_s: float, keep: Collection[str] = (), now: Callable[[], float] = time.time
) -> int:
    """Delete those that nobody asked for within `older_s` seconds, and what killed writers left; returns how many.

    Ids that are to `keep` stay.
    """
    gone = 0
    sweep_parts(home / FOLDER)
    for path in (home / FOLDER).glob("*-*"):
        with suppress(OSError):
            if path.name not in keep and now() - path.stat().st_mtime > older_s:
                path.unlink()
                gone += 1
    return gone


def _mark(owner: str | None) -> str:
    """12 hex digits that tell an owner; from a picture's name nobody learns more of a visitor than that."""
    return _MACHINE if owner is None else hashlib.blake2b(owner.encode(), digest_size=6).hexdigest()


def _digest(path: Path, owner: str | None) -> str:
    """32 hex digits of a file's content; another owner's are others, so that nobody finds out who has the same file."""
    key = b"" if owner is None else owner.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(key=key, digest_size=16)).hexdigest()


def _touched(path: Path) -> bool:
    """Whether it is there; then it counts as asked for now."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:  # of another user: there, if not ours to touch
        return path.is_file()
    return True
