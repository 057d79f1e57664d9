"""Steps across patch borders, suns and horizons: counted right where they were painted."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.micro.coherence import border_steps, count_discs, count_horizons
from finetune.micro.promises import Promise


def painted(side: int = 512) -> np.ndarray:
    """A sky over darker ground, each with a gentle slope."""
    rows = np.linspace(150, 120, side)
    rows[side * 6 // 10 :] -= 70
    return np.repeat(np.repeat(rows[:, None], side, 1)[..., None], 3, 2).astype(np.uint8)


def with_disc(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    side = len(picture)
    rows, columns = np.mgrid[:side, :side] / side
    picture = picture.copy()
    picture[np.hypot(rows - y, columns - x) < 0.03] = 250
    return picture


def test_a_picture_without_blocks_steps_alike_everywhere() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3)).astype(np.uint8)
    across, elsewhere = border_steps(noise, 32)
    assert across == pytest.approx(elsewhere, rel=0.1)


def test_blocks_step_at_their_borders_alone() -> None:
    levels = np.random.default_rng(1).integers(0, 256, (8, 8)).astype(np.uint8)
    blocks = np.repeat(np.kron(levels, np.ones((64, 64), np.uint8))[..., None], 3, 2)
    across, elsewhere = border_steps(blocks, 64)
    whole = levels.astype(float)
    steps = np.concatenate([np.abs(np.diff(whole, axis=axis)).ravel() for axis in (0, 1)])
    assert elsewhere == 0
    assert across == pytest.approx(steps.mean(), rel=1e-4)


def test_sides_that_hold_no_whole_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 64 px, got 96 x 64"):
        border_steps(np.zeros((64, 96, 3), np.uint8), 64)


@pytest.mark.parametrize("places", [[], [(0.3, 0.2)], [(0.3, 0.2), (0.7, 0.3)]])
def test_discs_are_counted_as_painted(places: list[tuple[float, float]]) -> None:
    picture = painted()
    for place in places:
        picture = with_disc(picture, *place)
    assert count_discs(picture) == len(places)


def test_a_ridge_of_light_is_no_disc() -> None:
    picture = painted()
    picture[100:112, 50:400] = 250
    assert count_discs(picture) == 0


def test_horizons_are_counted_as_painted() -> None:
    one = painted()
    assert count_horizons(one) == 1
    assert count_horizons(np.concatenate([one[::2], one[::2]])) == 3  # ground meets the second sky, too
    slope = np.fromfunction(lambda y, x, c: 140 - 70 * (y > 0.4 * x + 128), (512, 512, 3)).astype(np.uint8)
    assert count_horizons(slope) == 0


def test_a_promise_is_kept_between_its_bounds() -> None:
    assert Promise("a", 0.8, 0.8, 1.2).kept
    assert not Promise("a", 1.21, 0.8, 1.2).kept
    assert not Promise("a", 0.79, 0.8).kept
    assert not Promise("a", float("nan"), 0.8).kept
