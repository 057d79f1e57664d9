"""Dense maps: every window against the same window alone, which is counted in another way."""

from __future__ import annotations

import numpy as np
import pytest

from metrics.cooccurrence import window_properties
from metrics.glcm import grey_levels
from metrics.glcm_map import HARALICK_OFFSETS, glcm_map
from metrics.glcm_properties import PROPERTIES, glcm_properties
from metrics.sliding import sliding_properties
from tests.metrics.backgrounds import background

ALL_WAYS = ((0, 1), (1, 1), (1, 0), (1, -1), (-2, 3), (0, -4), (0, 1))


def textures(height: int, width: int) -> np.ndarray:
    """Noise beside a gradient beside flat: windows that slide from full matrices to empty ones."""
    image = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    image[:, width // 2 :] = np.arange(height, dtype=np.uint8)[:, None] // 3
    image[height // 2 :, : width // 3] = 130
    return image


@pytest.mark.parametrize(("window", "stride"), [(16, 3), (16, 1), (9, 4), (16, 8), (12, 20)])
def test_each_window_has_the_properties_of_itself_alone(window: int, stride: int) -> None:
    image = textures(70, 61)
    maps = glcm_map(image, window_px=window, stride_px=stride, offsets=ALL_WAYS)
    rows, columns = (70 - window) // stride + 1, (61 - window) // stride + 1
    for name in PROPERTIES:
        assert maps[name].shape == (rows, columns)
        assert maps[name].dtype == np.float32
    for row in range(rows):
        for column in range(columns):
            y, x = row * stride, column * stride
            alone = glcm_properties(image[y : y + window, x : x + window], offsets=ALL_WAYS, window_px=window)
            here = {name: float(maps[name][row, column]) for name in PROPERTIES}
            assert here == pytest.approx(alone, rel=1e-6, abs=1e-7)  # float32


def test_a_real_picture_at_the_default_window() -> None:
    part = background("wood-l")[700:1000, 1500:1900]
    maps = glcm_map(part)
    assert maps["entropy"].shape == (15, 22)
    for row, column in ((0, 0), (14, 21), (7, 3), (14, 0)):
        window = part[16 * row : 16 * row + 64, 16 * column : 16 * column + 64]
        alone = glcm_properties(window, offsets=HARALICK_OFFSETS)
        assert {name: float(maps[name][row, column]) for name in PROPERTIES} == pytest.approx(alone, rel=1e-6)


def test_nothing_drifts_however_far_a_window_slides() -> None:
    image = np.random.default_rng(1).integers(0, 256, (6000, 64), dtype=np.uint8)
    image[-64:] = 40
    image[0, 0] = 1
    maps = glcm_map(image, stride_px=1)
    assert maps["entropy"][-1, 0] == 0.0
    assert maps["asm"][-1, 0] == maps["homogeneity"][-1, 0] == maps["correlation"][-1, 0] == 1.0
    assert maps["contrast"][-1, 0] == maps["dissimilarity"][-1, 0] == 0.0


def test_sliding_and_counting_anew_agree_for_large_windows_too() -> None:
    grey = grey_levels(textures(700, 620))
    chosen = range(len(PROPERTIES))
    slid = sliding_properties(grey, offsets=((3, -2),), window_px=600, stride_px=10, chosen=chosen)
    anew = window_properties(grey, offsets=((3, -2),), window_px=600, stride_px=10)
    np.testing.assert_allclose(slid, anew, rtol=1e-6)


def test_only_the_named_properties_come_in_their_order() -> None:
    image = textures(80, 80)
    some = glcm_map(image, properties=("asm", "entropy"))
    assert list(some) == ["asm", "entropy"]
    everything = glcm_map(image)
    for name, values in some.items():
        np.testing.assert_array_equal(values, everything[name])
        assert values.flags.c_contiguous


def test_the_map_turns_with_the_picture() -> None:
    image = textures(96, 128)
    upright = glcm_map(image, window_px=32, offsets=((0, 1), (1, 0)))
    turned = glcm_map(image.T.copy(), window_px=32, offsets=((0, 1), (1, 0)))
    for name in PROPERTIES:
        np.testing.assert_allclose(turned[name], upright[name].T, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"window_px": 101}, "choose a window of 2 to 100 px"),
        ({"window_px": 1}, "choose a window of 2 to 100 px"),
        ({"stride_px": 0}, "stride must be at least 1 px, got 0"),
        ({"offsets": ((64, 0),)}, "leaves no pixel pair"),
        ({"offsets": ()}, "name at least one"),
        ({"properties": ("smoothness",)}, "no co-occurrence property 'smoothness'; choose from entropy"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        glcm_map(textures(100, 120), **arguments)


def test_wrong_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        glcm_map(np.zeros((100, 100), np.float64))
