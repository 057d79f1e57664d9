"""Effective resolution: what was enlarged is seen as such, by how much, and what was not is left in peace."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from metrics.effective_resolution import effective_resolution
from metrics.resampling import SUMS, traces
from tests.metrics.backgrounds import background

SIDE = 720


def natural(side: int = SIDE, slope: float = -1.1, seed: int = 0) -> np.ndarray:
    """Noise whose amplitude falls as a power of frequency, as natural pictures' does, (side, side, 3) uint8."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    grey = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((side, side))) * frequency**slope, s=(side, side))
    grey = 128 + 40 * grey / grey.std()
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., None].repeat(3, 2)


def enlarged(pixels: np.ndarray, factor: float, kernel: Image.Resampling) -> np.ndarray:
    height, width = pixels.shape[:2]
    small = (round(width / factor), round(height / factor))
    shrunk = Image.fromarray(pixels).resize(small, Image.Resampling.LANCZOS)
    return np.asarray(shrunk.resize((width, height), kernel))


def as_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize("kernel", ["NEAREST", "BILINEAR", "BICUBIC", "LANCZOS"])
@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_enlarged_pictures_show_their_scale(kernel: str, factor: float) -> None:
    found = effective_resolution(enlarged(natural(), factor, Image.Resampling[kernel]))
    assert found.scale == pytest.approx(1 / factor, rel=0.02)
    assert not found.native
    assert found.width_px == found.height_px == pytest.approx(SIDE / factor, abs=8)
    assert found.cutoff == pytest.approx(found.scale / 2)


@pytest.mark.parametrize("factor", [1.25, 1.365, 1.5, 2.37, 5.3])
def test_any_factor_will_do(factor: float) -> None:
    found = effective_resolution(enlarged(natural(), factor, Image.Resampling.BICUBIC))
    assert found.scale == pytest.approx(round(SIDE / factor) / SIDE, rel=0.004)  # between whole bins, too


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_jpeg_and_noise_do_not_hide_it(factor: int) -> None:
    picture = enlarged(natural(), factor, Image.Resampling.BICUBIC)
    noise = np.random.default_rng(1).normal(0, 1, picture.shape)
    noisy = np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)
    for damaged in (as_jpeg(picture, 85), noisy):
        assert effective_resolution(damaged).scale == pytest.approx(1 / factor, rel=0.02)


@pytest.mark.parametrize("slope", [-0.8, -1.1, -1.6])
def test_natives_are_not_accused(slope: float) -> None:
    picture = natural(slope=slope)
    for native in (picture, as_jpeg(picture, 95), as_jpeg(picture, 85)):
        assert effective_resolution(native).native


def test_blur_and_patterns_are_not_enlarging() -> None:
    grey = gaussian_filter(natural()[..., 0].astype(np.float32), 1.2)
    assert effective_resolution(np.rint(grey).astype(np.uint8)[..., None].repeat(3, 2)).native
    y, x = np.mgrid[:480, :480]
    discs = np.where(np.hypot(x % 56 - 28, y % 56 - 28) < 22, 200, 60).astype(np.uint8)
    assert effective_resolution(discs[..., None].repeat(3, 2)).native


def test_white_noise_and_flat_pictures_are_native() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (480, 480, 3), dtype=np.uint8)
    assert effective_resolution(noise).native
    for level in range(1, 256, 23):  # rounding must leave nothing that looks like detail
        flat = effective_resolution(np.full((480, 480, 3), level, np.uint8))
        assert flat.native
        assert "too little detail" in flat.evidence


def test_a_spectrum_cut_off_without_copies_is_seen_by_its_cliff() -> None:
    grey = natural()[..., 0].astype(np.float64)
    frequency = np.abs(np.fft.fftfreq(SIDE))
    kept = (frequency[:, None] < 0.2) & (frequency[None] < 0.2)
    cut = np.fft.ifft2(np.fft.fft2(grey) * kept).real
    found = effective_resolution(np.clip(np.rint(cut), 0, 255).astype(np.uint8)[..., None].repeat(3, 2))
    assert found.scale == pytest.approx(0.4, rel=0.2)
    assert "stays down" in found.evidence


def test_a_turned_or_mirrored_picture_has_the_same_scale() -> None:
    picture = enlarged(natural(), 3, Image.Resampling.BICUBIC)
    for other in (np.rot90(picture), picture[::-1], picture[:, ::-1]):
        assert effective_resolution(np.ascontiguousarray(other)).scale == pytest.approx(1 / 3, rel=0.02)


def test_mirrored_frequencies_are_copies_only_where_enlarging_puts_them() -> None:
    along_x, along_y = traces(enlarged(natural(), 4, Image.Resampling.BILINEAR))
    for axis in (along_x, along_y):
        assert axis.coherence[60 - SUMS[0]] > 0.9
        assert axis.coherence[80 - SUMS[0]] < 0.15
        assert axis.sums[60 - SUMS[0]] == pytest.approx(0.25, abs=5e-4)


def test_noise_has_its_variance_in_the_traces() -> None:
    noise = np.random.default_rng(3).normal(128, 10, (480, 480))
    along_x, _ = traces(np.rint(noise).astype(np.uint8)[..., None].repeat(3, 2))
    # Neighbouring lines are averaged, which halves the variance.
    assert along_x.power[5:].mean() == pytest.approx(50, rel=0.03)


@pytest.mark.parametrize("name", ["licorice-l", "truchet-d", "symbolic-d"])
def test_real_renders_are_native_until_enlarged(name: str) -> None:
    crop = background(name)[1536:2304, 1536:2304]
    assert effective_resolution(np.ascontiguousarray(crop)).native
    assert effective_resolution(enlarged(crop, 4, Image.Resampling.BICUBIC)).scale == pytest.approx(
        0.25, rel=0.02
    )


def test_small_pictures_are_too_little_to_tell() -> None:
    found = effective_resolution(enlarged(natural(200), 4, Image.Resampling.NEAREST))
    assert found.native
    assert "too little to tell" in found.evidence


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.zeros((63, 400, 3), np.uint8), "400 x 63 px"),
        (np.zeros((300, 300), np.uint8), r"got \(300, 300\) uint8"),
        (np.zeros((300, 300, 3), np.float32), "float32"),
    ],
)
def test_what_is_wrong_is_said(picture: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        effective_resolution(picture)
