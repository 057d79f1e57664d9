"""Text from outside, made whole once, where it comes in: afterwards every file, table and answer can hold it."""

from __future__ import annotations

from typing import Any


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
