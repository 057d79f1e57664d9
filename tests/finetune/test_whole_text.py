"""Halves of letters end where they come in."""

from __future__ import annotations

import pytest

from finetune.json_text import parse_json
from finetune.whole_text import shortened, told, whole, whole_text
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


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 3_000 + "1" + "}" * 3_000, b"\xff\xfe\xfd", "{", ""]
)
def test_json_that_is_none_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever json says
        parse_json(text)


def test_json_is_read_whole() -> None:
    assert parse_json('{"a": ["\\ud83d"]}') == {"a": ["\ufffd"]}


def test_what_stands_in_a_sentence_is_short() -> None:
    assert (shortened("a" * 80), shortened("a" * 81)) == ("a" * 80, "a" * 80 + "…")
    assert told("a" * 100) == "'" + "a" * 79 + "…"
    told("\ud83d").encode()
