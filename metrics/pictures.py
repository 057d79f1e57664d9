"""Reading pictures to measure them: any common file becomes (H, W, 3) uint8 RGB, or one sentence says why not.

The size is judged from the header, before a pixel is unpacked. What was changed on the way (rotation, alpha, depth,
frames, colours) is noted, since it changes numbers. Not here: settings inside a picture, measuring.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"})
"""Of the files of those formats, in lower case."""

MAX_MEGAPIXELS = 100.0
_DAMAGE = (
    OSError,
    SyntaxError,
    EOFError,
    ValueError,
    MemoryError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
)


@dataclass(frozen=True, slots=True, eq=False)
class ReadPicture:
    """One picture as it is measured."""

    pixels: NDArray[np.uint8]
    """(H, W, 3) RGB, as shown: EXIF rotation applied."""

    path: Path
    format: str
    """One of `FORMATS`."""

    notes: tuple[str, ...]
    """One sentence for each thing that was changed on the way."""


def pictures_in(given: Path) -> Iterator[Path]:
    """The file itself, or every picture of a folder by name. A missing file comes back, to be named later."""
    if not os.path.isdir(given):  # never an error, as of a name that is too long
        yield given
        return
    yield from sorted(path for path in given.iterdir() if path.suffix.lower() in SUFFIXES)


def read_picture(path: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> ReadPicture:
    """Read a PNG, JPEG, WebP or TIFF file, links followed.

    16-bit values keep their upper 8 bits; transparent pictures lie on black; CMYK and palettes become RGB without a
    colour profile; of an animation the first frame counts.

    Raises:
        ValueError: no file, no picture, damaged, or more than `max_megapixels`; one sentence with the remedy.
    """
    path = Path(path)
    require_file(path)
    with _opened(path) as image:
        megapixels = image.width * image.height / 1e6
        if megapixels > max_megapixels:
            raise ValueError(
                f"{path.name} is {image.width} x {image.height}, {megapixels:.0f} megapixels; at most "
                f"{max_megapixels:g} are read, so cut out a part or scale it down"
            )
        notes: list[str] = []
        num_frames: int = getattr(image, "n_frames", 1)
        if num_frames > 1:
            notes.append(f"{num_frames} frames: the first one is measured")
        if image.mode.startswith("RGB") and any(";16" in str(part) for part in getattr(image, "tile", ())):
            notes.append("16-bit colours: scaled to 8 bits")  # by Pillow, while it reads
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's remarks about odd metadata
                image.load()
                turned = ImageOps.exif_transpose(image)
                if image.getexif().get(0x0112, 1) != 1:
                    notes.append("turned as its EXIF orientation asks")
                pixels = _rgb(turned, notes)
        except _DAMAGE as error:
            raise ValueError(f"{path.name} is damaged or cut off ({_short(error)}); copy it again") from error
        return ReadPicture(pixels, path, str(image.format), tuple(notes))


def require_file(path: Path) -> None:
    """ValueError for what is no file with something in it: opening a pipe would wait for ever."""
    try:
        state = path.stat()
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; it was moved, deleted or never written") from error
    except OSError as error:  # a link that points to itself, a name that is too long, no right to look
        raise ValueError(
            f"{path.name} cannot be read ({error.strerror}); check its name and rights"
        ) from error
    if stat.S_ISDIR(state.st_mode):
        raise ValueError(f"{path.name} is a folder; name the pictures in it")
    if not stat.S_ISREG(state.st_mode):
        raise ValueError(f"{path.name} is a device or pipe, not a file; copy the picture to a file")
    if state.st_size == 0:
        raise ValueError(f"{path.name} is empty; copy it again")


def _opened(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is judged by our own limit
            return Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{path.name} claims far more pixels than are read ({_short(error)}); scale it down"
        ) from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{path.name} is no PNG, JPEG, WebP or TIFF picture; convert it to one") from error
    except PermissionError as error:
        raise ValueError(f"{path.name} may not be read; give yourself the right to") from error
    except _DAMAGE as error:
        raise ValueError(f"{path.name} is damaged or cut off ({_short(error)}); copy it again") from error


def _rgb(image: Image.Image, notes: list[str]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8; what had to change is added to `notes`."""
    if image.mode.startswith("I") or image.mode == "F":
        notes.append(f"{'16-bit' if image.mode != 'F' else 'floating point'} grey: scaled to 8 bits")
        return _grey_to_rgb(_eight_bits(np.asarray(image), image.mode))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        notes.append("transparent parts lie on black")
        layered = image.convert("RGBA")
        ground = Image.new("RGBA", layered.size, (0, 0, 0, 255))
        image = Image.alpha_composite(ground, layered)
    elif image.mode not in ("RGB", "L"):
        notes.append(f"{image.mode} colours became RGB without a profile")
    return np.array(image.convert("RGB"))


def _eight_bits(values: NDArray[np.generic], mode: str) -> NDArray[np.uint8]:
    """16-bit values keep their upper byte; floating ones are taken as 0..1 if none is above, else as 0..255."""
    if mode == "F":
        finite = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=255.0, neginf=0.0)
        scale = 255.0 if finite.size and finite.max() <= 1.0 else 1.0
        return (finite * scale).round().clip(0, 255).astype(np.uint8)
    return (values.astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8)


def _grey_to_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.broadcast_to(grey[..., None], (*grey.shape, 3)))


def _short(error: BaseException) -> str:
    """An error's own words, on one line and not too many."""
    words = " ".join(str(error).split())
    return (words[:120] + "...") if len(words) > 120 else (words or type(error).__name__)
