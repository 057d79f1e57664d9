"""The box of what was refused: empty, or told at once."""

from __future__ import annotations

from studio.ui.parts.refusal import NOTHING_REFUSED, build_refusal, refusal


def test_each_sentence_is_a_paragraph_of_one_alert_and_no_markup() -> None:
    said = refusal("a <b> is no picture; drop one", "so is this")
    assert said.count("role='alert'") == 1
    assert "<p class='warn'>a &lt;b&gt; is no picture; drop one</p><p class='warn'>so is this</p>" in said


def test_nothing_refused_leaves_the_box_empty() -> None:
    assert refusal() == NOTHING_REFUSED == build_refusal("somewhere").value == ""
