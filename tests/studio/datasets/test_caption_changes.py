"""Changes of many captions at once: find and replace, affixes, a trigger word."""

from __future__ import annotations

import pytest

from studio.datasets.caption_changes import count_matches, replaced, with_affixes, with_trigger
from tests.studio.datasets.dataset_home import datasets as datasets
from tests.studio.datasets.dataset_home import root as root
from tests.studio.datasets.dataset_home import watch as watch
from tests.studio.datasets.dataset_home import workspace as workspace

# Captions in bulk


def test_find_and_replace() -> None:
    captions = {"a": "A sea, a Sea bird", "b": "  odd   spaces", "c": ""}
    assert replaced(captions, "sea", "lake", match_case=False) == {"a": "A lake, a lake bird"}
    assert replaced(captions, "sea", "lake", match_case=True) == {"a": "A lake, a Sea bird"}
    assert replaced({"a": "hill, misty, dawn"}, "misty", "", match_case=True) == {"a": "hill, dawn"}
    assert replaced({"a": "c:\\x.*"}, ".*", r"\1", match_case=True) == {"a": r"c:\x\1"}
    assert replaced(captions, "sea", "SEA", match_case=False) == {"a": "A SEA, a SEA bird"}
    assert count_matches(captions, "sea", match_case=True) == 1
    assert count_matches(captions, "", match_case=True) == 0
    with pytest.raises(ValueError, match="nothing to find"):
        replaced(captions, "", "x", match_case=True)


def test_affixes_are_added_once() -> None:
    captions = {"a": "a hill", "b": ""}
    once = with_affixes(captions, prefix="photo of", suffix=", 4k")
    assert once == {"a": "photo of a hill, 4k"}
    assert with_affixes(once, prefix="photo of", suffix=", 4k") == {}
    with pytest.raises(ValueError, match="nothing to add"):
        with_affixes(captions, prefix=" ", suffix="")


def test_a_trigger_word_goes_first_and_only_once() -> None:
    captions = {"a": "a hill", "b": "hills by SKS, dusk", "c": "sksy", "d": ""}
    assert with_trigger(captions, " sks ") == {"a": "sks, a hill", "c": "sks, sksy"}
    with pytest.raises(ValueError, match="trigger is empty"):
        with_trigger(captions, " , ")
