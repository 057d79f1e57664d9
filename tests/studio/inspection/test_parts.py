"""Parts of a picture: where a click lands, what a region keeps, and numbers against independent code."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.feature import graycomatrix

from metrics.catalogue import card
from metrics.glcm import glcm_score, grey_levels, patch_scores
from metrics.glcm_properties import glcm_properties
from metrics.subbands import luma
from studio.inspection.parts import (
    ANGLES_DEG,
    DISTANCES,
    Box,
    clamped,
    measure_part,
    patch_at,
)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [(0, 0, (0, 0)), (63, 64, (0, 64)), (199, 130, (136, 86)), (150, 149, (128, 86))],
)
def test_a_click_finds_its_patch_of_the_grid_or_the_last_that_fits(
    x: int, y: int, expected: tuple[int, int]
) -> None:
    box = patch_at(x, y, 200, 150)
    assert (box.x, box.y, box.width, box.height) == (*expected, 64, 64)
    assert box.x <= x < box.x + 64
    assert box.y <= y < box.y + 64


def test_a_picture_smaller_than_a_patch_is_one_patch() -> None:
    assert patch_at(5, 5, 40, 20) == Box(0, 0, 40, 20)


def test_a_region_is_kept_within_the_picture() -> None:
    assert clamped(Box(-10, 190, 50, 50), 256, 200) == Box(0, 190, 40, 10)
    for box in (Box(0, 0, 7, 100), Box(300, 0, 50, 50), Box(0, 195, 100, 100)):
        with pytest.raises(ValueError, match="too small to measure"):
            clamped(box, 256, 200)


def test_matrices_by_distance_and_angle_are_scikit_images(pixels: np.ndarray) -> None:
    box = Box(64, 64, 64, 64)
    found = measure_part(pixels, box).matrices
    levels = grey_levels(pixels[64:128, 64:128])
    expected = graycomatrix(levels, DISTANCES, np.deg2rad(ANGLES_DEG), levels=64, normed=True)
    assert np.abs(found - expected.transpose(2, 3, 0, 1)).max() < 1e-12


def test_histogram_and_moments_are_those_of_the_part_alone(pixels: np.ndarray) -> None:
    report = measure_part(pixels, Box(10, 20, 33, 44))
    grey = luma(np.ascontiguousarray(pixels[20:64, 10:43]))
    assert report.histogram.sum() == 33 * 44
    assert report.scores["mean"] == pytest.approx(grey.mean(), abs=1e-4)
    assert report.scores["deviation"] == pytest.approx(grey.std(), abs=1e-4)
    assert np.average(np.arange(256), weights=report.histogram) == pytest.approx(grey.mean(), abs=0.5)


def test_a_part_too_small_for_a_spectrum_has_none(pixels: np.ndarray) -> None:
    small, large = measure_part(pixels, Box(0, 0, 16, 100)), measure_part(pixels, Box(0, 0, 64, 100))
    assert (small.frequency.size, "spectrum_slope" in small.scores) == (0, False)
    assert (large.frequency.size > 8, "spectrum_slope" in large.scores) == (True, True)


def test_scores_have_the_names_and_values_of_the_catalogue(pixels: np.ndarray) -> None:
    patch = measure_part(pixels, Box(64, 64, 64, 64)).scores
    assert patch["glcm_score"] == patch_scores(pixels)[1, 1]
    part = np.ascontiguousarray(pixels[64:128, 64:128])
    assert patch["glcm_entropy"] == glcm_properties(part)["entropy"]
    region = measure_part(pixels, Box(10, 20, 140, 130)).scores
    assert region["glcm_score"] == glcm_score(np.ascontiguousarray(pixels[20:150, 10:150]))
    assert "glcm_score" not in measure_part(pixels, Box(0, 0, 63, 100)).scores
    assert all(card(name).name == name for name in patch if name not in ("mean", "deviation"))
