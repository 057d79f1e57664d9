"""Layers as files: every code must give back its value, and rebuilding must be the exact inverse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pywt
from PIL import Image

from metrics.glcm_map import glcm_map
from metrics.subbands import luma
from studio.inspection.grey_files import COARSE_PX, GreyFile, shrunken, write_codes
from studio.inspection.layers import BandFile, Layers
from studio.inspection.opened import Opened, Subject
from tests.studio.inspection.conftest import codes, save

BANK = {"wavelet": "haar", "mode": "symmetric"}


def values(grey: GreyFile) -> np.ndarray:
    found = codes(grey.path)
    assert (grey.width, grey.height) == found.shape[::-1]
    return grey.low + (grey.high - grey.low) * found / 255


def named(bands: tuple[BandFile, ...]) -> dict[str, BandFile]:
    return {f"{found.band}{found.level}": found for found in bands}


@pytest.mark.parametrize("wavelet", ["haar", "db4", "bior2.2"])
def test_bands_hold_the_coefficients_of_pywavelets(
    layers: Layers, subject: Subject, pixels: np.ndarray, wavelet: str
) -> None:
    bands = named(layers.subbands(subject, wavelet=wavelet, mode="symmetric", levels=2))
    assert list(bands) == ["lh1", "hl1", "hh1", "lh2", "hl2", "hh2", "ll2"]
    coarse, level2, level1 = pywt.wavedec2(luma(pixels).astype(float), wavelet, "symmetric", level=2)
    expected = dict(zip(("lh1", "hl1", "hh1"), level1, strict=True))
    expected |= dict(zip(("lh2", "hl2", "hh2"), level2, strict=True)) | {"ll2": coarse}
    for name, found in bands.items():
        grey = found.grey
        step = (grey.high - grey.low) / 255
        inside = np.clip(expected[name], grey.low, grey.high)  # the far 0.1 % are clipped
        assert np.abs(values(grey) - inside).max() <= 0.51 * step, name
        assert (np.abs(inside - expected[name]) > 0).mean() < 0.005
        assert found.cell_px == 2**found.level


@pytest.mark.parametrize(
    ("wavelet", "mode"), [("haar", "symmetric"), ("sym8", "symmetric"), ("sym8", "periodization")]
)
def test_a_band_lies_where_its_detail_is(opened: Opened, tmp_path: Path, wavelet: str, mode: str) -> None:
    spot = np.full((128, 128, 3), 128, np.uint8)
    spot[58:66, 88:96] = np.random.default_rng(1).integers(0, 256, (8, 8, 3))
    subject = opened.open(save(tmp_path / "spot.png", spot))
    bands = named(Layers(opened).subbands(subject, wavelet=wavelet, mode=mode, levels=2))
    for name in ("hh1", "hh2", "lh2", "hl2"):
        found = bands[name]
        power = (values(found.grey) - (found.grey.low + found.grey.high) / 2) ** 2
        power[power < 0.05 * power.max()] = 0
        rows, columns = np.mgrid[: power.shape[0], : power.shape[1]]
        x = found.left_px + ((columns + 0.5) * power).sum() / power.sum() * found.cell_px
        y = found.left_px + ((rows + 0.5) * power).sum() / power.sum() * found.cell_px
        assert (x, y) == pytest.approx((92, 62), abs=1.5 * found.cell_px), name


def test_a_layer_is_made_once_and_again_when_its_file_is_gone(
    layers: Layers, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    real = layers._write_bands
    monkeypatch.setattr(layers, "_write_bands", lambda *a: made.append(a) or real(*a))
    first = layers.subbands(subject, **BANK, levels=1)
    assert layers.subbands(subject, **BANK, levels=1) is first
    assert len(made) == 1
    layers.subbands(subject, **BANK, levels=2)
    first[0].grey.path.unlink()
    again = layers.subbands(subject, **BANK, levels=1)
    assert len(made) == 3
    assert again[0].grey.path.is_file()


def test_a_map_spans_its_own_range(layers: Layers, subject: Subject, pixels: np.ndarray) -> None:
    shape = {"window_px": 32, "stride_px": 8, "offsets": ((0, 2),)}
    grey = layers.glcm_map(subject, measure="contrast", **shape)
    expected = glcm_map(pixels, properties=("contrast",), **shape)["contrast"]
    assert (grey.low, grey.high) == (expected.min(), expected.max())
    assert np.abs(values(grey) - expected).max() <= 0.51 * (grey.high - grey.low) / 255
    other = layers.glcm_map(subject, measure="contrast", **(shape | {"offsets": ((2, 0),)}))
    assert other.path != grey.path


def test_a_flat_picture_has_maps_and_bands(opened: Opened, tmp_path: Path) -> None:
    flat = opened.open(save(tmp_path / "flat.png", np.full((64, 64, 3), 7, np.uint8)))
    layers = Layers(opened)
    grey = layers.glcm_map(flat, measure="entropy", window_px=32, stride_px=16, offsets=((0, 1),))
    assert (grey.low, grey.high, codes(grey.path).max()) == (0, 0, 0)
    hh = named(layers.subbands(flat, **BANK, levels=1))["hh1"]
    assert np.abs(values(hh.grey)).max() < 0.01


def test_clipped_pixels(opened: Opened, tmp_path: Path) -> None:
    pixels = np.full((40, 40, 3), 100, np.uint8)
    pixels[0, 1, 2], pixels[2, 3, 0], pixels[4, 5] = 0, 255, (0, 255, 9)
    grey = Layers(opened).clipped(opened.open(save(tmp_path / "c.png", pixels)))
    found = codes(grey.path)
    assert (found[0, 1], found[2, 3], found[4, 5]) == (128, 255, 255)
    assert np.count_nonzero(found) == 3


def test_rebuilding_with_every_band_gives_the_picture_and_without_details_their_mean(
    layers: Layers, subject: Subject, pixels: np.ndarray
) -> None:
    same = layers.rebuilt(subject, **BANK, levels=2, gains={("hh", 1): 1.0})
    with Image.open(same) as image:
        assert np.array_equal(np.asarray(image), pixels)
    muted = {(band, 1): 0.0 for band in ("lh", "hl", "hh")}
    with Image.open(layers.rebuilt(subject, **BANK, levels=1, gains=muted)) as image:
        found = np.asarray(image).astype(float)
    mean = pixels.reshape(96, 2, 128, 2, 3).mean((1, 3))
    assert np.abs(found - mean.repeat(2, 0).repeat(2, 1)).max() <= 0.5 + 1e-3


def test_too_many_levels_are_refused(layers: Layers, subject: Subject) -> None:
    with pytest.raises(ValueError, match="levels need a grey picture"):
        layers.subbands(subject, **BANK, levels=8)


@pytest.mark.parametrize("shape", [(1280, 1280), (1281, 900), (641, 3)])
def test_a_shrunken_file_keeps_what_stands_out(shape: tuple[int, int]) -> None:
    signed, mask = np.full(shape, 128, np.uint8), np.zeros(shape, np.uint8)
    signed[-1, -1], signed[0, 0], mask[-1, -1] = 3, 255, 128
    small = shrunken(signed, "farthest")
    factor = 2 ** int(np.ceil(np.log2(max(shape) / COARSE_PX)))
    assert small.shape == tuple(-(-side // factor) for side in shape)
    assert (small[0, 0], small[-1, -1]) == (255, 3)
    assert set(np.unique(small)) == {3, 128, 255}
    assert shrunken(mask, "largest")[-1, -1] == 128
    assert shrunken(signed, "mean").mean() == pytest.approx(128, abs=0.2)


def test_large_bands_have_a_shrunken_file_and_small_ones_none(
    layers: Layers, opened: Opened, tmp_path: Path
) -> None:
    path = tmp_path / "large.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (1400, 1400, 3), np.uint8)).save(path)
    bands = layers.subbands(opened.open(path), wavelet="haar", mode="symmetric", levels=2)
    for found in bands:
        if found.level == 1:
            assert found.grey.coarse is not None
            with Image.open(found.grey.coarse) as coarse, Image.open(found.grey.path) as whole:
                assert (whole.size, coarse.size) == ((700, 700), (350, 350))
                assert np.array_equal(np.asarray(coarse), shrunken(np.asarray(whole), "farthest"))
        else:
            assert found.grey.coarse is None


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (650, 5)])
def test_a_grey_file_is_a_png_that_any_reader_takes(tmp_path: Path, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for name, wanted in (
        ("noise", rng.integers(0, 256, shape, np.uint8)),
        ("flat", np.full(shape, 7, np.uint8)),
    ):
        found = write_codes(tmp_path / f"{name}.png", wanted, 0, 255, "mean")
        with Image.open(found.path) as image:
            image.verify()  # checksums too
        assert np.array_equal(codes(found.path), wanted)
        assert found.path.stat().st_size < 1.1 * wanted.size + 200
        assert (found.coarse is None) == (max(shape) <= COARSE_PX)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_shrinking_finds_the_extremes_of_every_cell(factor: int) -> None:
    side = COARSE_PX * factor
    whole = np.random.default_rng(factor).integers(0, 256, (side, 64), np.uint8)
    cells = whole.reshape(side // factor, factor, 64 // factor, factor)
    assert np.array_equal(shrunken(whole, "largest"), cells.max((1, 3)))
    high, low = cells.max((1, 3)).astype(int), cells.min((1, 3)).astype(int)
    assert np.array_equal(shrunken(whole, "farthest"), np.where(high + low > 255, high, low))
