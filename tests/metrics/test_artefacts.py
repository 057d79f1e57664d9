"""Artefacts planted where their kind, period and place are known, and pictures that have none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from metrics.artefact_lines import line_profiles
from metrics.artefacts import Artefact, find_artefacts
from tests.metrics.test_effective_resolution import natural

PICTURE = natural(768, slope=-1.6).astype(np.float64)
Y, X = np.mgrid[:768, :768]


def found(mark: np.ndarray, picture: np.ndarray = PICTURE) -> dict[str, Artefact]:
    marked = np.clip(np.rint(picture + mark[..., None]), 0, 255).astype(np.uint8)
    artefacts = find_artefacts(marked)
    assert [artefact.kind for artefact in artefacts] == ["stripes", "grid", "seam"]
    for artefact in artefacts:
        assert 0 <= artefact.score <= 1
        assert artefact.found == (artefact.score >= 0.5)
    return {artefact.kind: artefact for artefact in artefacts}


def test_a_natural_picture_has_none() -> None:
    assert not any(artefact.found for artefact in found(np.zeros((768, 768))).values())


@pytest.mark.parametrize("period", [2.0, 3.6, 5.0, 8.0])
@pytest.mark.parametrize("direction", ["vertical", "horizontal"])
def test_stripes_are_found_with_their_period(period: float, direction: str) -> None:
    wave = 3 * np.cos(2 * np.pi * (X if direction == "vertical" else Y) / period)
    stripes = found(wave)["stripes"]
    assert stripes.found
    assert stripes.direction == direction
    assert stripes.period_px == pytest.approx(period, rel=0.03)


def test_stripes_of_one_part_are_found_there() -> None:
    wave = np.where((X >= 512) & (Y < 256), 4 * np.cos(2 * np.pi * X / 5), 0)
    stripes = found(wave)["stripes"]
    assert stripes.found
    assert stripes.place == (512, 0, 256, 256)


def test_crossed_stripes_are_both() -> None:
    stripes = found(3 * np.cos(2 * np.pi * X / 5) + 3 * np.cos(2 * np.pi * Y / 5))["stripes"]
    assert stripes.direction == "both"


@pytest.mark.parametrize("period", [16, 32])
def test_a_grid_of_lines_is_found_with_its_period_and_phase(period: int) -> None:
    lines = 2.0 * ((X % period == 5) | (Y % period == 3))
    grid = found(lines)["grid"]
    assert grid.found
    assert grid.period_px == period
    assert grid.direction == "both"
    assert not found(lines)["seam"].found


def test_cells_of_uneven_brightness_are_a_grid() -> None:
    cells = np.random.default_rng(0).normal(0, 6, (48, 48))
    grid = found(cells[Y // 16, X // 16])["grid"]
    assert grid.found
    assert grid.period_px == 16


def test_the_blocks_of_jpeg_are_named_but_not_accused() -> None:
    file = io.BytesIO()
    Image.fromarray(PICTURE.astype(np.uint8)).save(file, "JPEG", quality=40)
    grid = find_artefacts(np.asarray(Image.open(file).convert("RGB")))[1]
    assert not grid.found
    assert grid.period_px == 8
    assert "JPEG" in grid.sentence


@pytest.mark.parametrize("horizontal", [True, False])
@pytest.mark.parametrize("levels", [4, -4])
def test_a_seam_is_found_at_its_place(horizontal: bool, levels: int) -> None:
    seam = found(levels * ((Y if horizontal else X) >= 500).astype(np.float64))["seam"]
    assert seam.found
    assert seam.place == ((0, 499, 768, 2) if horizontal else (499, 0, 2, 768))
    assert seam.direction == ("horizontal" if horizontal else "vertical")
    assert seam.period_px is None
    assert "500" in seam.sentence


def test_a_jump_across_half_the_picture_is_no_seam() -> None:
    assert not found(8.0 * ((Y >= 500) & (X < 384)))["seam"].found


def test_more_of_a_mark_scores_higher() -> None:
    for kind, mark in (
        ("stripes", np.cos(2 * np.pi * X / 5)),
        ("grid", (X % 16 == 0).astype(np.float64)),
        ("seam", (Y >= 300).astype(np.float64)),
    ):
        scores = [found(levels * mark)[kind].score for levels in (0, 1, 3, 9)]
        assert scores == sorted(scores)
        assert scores[0] < 0.5 <= scores[-1]


def test_a_turned_picture_swaps_directions_only() -> None:
    mark = 4.0 * (Y >= 300)
    plain = find_artefacts(np.rint(np.clip(PICTURE + mark[..., None], 0, 255)).astype(np.uint8))
    turned = find_artefacts(
        np.ascontiguousarray(
            np.rint(np.clip(PICTURE + mark[..., None], 0, 255)).astype(np.uint8).swapaxes(0, 1)
        )
    )
    for one, other in zip(plain, turned, strict=True):
        assert one.score == pytest.approx(other.score, rel=1e-3, abs=1e-6)
    assert (plain[2].direction, turned[2].direction) == ("horizontal", "vertical")


def test_line_profiles_by_hand() -> None:
    step = np.where(np.arange(64)[:, None] >= 20, 110.0, 100.0).repeat(64, 1).astype(np.float32)
    rows, columns = line_profiles(step)
    # Entry i lies between rows i + 1 and i + 2: the step is in entry 18, half of it, the other way, beside it.
    np.testing.assert_allclose(rows.signed[:, 17:20], [[-5, 10, -5]] * 8, atol=1 / 16)
    assert np.flatnonzero(rows.jumps[0]).tolist() == [18]
    assert rows.jumps[0, 18] == 10
    assert not columns.jumps.any()


@pytest.mark.parametrize("level", [0, 255])
def test_a_flat_picture_is_clean_and_finite(level: int) -> None:
    for artefact in find_artefacts(np.full((128, 192, 3), level, np.uint8)):
        assert artefact.score == pytest.approx(0, abs=1e-6)


def test_the_smallest_and_a_long_picture_are_measured() -> None:
    for shape in ((64, 64, 3), (64, 1200, 3)):
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        assert not any(artefact.found for artefact in find_artefacts(noise))


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.zeros((63, 400, 3), np.uint8), "400 x 63 px"),
        (np.zeros((300, 300), np.uint8), r"\(300, 300\)"),
        (np.zeros((300, 300, 3), np.float32), "float32"),
    ],
)
def test_what_is_wrong_is_said(picture: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        find_artefacts(picture)
