"""Pictures that renders begin from: each kept once, by its pixels, for as long as a render may ask for it.

A name tells whose it is, so that on a host of strangers a name found in a shared picture opens nothing. No torch.
Not here: how much of it is drawn anew (`studio.init_image`), what draws (`studio.pipeline.denoising`).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from PIL import Image

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
    """Keep the pixels of a PNG, JPEG, WebP or TIFF file as they are shown, RGB uint8.

    Args:
        home: The studio's, such as `Workspace.root`.
        owner: Of a visitor, as `studio.home.ownership.Viewer` tells it; None for the machine's own.

    Raises:
        ValueError: no picture, one that is damaged, too large or too small, a full disk, or a strength out of range.
    """
    pixels = read_picture(picture, max_megapixels=max_megapixels).pixels
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise ValueError(
            f"{picture.name} is {width} x {height} px, too small to begin from; "
            f"choose one of {MIN_SIDE_PX} px a side or more"
        )
    digest = hashlib.blake2b(f"{width}x{height}".encode(), digest_size=16)
    digest.update(pixels.tobytes())
    init = InitImage(f"{_mark(owner)}-{digest.hexdigest()}", strength)
    path = init_image_path(home, init.id)
    if not _touched(path):
        if home.exists():
            require_free(home, 2 * pixels.nbytes / MIB)
        with whole_file(path) as part:
            Image.fromarray(pixels).save(part, format="PNG", compress_level=1)
    return init


def init_image_path(home: Path, image_id: str) -> Path:
    """Where it lies, there or not. `image_id` is that of an `InitImage`, which has checked it."""
    return home / FOLDER / f"{image_id}.png"


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


def init_image_size(path: Path) -> tuple[int, int]:
    """(width_px, height_px) of a kept file, from its header. ValueError where it is damaged."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return image.size
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); choose the picture to begin from again") from error


def forget_init_images(home: Path, *, older_s: float, now: Callable[[], float] = time.time) -> int:
    """Delete those that nobody asked for within `older_s` seconds; returns how many."""
    gone = 0
    for path in (home / FOLDER).glob("*.png"):
        with suppress(OSError):
            if now() - path.stat().st_mtime > older_s:
                path.unlink()
                gone += 1
    return gone


def _mark(owner: str | None) -> str:
    """12 hex digits that tell an owner; from a picture's name nobody learns more of a visitor than that."""
    return _MACHINE if owner is None else hashlib.blake2b(owner.encode(), digest_size=6).hexdigest()


def _touched(path: Path) -> bool:
    """Whether it is there; then it counts as asked for now."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:  # of another user: there, if not ours to touch
        return path.is_file()
    return True
