from __future__ import annotations

import random
import re
from pathlib import Path

from finetune.micro.captions import (
    DEFAULTS,
    FORMS,
    HELD_OUT_FORMS,
    PLACE_WORDS,
    WORDS,
    caption,
    mirrored,
    place_words,
)
from finetune.micro.clip import KNOWN_PLACES, UNSAID, heard, labels
from finetune.micro.scenes.description import PLACES, known_scenes, random_scene


def test_a_complete_caption_names_terrain_time_and_sky() -> None:
    rng = random.Random(0)
    for seed in range(200):
        scene = random_scene(seed)
        words = caption(scene, rng, held_out=seed % 2 == 0, complete=True)
        for attribute in ("terrain", "time", "sky"):
            assert any(said in words for said in WORDS[attribute][getattr(scene, attribute)]), words


def test_nothing_dangles_where_a_part_is_left_unsaid() -> None:
    rng = random.Random(1)
    for seed in range(400):
        words = caption(random_scene(seed), rng)
        assert "  " not in words
        assert ",," not in words
        assert not words.endswith((",", "with", "over"))
        assert not words.startswith((",", "with ", "over "))


def test_held_out_forms_are_never_trained_on() -> None:
    assert not set(FORMS) & set(HELD_OUT_FORMS)


def test_a_mirrored_scene_swaps_sides_and_nothing_else() -> None:
    scene = random_scene(1, side="left")
    assert mirrored(scene).side == "right"
    assert mirrored(mirrored(scene)) == scene


def test_each_known_place_has_words_of_its_own() -> None:
    for terrain, seeds in PLACES.items():
        own = PLACE_WORDS[terrain]
        assert len(own) == len(seeds)
        words = [word for one in own for word in one]
        assert len(set(words)) == len(words)
        assert set(words) == set(WORDS["terrain"][terrain])
    assert place_words(random_scene(3)) == ()


def read_back(words: str) -> dict[str, object]:
    """The scene that a caption means, by its words alone; the longest of them first."""
    places = {
        word: (terrain, seed)
        for terrain, seeds in PLACES.items()
        for seed, own in zip(seeds, PLACE_WORDS[terrain], strict=True)
        for word in own
    }
    known = {word: ("place", place) for word, place in places.items()}
    for attribute in ("time", "sky"):
        for value, synonyms in WORDS[attribute].items():
            known |= dict.fromkeys(synonyms, (attribute, value))
    known |= {word: ("side", word) for word in ("left", "right")}
    known |= dict.fromkeys(("in the middle", "in the centre"), ("side", "centre"))
    known |= dict.fromkeys(("snow", "snowy", "winter"), ("snow", True))
    known |= dict.fromkeys(("lake", "still water"), ("lake", True))
    known |= dict.fromkeys(("autumn", "red and gold leaves"), ("autumn", True))
    found: dict[str, object] = {"snow": False, "lake": False, "autumn": False, **DEFAULTS}
    for word in sorted(known, key=len, reverse=True):
        words, count = re.subn(rf"\b{word}\b", "", words)
        if count:
            assert count == 1
            attribute, value = known[word]
            found[attribute] = value
    return found


def test_every_caption_means_its_scene_and_no_other() -> None:
    rng = random.Random(2)
    for scene in known_scenes():
        for held_out in (False, True):
            words = caption(scene, rng, held_out=held_out)
            meant = read_back(words)
            assert meant.pop("place") == (scene.terrain, scene.seed), words
            assert meant == {attribute: getattr(scene, attribute) for attribute in meant}, words


def test_the_benchmarks_prompts_speak_its_language() -> None:
    prompts = (
        (Path(__file__).parents[3] / "studio/benchmark/micro_prompts.txt").read_text("utf-8").splitlines()
    )
    assert len({str(read_back(prompt)["place"]) for prompt in prompts}) == 16, "all places"


def test_clip_is_asked_for_a_place_where_the_words_tell_it() -> None:
    scene = known_scenes()[0]
    assert labels(scene)[-1] == KNOWN_PLACES.index((scene.terrain, scene.seed))
    assert labels(random_scene(3))[-1] == UNSAID
    (word, *_) = place_words(scene)
    assert heard(scene, f"{word} at noon")[-1] == labels(scene)[-1]
    assert heard(scene, "noon")[-1] == UNSAID
