"""The published score against scikit-image's matrices and entropy; the true entropy by hand and in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.feature import graycomatrix
from skimage.measure import shannon_entropy

from metrics.glcm import PUBLISHED_OFFSETS, glcm_entropy, glcm_score, grey_levels, patch_scores
from tests.metrics.backgrounds import background


def noise(height: int, width: int, *, seed: int = 0, top: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, top, (height, width), dtype=np.uint8)


def walk(height: int, width: int) -> np.ndarray:
    """Something smoother than noise: random walks along the rows."""
    steps = np.random.default_rng(1).normal(size=(height, width)) * 3
    return np.clip(np.cumsum(steps, axis=1) + 128, 0, 255).astype(np.uint8)


def published(patch: np.ndarray) -> float:
    """The published procedure for one 64 px patch, through scikit-image."""
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    return float(shannon_entropy(graycomatrix(patch // 4, [1, 2, 3, 4], angles, 64, normed=True)))


@pytest.mark.parametrize(
    "patch", [noise(64, 64), noise(64, 64, top=16), walk(64, 64), np.full((64, 64), 9, np.uint8)]
)
def test_score_is_the_published_procedure(patch: np.ndarray) -> None:
    assert glcm_score(patch) == pytest.approx(published(patch), abs=1e-12)


@pytest.mark.parametrize("name", ["wood-l", "adwaita-d", "truchet-l"])
def test_score_of_real_pictures_is_the_published_procedure(name: str) -> None:
    part = background(name)[1000 : 1000 + 64 * 3, 2000 : 2000 + 64 * 4]
    grey = grey_levels(part) * 4
    patches = [grey[y : y + 64, x : x + 64] for y in range(0, 192, 64) for x in range(0, 256, 64)]
    scores = patch_scores(part).ravel()
    assert scores == pytest.approx([published(patch) for patch in patches], rel=1e-9)
    assert glcm_score(part) == pytest.approx(scores.mean(), rel=1e-12)


def test_every_patch_of_a_whole_picture_is_scored_wherever_its_thread_ran() -> None:
    image = walk(64 * 7, 64 * 9)
    scores = patch_scores(image)
    for row in range(7):
        for column in range(9):
            alone = image[64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
            assert scores[row, column] == glcm_score(alone)


def test_patches_lie_from_the_top_left_and_remainders_are_left_out() -> None:
    image = walk(64 * 2 + 17, 64 * 3 + 40)
    scores = patch_scores(image)
    assert scores.shape == (2, 3)
    assert scores[1, 2] == pytest.approx(published(image[64:128, 128:192]), abs=1e-12)
    assert glcm_score(image) == pytest.approx(scores.mean(), abs=1e-12)


def test_published_numbers_of_simple_textures() -> None:
    # Entropies of the released code for flat, four-level noise and uniform noise: 0.003, 0.065, 3.53.
    assert glcm_score(np.zeros((64, 64), np.uint8)) == pytest.approx(0.0033, abs=1e-4)
    assert glcm_score(noise(64, 64, top=4) * 64) == pytest.approx(0.065, abs=2e-3)
    assert glcm_score(noise(512, 512)) == pytest.approx(3.53, abs=0.01)


def test_diagonals_of_distances_one_and_two_coincide_as_in_scikit_image() -> None:
    assert PUBLISHED_OFFSETS[1] == PUBLISHED_OFFSETS[5] == (1, 1)


def test_true_entropy_of_flat_and_of_even_noise() -> None:
    assert glcm_entropy(np.full((64, 64), 200, np.uint8)) == 0.0
    # Two equally likely, independent levels: two bits a pair.
    assert glcm_entropy(noise(256, 256, top=2) * 128) == pytest.approx(2.0, abs=2e-3)


def test_true_entropy_against_scikit_image() -> None:
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    for patch in (noise(64, 64), walk(64, 64)):
        shares = graycomatrix(patch // 4, [1, 2, 3, 4], angles, 64, normed=True)
        bits = -np.sum(shares * np.log2(np.where(shares > 0, shares, 1)), axis=(0, 1)).mean()
        assert glcm_entropy(patch) == pytest.approx(bits, rel=1e-12)


def test_true_entropy_does_not_care_how_levels_are_named() -> None:
    image = noise(128, 128, top=32)
    renamed = np.random.default_rng(3).permutation(64).astype(np.uint8)[image // 4] * 4
    assert glcm_entropy(renamed) == pytest.approx(glcm_entropy(image), abs=1e-12)


def test_grey_weighs_colours_as_opencv_does() -> None:
    # cv2.cvtColor of pure red, green, blue at 255 gives 76, 150, 29.
    colours = np.eye(3, dtype=np.uint8)[None] * 255
    assert grey_levels(colours).tolist() == [[76 // 4, 150 // 4, 29 // 4]]


def test_every_colour_turns_grey_as_in_exact_arithmetic() -> None:
    colours = noise(300, 900).reshape(300, 300, 3)
    exact = colours.astype(np.float64) @ [0.299, 0.587, 0.114]
    away_from_a_half = abs(exact % 1 - 0.5) > 0.01  # the fixed-point weights are off by up to 1.5e-5 each
    assert away_from_a_half.mean() > 0.97
    assert (grey_levels(colours) == np.rint(exact) // 4)[away_from_a_half].all()


def test_a_view_with_steps_scores_as_its_copy() -> None:
    image = np.stack([walk(256, 300)] * 3, axis=-1)
    view = image[::2, 299:20:-2]
    assert glcm_score(view) == glcm_score(view.copy())
    assert glcm_entropy(view[..., 0]) == glcm_entropy(view[..., 0].copy())


@pytest.mark.parametrize("image", [np.zeros((64, 64), np.float32), np.zeros((64, 64, 4), np.uint8)])
def test_wrong_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be"):
        glcm_score(image)


def test_a_picture_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="64 x 64"):
        glcm_score(np.zeros((63, 640), np.uint8))
