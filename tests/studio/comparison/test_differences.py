"""Where pictures differ, and in which settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metrics.glcm import patch_scores
from studio.comparison.differences import (
    patch_values,
    settings_difference,
    where_they_differ,
    words_that_differ,
)
from studio.comparison.score_cache import ScoreCache

CALM = np.full((320, 256, 3), 100, np.uint8)


def disturbed(picture: np.ndarray, x: int, y: int) -> np.ndarray:
    found = picture.copy()
    found[y : y + 64, x : x + 64] = np.random.default_rng(0).integers(0, 255, (64, 64, 3))
    return found


@pytest.mark.parametrize(
    "metric",
    ["glcm_score", "glcm_contrast", "glcm_homogeneity", "energy_hh_1", "energy_lh_3", "compression_ratio"],
)
def test_the_disturbed_patch_is_found(metric: str) -> None:
    place = where_they_differ(CALM, disturbed(CALM, 128, 192), metric)
    assert (place.x, place.y, place.width, place.height) == (128, 192, 64, 64)
    assert place.first != place.second


def test_a_larger_picture_is_compared_at_the_same_relative_place() -> None:
    large = np.asarray(
        Image.fromarray(disturbed(CALM, 128, 192)).resize((512, 640), Image.Resampling.NEAREST)
    )
    place = where_they_differ(CALM, large, "glcm_score")
    assert (place.x, place.y) == (128, 192)


def test_patches_of_the_score_are_the_published_ones() -> None:
    picture = disturbed(CALM, 0, 64)
    np.testing.assert_array_equal(patch_values(picture, "glcm_score"), patch_scores(picture))


def test_a_picture_without_a_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="no patch of 64 px"):
        where_they_differ(CALM, CALM[:63], "glcm_score")


def test_settings_that_differ_come_first() -> None:
    records = [
        {
            "settings": {"prompt": "a sea", "seed": 1, "guidance_scale": 3.0},
            "model": {"title": "A"},
            "id": "x",
        },
        {
            "settings": {"prompt": "a sea", "seed": 2, "guidance_scale": 3.0},
            "model": {"title": "A"},
            "device": "cpu",
        },
    ]
    rows = settings_difference(records)
    assert [(row.name, row.values) for row in rows if row.differs] == [
        ("seed", ("1", "2")),
        ("device", ("", "cpu")),
    ]
    assert ("guidance scale", ("3", "3")) in [(row.name, row.values) for row in rows]
    assert "id" not in [row.name for row in rows]


def test_words_that_the_first_prompt_lacks_are_marked() -> None:
    assert words_that_differ("Mountains at dusk", "mountains, at dawn") == (
        ("mountains,", False),
        ("at", False),
        ("dawn", True),
    )


def test_scores_are_kept_until_the_file_changes(tmp_path: Path) -> None:
    cache, file = ScoreCache(tmp_path / "cache"), tmp_path / "a.png"
    file.write_bytes(b"one")
    cache.put(file, {"glcm_score": 0.5})
    cache.put(file, {"glcm_entropy": 4.0})
    assert cache.get(file, ("glcm_score", "glcm_entropy", "fid")) == {"glcm_score": 0.5, "glcm_entropy": 4.0}
    file.write_bytes(b"other")
    assert cache.get(file, ("glcm_score",)) == {}


def test_a_spoilt_note_is_no_score(tmp_path: Path) -> None:
    cache, file = ScoreCache(tmp_path / "cache"), tmp_path / "a.png"
    file.write_bytes(b"one")
    cache.put(file, {"glcm_score": 0.5})
    next((tmp_path / "cache").iterdir()).write_text("{")
    assert cache.get(file, ("glcm_score",)) == {}
    cache.put(file, {"glcm_score": 0.6})
    assert cache.get(file, ("glcm_score",)) == {"glcm_score": 0.6}
