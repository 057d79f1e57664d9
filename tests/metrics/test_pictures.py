"""Any file becomes pixels or one sentence."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metrics.pictures import read_picture

RAMP = np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", 'quo\'te "x".png', "日本語 ☃.png"])
def test_lossless_files_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    options = {"lossless": True} if name.endswith("webp") else {}
    picture = read_picture(saved(tmp_path / name, Image.fromarray(RAMP), **options))
    np.testing.assert_array_equal(picture.pixels, RAMP)
    assert picture.pixels.flags.c_contiguous
    assert picture.notes == ()


def test_the_extension_does_not_matter(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", Image.fromarray(RAMP)).rename(tmp_path / "a.txt")
    assert read_picture(tmp_path / "a.txt").format == "PNG"


def test_rotation_by_exif_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    picture = read_picture(saved(tmp_path / "a.png", Image.fromarray(RAMP), exif=exif))
    np.testing.assert_array_equal(picture.pixels, np.rot90(RAMP, -1))
    assert "EXIF" in picture.notes[0]


def test_alpha_lies_on_black(tmp_path: Path) -> None:
    rgba = np.dstack([np.full((4, 4, 3), 200, np.uint8), np.full((4, 4, 1), 128, np.uint8)])
    picture = read_picture(saved(tmp_path / "a.png", Image.fromarray(rgba)))
    assert picture.pixels[0, 0].tolist() == [100, 100, 100]
    assert "black" in picture.notes[0]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_keep_their_upper_eight(tmp_path: Path, suffix: str) -> None:
    values = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    picture = read_picture(saved(tmp_path / f"a.{suffix}", Image.fromarray(values)))
    np.testing.assert_array_equal(picture.pixels[..., 1], np.arange(256).reshape(16, 16))
    assert "16-bit" in picture.notes[0]


@pytest.mark.parametrize("depth", [8, 16])
def test_sixteen_bit_colour_is_noted_and_eight_bit_is_not(tmp_path: Path, depth: int) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    wide = values.astype(">u2") * 257 if depth == 16 else values
    lines = b"".join(b"\0" + line.tobytes() for line in wide)
    head = struct.pack(">IIBBBBB", 7, 5, depth, 2, 0, 0, 0)
    content = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    )
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, values)
    assert picture.notes == (("16-bit colours: scaled to 8 bits",) if depth == 16 else ())


def test_floating_point_in_unit_range_is_stretched(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    values[0, 1] = np.nan
    picture = read_picture(saved(tmp_path / "a.tif", Image.fromarray(values)))
    assert picture.pixels[0, 0, 0] == 0
    assert picture.pixels[-1, -1, 0] == 255
    assert picture.pixels[0, 1, 0] == 0


def test_cmyk_grey_and_palettes_become_rgb(tmp_path: Path) -> None:
    grey = Image.fromarray(RAMP).convert("L")
    for name, image in {
        "c.jpg": Image.fromarray(RAMP).convert("CMYK"),
        "g.png": grey,
        "p.png": grey.convert("P"),
        "b.png": grey.convert("1"),
    }.items():
        picture = read_picture(saved(tmp_path / name, image))
        assert picture.pixels.shape == (48, 64, 3), name
        assert picture.pixels.dtype == np.uint8


def test_of_an_animation_the_first_frame_is_measured(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (value, 0, 0)) for value in (10, 200)]
    for name in ("a.png", "a.webp", "a.tif"):
        path = saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:])
        picture = read_picture(path)
        assert abs(int(picture.pixels[0, 0, 0]) - 10) < 8
        assert "2 frames" in picture.notes[0]


def test_a_link_is_followed_and_a_loop_is_not(tmp_path: Path) -> None:
    target = saved(tmp_path / "a.png", Image.fromarray(RAMP))
    (tmp_path / "link.png").symlink_to(target)
    assert read_picture(tmp_path / "link.png").pixels.shape == RAMP.shape
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with pytest.raises(ValueError, match="cannot be read"):
        read_picture(tmp_path / "loop.png")


def test_a_long_thin_picture_is_a_picture(tmp_path: Path) -> None:
    path = saved(tmp_path / "thin.png", Image.new("RGB", (1, 60_000)))
    assert read_picture(path).pixels.shape == (60_000, 1, 3)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 64))
        + chunk(b"IEND", b"")
    )


def test_a_giant_is_refused_by_its_header_alone(tmp_path: Path) -> None:
    for width, height in ((60_000, 60_000), (12_000, 12_000), (100_000, 2_000)):
        path = tmp_path / "giant.png"
        path.write_bytes(png_header(width, height))
        tracemalloc.start()
        with pytest.raises(ValueError, match=r"scale it down|cut out a part"):
            read_picture(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.png", b"", "is empty"),
        ("words.png", b"just text", "is no PNG"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no PNG"),
        ("page.html", b"<html></html>", "is no PNG"),
        ("zeros.png", b"\0" * 4096, "is no PNG"),
        ("only-magic.png", b"\x89PNG\r\n\x1a\n", "PNG|damaged"),
        ("head.png", png_header(64, 64), "damaged"),
        ("pickle.png", b"\x80\x04\x95\x0b\x00", "is no PNG"),
    ],
)
def test_what_is_no_picture_gets_a_sentence(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_picture(tmp_path / name)


def test_missing_files_and_folders_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is missing"):
        read_picture(tmp_path / "no.png")
    with pytest.raises(ValueError, match="is a folder"):
        read_picture(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be read|is missing"):
        read_picture(tmp_path / ("x" * 400))


def test_a_hundred_broken_files_are_pixels_or_a_sentence(tmp_path: Path) -> None:
    rng = random.Random(0)
    good: dict[str, bytes] = {}
    for name, options in {"png": {}, "jpeg": {}, "webp": {}, "tiff": {"compression": "tiff_lzw"}}.items():
        file = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(
            file, name, **options
        )
        good[name] = file.getvalue()
    refused = 0
    for number in range(100):
        name, content = rng.choice(sorted(good.items()))
        path = tmp_path / f"{number}.{name}"
        path.write_bytes(damaged(content, rng))
        words = refusal(path)
        if words is not None:
            refused += 1
            assert path.name in words
            assert "\n" not in words
            assert len(words) < 300
    assert refused > 30


def refusal(path: Path) -> str | None:
    """The sentence, None for a picture; any other exception escapes."""
    try:
        assert read_picture(path).pixels.shape[2] == 3
    except ValueError as error:
        return str(error)
    return None


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Cut off, overwritten, stretched or shuffled."""
    ways: tuple[Callable[[bytes], bytes], ...] = (
        lambda b: b[: rng.randrange(len(b))],
        lambda b: b[:40] + rng.randbytes(60) + b[100:],
        lambda b: b[: rng.randrange(8, 60)] + bytes([rng.randrange(256)]) + b[rng.randrange(8, 60) :],
        lambda b: b + b,
        lambda b: b[::-1],
        lambda b: b[:30] + b"\xff" * 8 + b[38:],
    )
    return rng.choice(ways)(content)
