from __future__ import annotations

import random

from finetune.micro.captions import FORMS, HELD_OUT_FORMS, WORDS, caption, mirrored
from finetune.micro.scenes.description import random_scene


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
