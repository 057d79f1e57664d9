"""Pictures that carry their making: written losslessly, opened with every byte checked, refused in one sentence."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from studio.pictures.png import opened_picture, write_png
from studio.pictures.record import PictureRecord
from studio.pictures.settings_reader import STUDIO, read_settings
from studio.render_request import RenderRequest


@pytest.fixture
def png(tmp_path: Path, noise: np.ndarray, new_request: Callable[..., RenderRequest]) -> Path:
    """A studio picture with a prompt beyond ASCII."""
    record = PictureRecord(settings=new_request(prompt="Bäume 山 at dusk"), decode_path="f16-exact")
    write_png(tmp_path / "studio.png", noise, record)
    return tmp_path / "studio.png"


def test_every_pixel_and_the_whole_record_come_back(png: Path, noise: np.ndarray) -> None:
    np.testing.assert_array_equal(np.array(Image.open(png)), noise)
    found = read_settings(png)
    assert found.source == STUDIO
    assert found.values["prompt"] == "Bäume 山 at dusk"
    assert found.record is not None
    assert found.record.decode_path == "f16-exact"
    with Image.open(png) as image:
        assert json.loads(image.info["diffusion4k"])["settings"]["seed"] == 7
        assert image.info["parameters"].startswith("Bäume 山 at dusk\nSteps: 9, ")


def opened(path: Path, *, max_megapixels: float = 67.2) -> np.ndarray:
    with opened_picture(path, max_megapixels=max_megapixels) as image:
        return np.array(image)


def test_no_picture_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"hello" * 100)
    with pytest.raises(ValueError, match=r"a.png is not a picture; drop a PNG, JPEG or WebP"):
        opened(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"b.png is empty; copy it again"):
        opened(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"gone.png is missing"):
        opened(tmp_path / "gone.png")


def test_other_formats_that_pillow_knows_are_not_even_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EPS would start Ghostscript."""
    started: list[object] = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *given, **named: started.append(given))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "EPS"  # Pillow alone takes it
    for write in ("b.bmp", "c.gif", "d.ppm", "e.tga"):
        Image.new("RGB", (8, 8)).save(tmp_path / write)
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(ValueError, match="is not a picture; drop a PNG, JPEG or WebP"):
            opened(path)
    assert started == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_picture(png: Path, share: float) -> None:
    content = png.read_bytes()
    png.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"studio.png is damaged or cut off .* copy it again"):
        opened(png)


def test_a_corrupt_picture(png: Path) -> None:
    content = bytearray(png.read_bytes())
    content[len(content) // 2] ^= 0xFF
    png.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"studio.png is damaged or cut off"):
        opened(png)


@pytest.mark.parametrize("side_px", [10_000, 100_000])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, side_px: int) -> None:
    """A PNG of a few bytes that claims 100 megapixels or 10 gigapixels."""
    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0" * 100))
    (tmp_path / "bomb.png").write_bytes(data + _chunk(b"IEND", b""))
    with pytest.raises(ValueError, match=r"bomb.png is larger than the 67.2 megapixels that are opened here"):
        opened(tmp_path / "bomb.png")


def test_the_host_sets_the_limit(png: Path) -> None:
    with pytest.raises(ValueError, match=r"larger than the 0.01 megapixels .* \(it is 128 x 96\)"):
        opened(png, max_megapixels=0.01)


def test_a_bomb_of_text(tmp_path: Path, noise: np.ndarray) -> None:
    """64 MiB of settings in a few kB."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", "a" * 2**26, zip=True)
    Image.fromarray(noise).save(tmp_path / "a.png", pnginfo=chunks)
    with pytest.raises(ValueError, match=r"a.png"):
        opened(tmp_path / "a.png")


def test_what_is_no_picture_is_not_written(
    tmp_path: Path, noise: np.ndarray, new_request: Callable[..., RenderRequest]
) -> None:
    for wrong in (noise[..., 0], noise.astype(np.float32)):
        with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
            write_png(tmp_path / "a.png", wrong, PictureRecord(settings=new_request()))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
