"""Power over frequency and direction: noise, waves, fractals whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from metrics.spectrum import angular_spectrum, power_ratio, radial_spectrum

RNG = np.random.default_rng(0)
WHITE = (128 + 10 * RNG.standard_normal((1100, 1100))).astype(np.float32)


def fractal(side: int, slope: float) -> np.ndarray:
    """Noise whose power falls as frequency to the `slope`."""
    spectrum = np.fft.rfft2(np.random.default_rng(1).standard_normal((side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    return np.fft.irfft2(spectrum * frequency ** (slope / 2), s=(side, side)).astype(np.float32)


def test_white_noise_has_its_variance_on_every_ring_and_no_slope() -> None:
    found = radial_spectrum(WHITE)
    np.testing.assert_allclose(found.power[20:], 100, rtol=0.25)
    assert found.power[5:].mean() == pytest.approx(100, rel=0.02)
    assert found.slope == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("slope", [-1.0, -2.0, -3.0])
def test_a_fractal_has_its_slope(slope: float) -> None:
    assert radial_spectrum(fractal(512, slope)).slope == pytest.approx(slope, abs=0.12)


def test_contrast_and_brightness_leave_the_slope() -> None:
    picture = fractal(256, -2)
    assert radial_spectrum(3 * picture + 70).slope == pytest.approx(radial_spectrum(picture).slope, abs=1e-4)


@pytest.mark.parametrize("shape", [(256, 256), (200, 333), (1100, 540)])
def test_a_wave_peaks_on_its_ring(shape: tuple[int, int]) -> None:
    wave = np.cos(2 * np.pi * 0.2 * np.arange(shape[1]))[None].repeat(shape[0], 0).astype(np.float32)
    found = radial_spectrum(wave)
    assert found.frequency[found.power.argmax()] == pytest.approx(0.2, abs=0.006)


@pytest.mark.parametrize(
    ("dy", "dx", "angle"), [(0.0, 0.2, 0.0), (0.2, 0.0, 90.0), (0.15, 0.15, 45.0), (0.15, -0.15, 135.0)]
)
def test_a_wave_stands_out_in_its_direction(dy: float, dx: float, angle: float) -> None:
    y, x = np.mgrid[:256, :256]
    found = angular_spectrum(np.cos(2 * np.pi * (dy * y + dx * x)).astype(np.float32))
    best = found.angle_deg[found.power.argmax()]
    assert min(abs(best - angle), abs(best - angle - 180), abs(best - angle + 180)) <= 2
    assert found.power.max() > 10


def test_noise_has_no_direction() -> None:
    power = angular_spectrum(WHITE).power
    assert power.min() > 0.7
    assert power.max() < 1.3


def test_a_turned_picture_swaps_its_directions() -> None:
    picture = np.cumsum(RNG.standard_normal((256, 256)), 1).astype(np.float32)
    plain, turned = angular_spectrum(picture).power, angular_spectrum(np.rot90(picture).copy()).power
    np.testing.assert_allclose(
        np.roll(turned, 45), plain, rtol=0.3, atol=0.02
    )  # bins meet at 0 and 90 degrees


def test_a_sum_of_squares_is_kept() -> None:
    # Parseval: a wave of amplitude 10 has a mean square of 50, wherever the window spreads it.
    wave = 10 * np.cos(2 * np.pi * 0.25 * np.arange(512))[None].repeat(512, 0).astype(np.float32)
    found = radial_spectrum(wave, num_rings=256)
    share = 2 * np.pi * found.frequency / 512  # of the plane, 1 x 1 cycles per pixel, that a ring covers
    assert (found.power * share).sum() == pytest.approx(50, rel=0.02)


def test_twice_the_contrast_is_six_decibels() -> None:
    picture = fractal(256, -2)
    ratio = power_ratio(radial_spectrum(2 * picture), radial_spectrum(picture))
    np.testing.assert_allclose(ratio, 20 * np.log10(2), atol=1e-3)
    wider = radial_spectrum(np.tile(picture, (2, 2)))  # other rings: compared where they overlap
    assert power_ratio(wider, radial_spectrum(picture)).shape == wider.frequency.shape


def test_a_flat_picture_is_finite() -> None:
    flat = np.full((64, 64), 255, np.float32)
    assert (
        radial_spectrum(flat).slope == pytest.approx(0, abs=1e-6) or radial_spectrum(flat).power.max() < 1e-6
    )
    assert np.isfinite(angular_spectrum(flat).power).all()


@pytest.mark.parametrize("shape", [(31, 200), (200, 31), (64, 64, 3)])
def test_too_small_or_coloured_is_refused(shape: tuple[int, ...]) -> None:
    for function in (radial_spectrum, angular_spectrum):
        with pytest.raises(ValueError, match="at least 32 px a side"):
            function(np.zeros(shape, np.float32))
