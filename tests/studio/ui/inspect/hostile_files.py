"""Files that break whatever opens them, and uncommon pictures that must open."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image


def png(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG header without pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IEND\xaeB`\x82"


def hostile_files(folder: Path) -> Iterator[Path]:
    """A hundred and more files that break something somewhere."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    for kind in ("png", "jpeg", "webp", "tiff"):
        whole = io.BytesIO()
        noise.save(whole, kind)
        data = whole.getvalue()
        for share in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
            yield written(folder / f"cut-{share}.{kind}", data[: int(len(data) * share)])
        for seed in range(14):
            broken = bytearray(data)
            rng = np.random.default_rng(seed)
            for at in rng.integers(0, len(broken), 30):
                broken[at] = rng.integers(0, 256)
            yield written(folder / f"broken-{seed}.{kind}", bytes(broken))
    Image.new("RGB", (1, 100_000)).save(folder / "tall.png")  # whole, but no browser shows it
    yield folder / "tall.png"
    for width, height in ((60000, 60000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (0, 0), (11000, 11000)):
        yield written(folder / f"{width}x{height}.png", png(width, height))
    yield written(folder / "empty.png", b"")
    yield written(folder / "text.png", b"not a picture")
    yield written(
        folder / "drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    )
    yield written(folder / "gif.png", b"GIF89a" + b"\0" * 40)
    yield written(folder / "postscript.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    yield written(folder / "archive.png", b"PK\3\4" + b"\0" * 99)
    for name in (
        'quote\'s "name".png',
        "ünïcödé 🏔.png",
        "<img src=x onerror=alert(1)>.png",
        "a" * 200 + ".png",
    ):
        yield written(folder / name, b"broken")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "nowhere.png").symlink_to(folder / "missing")
    (folder / "folder.png").mkdir()
    yield from (folder / "loop.png", folder / "nowhere.png", folder / "folder.png", folder / "missing.png")


def odd_pictures(folder: Path) -> Iterator[Path]:
    """Uncommon pictures that must open."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, 50, 4), np.uint8)
    for name, image in (
        ("cmyk.jpg", Image.fromarray(noise, "CMYK")),
        ("alpha.png", Image.fromarray(noise, "RGBA")),
        ("grey16.png", Image.fromarray(rng.integers(0, 2**16, (40, 50)).astype(np.uint16))),
        ("palette.png", Image.fromarray(noise[..., :3]).convert("P")),
        ("one-bit.tiff", Image.fromarray(noise[..., 0]).convert("1")),
        ("floats.tiff", Image.fromarray(rng.random((40, 50)).astype(np.float32))),
        ("long.png", Image.fromarray(noise[:1, :, :3]).resize((50000, 1))),
    ):
        image.save(folder / name)
        yield folder / name
    frames = [Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)) for _ in range(5)]
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:])
    yield folder / "moving.webp"


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
