"""Haralick's properties: by hand on his own example, in closed form, against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.feature import graycomatrix, graycoprops

from metrics.glcm import PUBLISHED_OFFSETS, glcm_entropy, grey_levels
from metrics.glcm_properties import PROPERTIES, glcm_properties, patch_matrices
from tests.metrics.backgrounds import background

# The 4 x 4 picture that Haralick (1973) works through, as pixels that quarter to its levels.
HARALICK = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 2, 2, 2], [2, 2, 3, 3]], np.uint8) * 4


def noise(height: int, width: int, *, seed: int = 0, top: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, top, (height, width), dtype=np.uint8)


def by_scikit_image(patch: np.ndarray) -> dict[str, float]:
    """Of one patch of grey levels, at the published offsets."""
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    shares = graycomatrix(patch, [1, 2, 3, 4], angles, 64, normed=True)
    found = {
        name: float(graycoprops(shares, "ASM" if name == "asm" else name).mean()) for name in PROPERTIES[1:]
    }
    bits = -np.sum(shares * np.log2(np.where(shares > 0, shares, 1)), axis=(0, 1))
    return {"entropy": float(bits.mean()), **found}


def test_pairs_to_the_right_counted_by_hand() -> None:
    matrix = patch_matrices(HARALICK, offsets=((0, 1),))[0]
    expected = np.array([[2, 2, 1, 0], [0, 2, 0, 0], [0, 0, 3, 1], [0, 0, 0, 1]]) / 12  # 4 rows of 3 pairs
    np.testing.assert_allclose(matrix[:4, :4], expected, rtol=1e-15)
    assert matrix[4:].sum() == matrix[:, 4:].sum() == 0


def test_properties_worked_by_hand() -> None:
    found = glcm_properties(HARALICK, offsets=((0, 1),), window_px=4)
    # Of 12 pairs: 8 of equal levels, 3 one apart (0-1 twice, 2-3), one two apart (0-2).
    assert found["contrast"] == pytest.approx((3 * 1 + 1 * 4) / 12, rel=1e-14)
    assert found["dissimilarity"] == pytest.approx((3 * 1 + 1 * 2) / 12, rel=1e-14)
    assert found["homogeneity"] == pytest.approx((8 + 3 / 2 + 1 / 5) / 12, rel=1e-14)
    assert found["asm"] == pytest.approx((3 * 2**2 + 3**2 + 3 * 1) / 144, rel=1e-14)
    assert found["energy"] == pytest.approx(np.sqrt(24) / 12, rel=1e-14)
    cells = np.array([2, 2, 2, 3, 1, 1, 1]) / 12
    assert found["entropy"] == pytest.approx(-(cells * np.log2(cells)).sum(), rel=1e-14)
    # Sums over pairs (a, b): a 13 and b 18 of 12, a^2 23, b^2 38 ... by the definition:
    first, second = (HARALICK[:, :-1] // 4).ravel(), (HARALICK[:, 1:] // 4).ravel()
    assert found["correlation"] == pytest.approx(np.corrcoef(first, second)[0, 1], rel=1e-12)


def test_second_pixel_lies_below_and_to_the_left_where_the_offset_says_so() -> None:
    image = np.zeros((3, 3), np.uint8)
    image[0, 2], image[1, 1] = 4, 8  # levels 1 and 2
    matrices = patch_matrices(image, offsets=((1, -1), (-1, 1), (1, 1)))
    assert matrices[0, 1, 2] == matrices[1, 2, 1] == 1 / 4
    assert matrices[2, 1, 2] == 0


@pytest.mark.parametrize("name", ["wood-l", "adwaita-d", "truchet-l"])
def test_real_pictures_agree_with_scikit_image(name: str) -> None:
    part = background(name)[1000:1128, 2000:2128]
    grey = grey_levels(part)
    patches = [by_scikit_image(grey[y : y + 64, x : x + 64]) for y in (0, 64) for x in (0, 64)]
    expected = {key: np.mean([patch[key] for patch in patches]) for key in PROPERTIES}
    assert glcm_properties(part) == pytest.approx(expected, rel=1e-9)


def test_matrices_agree_with_scikit_image() -> None:
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    image = noise(41, 67)
    theirs = graycomatrix(image // 4, [1, 2, 3, 4], angles, 64, normed=True)
    ours = patch_matrices(image, offsets=PUBLISHED_OFFSETS).reshape(4, 4, 64, 64).transpose(2, 3, 0, 1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-14)


def test_a_flat_window_is_wholly_ordered() -> None:
    flat = glcm_properties(np.full((64, 64), 77, np.uint8))
    ordered = dict(zip(PROPERTIES, (0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0), strict=True))
    assert flat == pytest.approx(ordered, abs=1e-15)
    assert flat["entropy"] == 0.0


def test_checkerboard_in_closed_form() -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 40).astype(np.uint8)  # levels 0 and 10
    right = glcm_properties(board, offsets=((0, 1),))
    assert right == pytest.approx(
        {
            "entropy": 1.0,
            "contrast": 100.0,
            "dissimilarity": 10.0,
            "homogeneity": 1 / 101,
            "energy": np.sqrt(0.5),
            "correlation": -1.0,
            "asm": 0.5,
        },
        rel=1e-12,
    )
    assert glcm_properties(board, offsets=((0, 2),))["correlation"] == pytest.approx(1.0, rel=1e-12)


def test_extremes_stay_finite_and_in_range() -> None:
    steps = np.where(np.arange(64) < 32, 0, 255).astype(np.uint8) * np.ones((64, 1), np.uint8)
    for image in (steps, noise(64, 64), noise(64, 64, top=2) * 255):
        found = glcm_properties(image)
        assert np.isfinite(list(found.values())).all()
        assert 0 <= found["contrast"] <= 3969
        assert -1 <= found["correlation"] <= 1


def test_turning_a_picture_swaps_its_directions() -> None:
    image = noise(128, 128, top=30)
    right = glcm_properties(image, offsets=((0, 2),))
    assert glcm_properties(np.rot90(image), offsets=((2, 0),)) == pytest.approx(right, rel=1e-12)
    assert glcm_properties(image, offsets=((0, -2),)) == pytest.approx(right, rel=1e-12)


def test_brighter_pictures_have_the_same_texture() -> None:
    image = noise(128, 128, top=100)
    assert glcm_properties(image + np.uint8(120)) == pytest.approx(glcm_properties(image), rel=1e-12)


def test_an_offset_named_twice_counts_twice() -> None:
    image = noise(64, 64, top=99)
    one, other = (glcm_properties(image, offsets=(step,))["contrast"] for step in ((0, 1), (3, 0)))
    both = glcm_properties(image, offsets=((0, 1), (3, 0), (0, 1)))["contrast"]
    assert both == pytest.approx((2 * one + other) / 3, rel=1e-12)


def test_entropy_is_the_metric_of_that_name() -> None:
    image = noise(150, 200, top=120)
    assert glcm_properties(image)["entropy"] == glcm_entropy(image)


def test_windows_and_offsets_that_do_not_fit_are_refused() -> None:
    image = noise(100, 80)
    with pytest.raises(ValueError, match="choose a window of 2 to 80 px"):
        glcm_properties(image, window_px=81)
    with pytest.raises(ValueError, match=r"offset \(0, 16\) leaves no pixel pair"):
        glcm_properties(image, window_px=16, offsets=((0, 16),))
    with pytest.raises(ValueError, match="name at least one"):
        glcm_properties(image, offsets=())
    with pytest.raises(ValueError, match=r"offset \(0, -80\) leaves no pixel pair in 80 x 100"):
        patch_matrices(image, offsets=((0, -80),))
    with pytest.raises(ValueError, match="uint8"):
        glcm_properties(image.astype(np.float32))
