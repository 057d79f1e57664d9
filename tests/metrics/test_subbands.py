"""Subbands against PyWavelets, by hand, in closed form, and put together again."""

from __future__ import annotations

import numpy as np
import pytest
import pywt

from metrics.subbands import MODES, WAVELETS, Subbands, decompose, detail_energies, luma, rebuild
from tests.metrics.backgrounds import background

ODD, EVEN = (333, 271), (256, 320)


def picture(height: int, width: int) -> np.ndarray:
    """Grey levels with edges and grain, float32."""
    grain = np.random.default_rng(0).normal(0, 9, (height, width))
    return (np.indices((height, width)).sum(0) % 97 + 60 * (np.arange(width) > width / 3) + grain).astype(
        np.float32
    )


def by_pywavelets(grey: np.ndarray, wavelet: str, mode: str, levels: int) -> list[np.ndarray]:
    """LL, then LH, HL, HH of the coarsest level, and so on; level by level, since wavedec2 warns of short sides."""
    low, bands = grey.astype(np.float64), []
    for _ in range(levels):
        low, high = pywt.dwt2(low, wavelet, mode)
        bands[:0] = high
    return [low, *bands]


def listed(subbands: Subbands) -> list[np.ndarray]:
    return [subbands.ll, *(band for level in subbands.details[::-1] for band in level)]


def assert_equal_to_pywavelets(grey: np.ndarray, wavelet: str, mode: str, levels: int) -> None:
    ours = listed(decompose(grey, wavelet=wavelet, mode=mode, levels=levels))
    theirs = by_pywavelets(grey, wavelet, mode, levels)
    largest = max(abs(band).max() for band in theirs)
    for band, expected in zip(ours, theirs, strict=True):
        assert band.dtype == np.float32
        np.testing.assert_allclose(band, expected, rtol=0, atol=1e-6 * largest)


def test_energy_of_white_noise_is_its_variance_in_every_band() -> None:
    grey = np.random.default_rng(0).normal(0, 5, (1024, 1024)).astype(np.float32)
    for level in detail_energies(grey, levels=3):
        assert np.array(level) == pytest.approx(25, rel=0.05)


def test_stripes_lie_in_the_band_of_their_direction() -> None:
    rows = np.tile(np.array([[0.0], [10.0]], np.float32), (32, 64))  # changes from row to row
    lh, hl, hh = detail_energies(rows, levels=1)[0]
    assert (lh, hl, hh) == pytest.approx((100.0, 0.0, 0.0), abs=1e-4)
    assert detail_energies(rows.T.copy(), levels=1)[0] == pytest.approx((0.0, 100.0, 0.0), abs=1e-4)


def test_finest_level_comes_first() -> None:
    fine = np.indices((64, 64)).sum(0).astype(np.float32) % 2
    first, second = detail_energies(fine, levels=2)
    assert sum(first) > 0.9
    assert sum(second) == pytest.approx(0, abs=1e-6)


def test_luma_of_the_primaries() -> None:
    assert luma(np.eye(3, dtype=np.uint8)[None] * 255)[0] == pytest.approx([76.245, 149.685, 29.07], abs=1e-3)


def test_too_many_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="16 px"):
        detail_energies(np.zeros((12, 40), np.float32), levels=4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [ODD, EVEN, (40, 333)])
@pytest.mark.parametrize(
    "wavelet", ["haar", "db2", "db3", "db4", "db8", "sym5", "coif2", "bior4.4", "rbio3.1"]
)
def test_five_levels_agree_with_pywavelets(wavelet: str, mode: str, shape: tuple[int, int]) -> None:
    assert_equal_to_pywavelets(picture(*shape), wavelet, mode, levels=5)


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_every_wavelet_agrees_with_pywavelets_in_every_mode(wavelet: str) -> None:
    grey = np.random.default_rng(0).normal(size=(33, 46)).astype(np.float32)
    for mode in MODES:
        assert_equal_to_pywavelets(grey, wavelet, mode, levels=2)


def test_there_is_what_pywavelets_has() -> None:
    assert set(MODES) == set(pywt.Modes.modes)
    assert len(WAVELETS) > 100


def test_a_real_picture_agrees_with_pywavelets() -> None:
    grey = luma(background("wood-l")[:1023, :771])
    for wavelet in ("haar", "db4"):
        assert_equal_to_pywavelets(grey, wavelet, "symmetric", levels=5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [ODD, EVEN, (32, 35)])
@pytest.mark.parametrize("wavelet", ["haar", "db2", "db3", "db4", "sym6", "db8", "bior2.2", "coif1"])
def test_bands_as_they_are_make_the_picture_again(wavelet: str, mode: str, shape: tuple[int, int]) -> None:
    grey = picture(*shape)
    again = rebuild(decompose(grey, wavelet=wavelet, mode=mode, levels=4))
    assert again.dtype == np.float32
    np.testing.assert_allclose(again, grey, rtol=0, atol=2e-6 * grey.max() * 4)  # float32, four levels


@pytest.mark.parametrize(
    ("wavelet", "mode"), [("haar", "symmetric"), ("db4", "symmetric"), ("db3", "periodization")]
)
def test_gains_are_those_of_pywavelets(wavelet: str, mode: str) -> None:
    grey = picture(192, 256)
    gains = {("lh", 1): 0.0, ("hh", 2): -2.5, ("hl", 3): 3.0, ("ll", 3): 0.5}
    ours = rebuild(decompose(grey, wavelet=wavelet, mode=mode, levels=3), gains)
    low, third, second, first = pywt.wavedec2(grey.astype(np.float64), wavelet, mode, level=3)
    scaled = [
        low * 0.5,
        (third[0], third[1] * 3.0, third[2]),
        (*second[:2], second[2] * -2.5),
        (first[0] * 0, *first[1:]),
    ]
    expected = pywt.waverec2(scaled, wavelet, mode)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * abs(expected).max())


def test_muting_all_detail_leaves_haar_blocks() -> None:
    grey = picture(64, 96)
    muted = {(name, level): 0.0 for name in ("lh", "hl", "hh") for level in (1, 2)}
    blocks = grey.reshape(16, 4, 24, 4).mean(axis=(1, 3)).repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_allclose(rebuild(decompose(grey, levels=2), muted), blocks, rtol=1e-5)


def test_haar_by_hand() -> None:
    bands = decompose(np.array([[1, 2], [4, 8]], np.float32), levels=1)
    # (a + b + c + d) / 2; top less bottom; left less right; the diagonal difference.
    assert [float(band[0, 0]) for band in listed(bands)] == pytest.approx([7.5, -4.5, -2.5, 1.5], abs=1e-6)


def test_energy_is_kept_by_orthogonal_wavelets() -> None:
    grey = picture(256, 320)
    for wavelet in ("haar", "db4", "sym8"):
        bands = listed(decompose(grey, wavelet=wavelet, mode="periodization", levels=4))
        energy = sum(np.square(band, dtype=np.float64).sum() for band in bands)
        assert energy == pytest.approx(np.square(grey, dtype=np.float64).sum(), rel=1e-6)


def test_energies_are_mean_squares_of_the_bands() -> None:
    grey = picture(*ODD)
    energies = detail_energies(grey, levels=3, wavelet="db2")
    bands = decompose(grey, levels=3, wavelet="db2").details
    for energy, level in zip(energies, bands, strict=True):
        assert energy == pytest.approx([np.square(band, dtype=np.float64).mean() for band in level], rel=1e-6)


def test_a_view_with_steps_comes_apart_as_its_copy() -> None:
    view = picture(200, 200)[::2, ::-1]
    for ours, copied in zip(listed(decompose(view)), listed(decompose(view.copy())), strict=True):
        np.testing.assert_array_equal(ours, copied)


def test_wrong_arrays_names_and_gains_are_refused() -> None:
    grey = picture(64, 64)
    with pytest.raises(ValueError, match=r"\(H, W\) float32, got \(64, 64\) float64"):
        decompose(grey.astype(np.float64))
    with pytest.raises(ValueError, match="no discrete wavelet 'mexh'"):
        decompose(grey, wavelet="mexh")
    with pytest.raises(ValueError, match="no boundary mode 'mirror'; choose from symmetric"):
        decompose(grey, mode="mirror")
    with pytest.raises(ValueError, match="choose 1 to 6"):
        decompose(grey, levels=0)
    bands = decompose(grey, levels=2)
    with pytest.raises(ValueError, match=r"no band \('ll', 1\)"):
        rebuild(bands, {("ll", 1): 0.0})
    with pytest.raises(ValueError, match="finite number, got nan"):
        rebuild(bands, {("lh", 1): float("nan")})
