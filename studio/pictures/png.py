"""Pictures that carry their own making: writing it into a PNG, reading it from anyone's file.

A studio PNG holds the whole record as JSON in the chunk `diffusion4k`, and the widespread `parameters` text.
Not here: the text's grammar (`studio.pictures.parameters_text`), where pictures lie (`studio.pictures.gallery`).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from studio.home.disk import whole_file
from studio.home.settings import LOCAL_MAX_MEGAPIXELS
from studio.home.text import whole, whole_text
from studio.pictures.parameters_text import format_parameters, parse_parameters
from studio.render_request import RenderRequest

RECORD_CHUNK, PARAMETERS_CHUNK = "diffusion4k", "parameters"

_EXIF_FOLDER, _USER_COMMENT = 0x8769, 0x9286


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """What a file says about its making."""

    source: Literal["studio", "a1111"]
    values: dict[str, Any]
    """Named as in `RenderRequest`; complete from a studio picture, else what the file has."""

    record: dict[str, Any]
    """The whole record of a studio picture; from elsewhere, the settings alone."""

    ignored: tuple[str, ...] = ()
    """Settings in the file that have no counterpart here."""


def write_png(path: Path, image: NDArray[np.uint8], record: Mapping[str, Any]) -> None:
    """Write (H, W, 3) uint8 RGB losslessly, with its record inside; whole or not at all.

    zlib level 1: on 2048 x 2048 of texture and noise, level 6 took 2.4 times as long for 13 % less.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"a picture is (H, W, 3) uint8, got {image.shape} {image.dtype}")
    chunks = PngImagePlugin.PngInfo()
    # Escaped to ASCII: a plain tEXt chunk, which every reader knows, cannot hold more.
    chunks.add_text(RECORD_CHUNK, json.dumps(dict(record)))
    chunks.add_text(PARAMETERS_CHUNK, format_parameters(record))
    with whole_file(path) as part:
        Image.fromarray(image).save(part, format="PNG", compress_level=1, pnginfo=chunks)


def read_settings(path: Path, *, max_megapixels: float = LOCAL_MAX_MEGAPIXELS) -> PictureSettings:
    """The settings inside a PNG of the studio, or inside any picture with a `parameters` text.

    Raises ValueError for what is no picture, damaged, larger than `max_megapixels`, or without settings.
    """
    with opened_picture(path, max_megapixels=max_megapixels) as image:
        record_text, parameters = image.info.get(RECORD_CHUNK), image.info.get(PARAMETERS_CHUNK)
        if not isinstance(parameters, str):
            parameters = _exif_comment(image)
    if isinstance(record_text, str):
        return _studio_settings(path, record_text)
    if parameters is not None:
        try:
            values, ignored = parse_parameters(whole_text(parameters))
        except ValueError as error:
            raise ValueError(f"{path.name} holds no settings that can be read: {error}") from error
        return PictureSettings("a1111", values, {"settings": values}, ignored)
    raise ValueError(
        f"{path.name} holds no settings; drop the original file, since messengers and editors strip them"
    )


@contextmanager
def opened_picture(path: Path, *, max_megapixels: float) -> Iterator[Image.Image]:
    """Open a picture whose every byte was checked, refusing a giant before it is unpacked."""
    with _loaded(path, max_megapixels) as image:
        yield image


def _loaded(path: Path, max_megapixels: float) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # We ask the size ourselves, in the next step, by the host's own limit.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
    except Image.DecompressionBombError as error:
        raise ValueError(_too_large(path, max_megapixels)) from error
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; it was moved or deleted") from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{path.name} is not a picture; drop a PNG, JPEG or WebP file") from error
    # Pillow tells damage by these four; a ValueError is its refusal to unpack a bomb of text.
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        raise ValueError(_damaged(path, error)) from error
    try:
        if image.width * image.height > max_megapixels * 1e6:
            size = f"{image.width} x {image.height}"
            raise ValueError(f"{_too_large(path, max_megapixels)} (it is {size})")
        try:
            image.load()
        except (OSError, SyntaxError, EOFError, ValueError) as error:
            raise ValueError(_damaged(path, error)) from error
    except ValueError:
        image.close()
        raise
    return image


def _damaged(path: Path, error: Exception) -> str:
    return f"{path.name} is damaged or cut off ({error}); copy it again"


def _too_large(path: Path, max_megapixels: float) -> str:
    return f"{path.name} is larger than the {max_megapixels:g} megapixels that are opened here; scale it down"


def _studio_settings(path: Path, text: str) -> PictureSettings:
    try:
        record = whole(json.loads(text))
        settings = RenderRequest.from_dict(record["settings"]).to_dict()
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path.name} holds a studio record that cannot be read ({error}); update the studio, or set the "
            "form by hand"
        ) from error
    return PictureSettings("studio", settings, record)


def _exif_comment(image: Image.Image) -> str | None:
    """The user comment of a JPEG or WebP, where those tools put the text; None if there is none."""
    comment = image.getexif().get_ifd(_EXIF_FOLDER).get(_USER_COMMENT)
    if isinstance(comment, str):
        return comment
    if not isinstance(comment, bytes):
        return None
    kind, text = comment[:8], comment[8:]
    if kind.startswith(b"UNICODE"):
        # Big-endian as its inventors write it, little-endian from some others: letters have a zero byte.
        return text.decode("utf-16-le" if text[1:2] == b"\0" else "utf-16-be", errors="replace")
    return text.decode("utf-8", errors="replace")
