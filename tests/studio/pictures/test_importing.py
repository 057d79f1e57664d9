"""Importing into the gallery: every byte is kept, and what cannot be imported is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.gallery_search import Listed
from tests.studio.pictures.conftest import ids


def test_importing_keeps_every_byte(
    gallery: Gallery, add: Callable[..., Picture], workspace: Workspace, tmp_path: Path
) -> None:
    original = add("imported sea")
    assert gallery.import_file(original.path).id == original.id
    elsewhere = Gallery(Workspace.open(tmp_path / "other"))
    imported = elsewhere.import_file(original.path)
    assert imported.path.read_bytes() == original.path.read_bytes()
    assert ids(elsewhere.pictures(Listed("imported"))) == [imported.id]
    assert imported.record.imported_from == original.path.name


def test_a_damaged_file_is_not_imported_and_leaves_nothing(
    gallery: Gallery, add: Callable[..., Picture], workspace: Workspace, tmp_path: Path
) -> None:
    content = add().path.read_bytes()
    gallery.trash(ids(gallery.pictures()))
    gallery.empty_trash()
    (tmp_path / "half.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"is damaged or cut off .* copy it again"):
        gallery.import_file(tmp_path / "half.png")
    assert list(workspace.root.rglob("*.png")) == []
    assert gallery.count() == 0


def test_importing_from_other_tools(gallery: Gallery, noise: np.ndarray, tmp_path: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", "castle\nSteps: 20, CFG scale: 7, Seed: 5, Size: 512x768, Model: m")
    Image.fromarray(noise).save(tmp_path / "a.png", pnginfo=chunks)
    imported = gallery.import_file(tmp_path / "a.png")
    assert (imported.record.source, imported.record.settings.seed) == ("AUTOMATIC1111", 5)
    assert imported.preview_path.is_file()
    assert imported.thumbnail_path.is_file()


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("a.png", None, "a.png holds no settings"),
        (
            "a.png",
            "castle\nSteps: 20, Seed: 5",
            "does not say its guidance_scale, width_px, height_px, model; drop it",
        ),
        (
            "a.png",
            "castle\nSteps: 20, CFG scale: 7, Seed: 5, Size: 500x300, Model: m",
            r"width_px, height_px \(left out: Size: 500 x 300 \(here a multiple of 32\)",
        ),
        ("a.webp", None, "a.webp holds no settings"),
    ],
)
def test_what_cannot_be_imported(
    gallery: Gallery, noise: np.ndarray, tmp_path: Path, name: str, parameters: str | None, words: str
) -> None:
    chunks = PngImagePlugin.PngInfo()
    if parameters is not None:
        chunks.add_text("parameters", parameters)
    Image.fromarray(noise).save(tmp_path / name, **({"pnginfo": chunks} if parameters else {}))
    with pytest.raises(ValueError, match=words):
        gallery.import_file(tmp_path / name)
    assert gallery.count() == 0


def test_only_png_becomes_a_master(gallery: Gallery, noise: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    text = "castle\nSteps: 20, CFG scale: 7, Seed: 5, Size: 128x96, Model: m"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
    Image.fromarray(noise).save(tmp_path / "a.jpg", exif=exif)
    with pytest.raises(ValueError, match=r"a.jpg is not a PNG; the gallery keeps lossless masters only"):
        gallery.import_file(tmp_path / "a.jpg")
