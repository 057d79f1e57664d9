"""Text from outside: made whole once, where it comes in, so that every file, table and answer can hold it; and short
enough for a sentence, where one names it."""

from __future__ import annotations

from typing import Any

_IN_A_SENTENCE = 80


def whole_text(text: str) -> str:
    """Halves of a letter ("surrogates") put together where they belong together, and replaced by U+FFFD where not.

    JSON and command lines can hold such halves; UTF-8, and so SQLite and a browser, cannot.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def whole(value: Any) -> Any:
    """The same of every text in what JSON can hold."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, dict):
        return {whole(key): whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return value


def shortened(text: str) -> str:
    """At most 80 characters of it."""
    return text if len(text) <= _IN_A_SENTENCE else f"{text[:_IN_A_SENTENCE]}…"


def told(value: object) -> str:
    """A value as Python writes it, shortened."""
    return shortened(repr(value))
