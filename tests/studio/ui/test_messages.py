from __future__ import annotations

import gradio as gr
import pytest

from studio.queue.job import Progress
from studio.ui.generate.notes import plain_text, size_note
from studio.ui.generate.sizes import CUSTOM, PRESETS, preset_of, preset_size
from studio.ui.messages import kept_together, progress_sentence, short_seconds, shows_errors


def test_progress_reads_as_one_sentence() -> None:
    progress = Progress("denoising", 5, 16, 1.4, 12.0)
    assert progress_sentence(progress) == "denoising, step 5 of 16, 1.4 s per step, 12 s left"


def test_a_stage_without_steps_is_only_named() -> None:
    assert progress_sentence(Progress("decoding", 0, 1, None, None)) == "decoding"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.456, "0.46 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (4800, "1 h 20 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert short_seconds(seconds) == words


def test_a_value_error_is_shown_in_its_own_words_and_nothing_else_is_hidden() -> None:
    @shows_errors
    def refuse(number: int) -> int:
        if number == 0:
            raise ValueError("zero; give another number")
        return 1 // (number - 1)

    assert refuse(2) == 1
    with pytest.raises(gr.Error, match="zero; give another number"):
        refuse(0)
    with pytest.raises(ZeroDivisionError):
        refuse(1)


@pytest.mark.parametrize("value", [value for _, value in PRESETS if value != CUSTOM])
def test_a_preset_is_found_again_by_its_size(value: str) -> None:
    assert preset_of(*preset_size(value)) == value


def test_an_unlisted_size_is_custom() -> None:
    assert preset_of(1024, 1056) == CUSTOM


def test_the_size_note_counts_megapixels_or_explains() -> None:
    assert "16.8 megapixels" in size_note(4096, 4096)
    assert "multiple of 32" in size_note(1000, 1024)
    assert "give a width" in size_note(None, 1024)


def test_text_cannot_become_markup() -> None:
    assert plain_text("<img src=x> *a*") == "&lt;img src=x&gt; \\*a\\*"


def test_a_number_and_its_unit_stay_on_one_line() -> None:
    text = kept_together("about 57 s · 3.4 GB of memory · 4096 × 4096 px")
    assert text.split(" ") == [
        "about",
        "57\xa0s",
        "·",
        "3.4\xa0GB",
        "of",
        "memory",
        "·",
        "4096",
        "×",
        "4096\xa0px",
    ]
