"""JPEG sizes against files that Pillow writes, and against a quotient by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from metrics.compression import PUBLISHED, JpegSettings, compression_ratio, set_compression_ratio


def noise(height: int, width: int, *, top: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(0, top, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(64, 64), (37, 101)])
def test_the_published_ratio_is_that_of_a_file_as_published(tmp_path: Path, shape: tuple[int, int]) -> None:
    image = noise(*shape)
    Image.fromarray(image).save(tmp_path / "x.jpg", quality=95)  # as eval.py does: no word on subsampling
    size = (tmp_path / "x.jpg").stat().st_size
    assert compression_ratio(image) == shape[0] * shape[1] * 3 / size


def test_published_files_hold_chroma_at_half_resolution(tmp_path: Path) -> None:
    image = noise(64, 64)
    for subsampling in ("4:2:0", "4:4:4"):
        Image.fromarray(image).save(tmp_path / "x.jpg", quality=95, subsampling=subsampling)
        size = (tmp_path / "x.jpg").stat().st_size
        assert compression_ratio(image, JpegSettings(subsampling=subsampling)) == image.nbytes / size
    assert compression_ratio(image) > 1.3 * compression_ratio(image, JpegSettings(subsampling="4:4:4"))


def test_a_set_is_a_ratio_of_sums_not_a_mean_of_ratios() -> None:
    busy, flat = noise(64, 64), np.zeros((128, 128, 3), np.uint8)
    sizes = [image.nbytes / compression_ratio(image) for image in (busy, flat)]
    by_hand = (64 * 64 * 3 + 128 * 128 * 3) / sum(sizes)
    assert set_compression_ratio(iter([busy, flat])) == pytest.approx(by_hand, rel=1e-12)
    assert set_compression_ratio([busy, busy]) == pytest.approx(compression_ratio(busy), rel=1e-12)
    assert abs(by_hand - (compression_ratio(busy) + compression_ratio(flat)) / 2) > 1


def test_detail_lowers_the_ratio_and_quality_too() -> None:
    flat, faint, strong = np.full((256, 256, 3), 90, np.uint8), noise(256, 256, top=8), noise(256, 256)
    assert compression_ratio(flat) > compression_ratio(faint) > compression_ratio(strong) > 1
    assert compression_ratio(strong, JpegSettings(quality=50)) > compression_ratio(strong)


def test_settings_name_what_a_ratio_depends_on() -> None:
    assert PUBLISHED.description.startswith(f"JPEG quality 95, 4:2:0, Pillow {PIL.__version__}, libjpeg")
    assert PUBLISHED.description.split()[-1][0].isdigit()


def test_one_pixel_is_a_picture() -> None:
    assert 0 < compression_ratio(np.zeros((1, 1, 3), np.uint8)) < 0.02


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8)],
    ids=["float", "grey", "alpha"],
)
def test_wrong_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be"):
        compression_ratio(image)


@pytest.mark.parametrize("shape", [(0, 8, 3), (1, 65_501, 3)])
def test_sides_that_jpeg_cannot_hold_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="sides of 1 to 65500"):
        compression_ratio(np.zeros(shape, np.uint8))


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        set_compression_ratio([])


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="between 1 and 100"):
        JpegSettings(quality=0)
    with pytest.raises(ValueError, match="subsampling must be"):
        JpegSettings(subsampling="4:2:2")
