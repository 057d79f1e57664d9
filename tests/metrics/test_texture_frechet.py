"""Texture features of known patches, and a distance that notices blur and noise."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

from metrics.frechet import GaussianStatistics
from metrics.texture_frechet import FEATURES, texture_features, texture_frechet
from tests.metrics.backgrounds import background


def test_a_flat_picture_has_the_floor_for_energy_and_no_entropy() -> None:
    found = texture_features(np.full((300, 520, 3), 90, np.uint8))
    assert found.shape == (2, len(FEATURES)) == (2, 16)
    np.testing.assert_allclose(found[:, :9], np.log(0.01), atol=1e-3)
    np.testing.assert_allclose(found[:, 9], 0)


def test_patches_are_chosen_evenly_and_at_most_so_many() -> None:
    picture = np.zeros((1024, 1024, 3), np.uint8)
    picture[512:] = np.random.default_rng(0).integers(0, 255, (512, 1024, 3), np.uint8)
    found = texture_features(picture, max_patches=4)
    assert found.shape == (4, 16)
    assert (found[:2, 0] < 0).all()
    assert (found[2:, 0] > 3).all()


def test_blur_and_noise_move_a_real_picture_away() -> None:
    picture = background("wood-l")[:1024, :1024]
    blurred = scipy.ndimage.gaussian_filter(picture, (1.2, 1.2, 0))
    noisy = (picture + np.random.default_rng(0).normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)
    reference, same, soft, loud = (
        GaussianStatistics.of(texture_features(np.ascontiguousarray(image)))
        for image in (picture, picture[:, ::-1], blurred, noisy)
    )
    assert texture_frechet(same, reference) < 0.1 * texture_frechet(soft, reference)
    assert texture_frechet(same, reference) < 0.1 * texture_frechet(loud, reference)


def test_a_picture_without_a_whole_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="need 256 x 256"):
        texture_features(np.zeros((255, 400, 3), np.uint8))
