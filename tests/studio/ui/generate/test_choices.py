"""What a choice of model, size or example changes in the form of the Generate tab."""

from __future__ import annotations

import gradio as gr
import pytest

from studio.models.catalogue import CATALOGUE, ModelEntry
from studio.models.lookup import Gated, Offline
from studio.ui.generate.choices import choose_model, offer_models, pick_example, size_said
from studio.ui.generate.notes import STEPS, model_choices


def test_a_model_brings_its_own_defaults() -> None:
    advice, note = choose_model({"model": "micro-4k", "at": 5.5})
    assert advice == {"num_inference_steps": 14, "guidance_scale": 1.75, "coarse_first": 0.5, "at": 5.5}
    assert note
    advice, note = choose_model({"model": "no/such", "at": 5.5})
    assert advice is None
    assert "no/such" in note


def test_a_model_that_is_the_same_as_before_changes_nothing() -> None:
    assert choose_model(None) == (gr.skip(), gr.skip())


def test_the_size_that_will_be_drawn_is_said() -> None:
    assert "12.6 megapixels" in size_said("3072x4096", 512, 512)
    assert "512 × 1024" in size_said("custom", 512, 1024)
    assert "multiple" in size_said("custom", 1000, 1001)


def test_an_example_becomes_the_prompt() -> None:
    assert pick_example(gr.EventData(None, {"text": "the sea"})) == "the sea"


def test_the_model_list_says_what_is_to_be_done_first(monkeypatch: pytest.MonkeyPatch) -> None:
    bundled, *others = CATALOGUE
    troubles = dict(
        zip((entry.id for entry in others), (Gated("a"), Offline("b"), ValueError("c")), strict=False)
    )

    def checked(entry: ModelEntry) -> None:
        if entry.id in troubles:
            raise troubles[entry.id]

    monkeypatch.setattr("studio.ui.generate.notes.check_available", checked)
    choices = offer_models([]).choices
    steps = [(label.partition(" · ")[2], value) for label, value in choices]
    assert steps[0] == ("", bundled.id)
    assert [step for step, _ in steps] == sorted((step for step, _ in steps), key=STEPS.index)
    words = {value: step for step, value in steps}
    assert [words[name] for name in troubles] == ["licence to accept", "not here, offline", "damaged"]
    assert set(words.values()) == set(STEPS)


def test_a_model_list_that_is_as_it_was_is_not_sent_again() -> None:
    assert offer_models(model_choices()) == gr.skip()
