"""Halves of letters end where they come in."""

from __future__ import annotations

import pytest

from finetune.whole_text import whole, whole_text
from studio.render_request import RenderRequest


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sea", "sea"),
        ("\ud83d\ude00", "\U0001f600"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00b", "\ufffdb"),
        ("caf\udce9", "caf\ufffd"),  # a byte of a command line that is no UTF-8
        ("\U0001f600 海", "\U0001f600 海"),
    ],
)
def test_halves_are_joined_or_replaced(text: str, wanted: str) -> None:
    assert whole_text(text) == wanted
    wanted.encode()


def test_everything_in_a_record() -> None:
    assert whole({"a\ud83d": ["\ude00", 1, None, {"b": "c"}]}) == {"a\ufffd": ["\ufffd", 1, None, {"b": "c"}]}


def test_a_request_holds_whole_text_alone() -> None:
    request = RenderRequest(prompt="sea \ud83d", num_inference_steps=4, guidance_scale=1.0, seed=1)
    assert request.prompt == "sea \ufffd"
