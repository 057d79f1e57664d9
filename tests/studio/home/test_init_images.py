"""Pictures to begin from are kept once, by their content and by whose they are."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.whole_files import part_of
from studio.home.init_images import (
    forget_init_images,
    init_image_path,
    is_of,
    keep_init_image,
    read_init_image,
    require_init_image,
)
from studio.init_image import InitImage


@pytest.fixture
def photo(tmp_path: Path, noise: np.ndarray) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(noise).save(path)
    return path


def test_a_file_is_kept_once_as_it_is(tmp_path: Path, photo: Path, noise: np.ndarray) -> None:
    home = tmp_path / "home"
    kept = keep_init_image(home, photo, strength=0.4)
    again = photo.rename(tmp_path / "renamed.png")
    assert keep_init_image(home, again, strength=0.4) == kept
    (file,) = (home / "init").iterdir()
    assert require_init_image(home, kept) == init_image_path(home, kept.id) == file
    assert file.read_bytes() == again.read_bytes()
    np.testing.assert_array_equal(read_init_image(file), noise)


def test_it_is_begun_from_as_it_is_shown(tmp_path: Path, noise: np.ndarray) -> None:
    path, turned = tmp_path / "turned.jpg", Image.Exif()
    turned[0x0112] = 6  # to be shown turned by a quarter, clockwise
    Image.fromarray(noise).save(path, exif=turned, quality=95)
    kept = keep_init_image(tmp_path, path)
    assert read_init_image(init_image_path(tmp_path, kept.id)).shape == (128, 96, 3)


def test_a_name_opens_nothing_to_anybody_else(tmp_path: Path, photo: Path) -> None:
    anns, bobs, machines = (
        keep_init_image(tmp_path, photo, owner=owner).id for owner in ("ann", "bob", None)
    )
    digests = {name.partition("-")[2] for name in (anns, bobs, machines)}
    assert len(digests) == 3, "who has the same file is nobody's business"
    assert [is_of(anns, who) for who in ("ann", "bob", None)] == [True, False, True]
    assert [is_of(machines, who) for who in ("ann", None)] == [False, True]
    assert "ann" not in anns


def test_what_is_no_picture_to_begin_from_is_refused(tmp_path: Path, photo: Path) -> None:
    (tmp_path / "words.png").write_text("words")
    Image.new("RGB", (640, 16)).save(tmp_path / "thin.png")
    with pytest.raises(ValueError, match=r"words\.png"):
        keep_init_image(tmp_path, tmp_path / "words.png")
    with pytest.raises(
        ValueError, match=r"thin\.png is 640 x 16 px, too small to begin from; choose one of 32 px"
    ):
        keep_init_image(tmp_path, tmp_path / "thin.png")
    with pytest.raises(ValueError, match=r"photo\.png is 128 x 96"):
        keep_init_image(tmp_path, photo, max_megapixels=0.01)
    with pytest.raises(ValueError, match="strength"):
        keep_init_image(tmp_path, photo, strength=1.5)
    assert not (tmp_path / "init").exists()


def test_one_that_is_gone_is_refused_with_the_remedy(tmp_path: Path, photo: Path) -> None:
    kept = keep_init_image(tmp_path, photo)
    init_image_path(tmp_path, kept.id).unlink()
    for home in (tmp_path, None):
        with pytest.raises(ValueError, match="no longer kept here; choose its file again"):
            require_init_image(home, kept)


def test_one_that_was_damaged_is_told_and_is_mended_by_its_file(tmp_path: Path, photo: Path) -> None:
    kept = keep_init_image(tmp_path, photo)
    path = init_image_path(tmp_path, kept.id)
    path.write_bytes(photo.read_bytes()[:200])
    with pytest.raises(
        ValueError, match=r"cannot be read .* is damaged or cut off .*; choose its file again"
    ):
        read_init_image(require_init_image(tmp_path, kept))
    assert keep_init_image(tmp_path, photo) == kept
    assert path.read_bytes() == photo.read_bytes()


def test_what_is_asked_for_stays(tmp_path: Path, photo: Path, noise: np.ndarray) -> None:
    Image.fromarray(255 - noise).save(tmp_path / "other.png")
    asked, forgotten = keep_init_image(tmp_path, photo), keep_init_image(tmp_path, tmp_path / "other.png")
    long_ago = time.time() - 1000
    for kept in (asked, forgotten):
        os.utime(init_image_path(tmp_path, kept.id), (long_ago, long_ago))
    part = part_of(init_image_path(tmp_path, asked.id))
    part.write_bytes(b"half a picture")  # of a writer that was killed
    os.utime(part, (long_ago - 1e6, long_ago - 1e6))
    require_init_image(tmp_path, asked)
    assert forget_init_images(tmp_path, older_s=500) == 1
    assert [path.name for path in (tmp_path / "init").iterdir()] == [asked.id]
    assert forget_init_images(tmp_path / "no home", older_s=0) == 0
    assert forget_init_images(tmp_path, older_s=-1, keep={asked.id}) == 0
    assert forget_init_images(tmp_path, older_s=-1) == 1


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 45, "0" * 12 + "-" + "g" * 32, 7, None])
def test_a_name_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="choose the file again"):
        InitImage(name)


@pytest.mark.parametrize("strength", [0, 0.04, 0.96, 1, -0.5, float("nan"), True, "0.5", None])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=r"strength .*; 0\.6 is usual"):
        InitImage("0" * 12 + "-" + "1" * 32, strength)
