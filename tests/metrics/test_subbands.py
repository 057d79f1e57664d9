from __future__ import annotations

import numpy as np
import pytest

from metrics.subbands import detail_energies, luma


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
