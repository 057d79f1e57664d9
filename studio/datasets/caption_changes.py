"""Changes to many captions at once, as plain text in and out: find and replace, prefix, suffix, trigger word."""

from __future__ import annotations

import re
from collections.abc import Mapping


def replaced(captions: Mapping[str, str], find: str, replace: str, *, match_case: bool) -> dict[str, str]:
    """File name -> new caption, of those captions that hold `find`, word for word; spaces are tidied up.

    Raises ValueError where `find` is empty.
    """
    if not find:
        raise ValueError("there is nothing to find; write the words that are to be replaced")
    pattern = re.compile(re.escape(find), 0 if match_case else re.IGNORECASE)
    held = {name: text for name, text in captions.items() if pattern.search(text)}
    changed = {name: _tidy(pattern.sub(lambda _: replace, text)) for name, text in held.items()}
    return {name: text for name, text in changed.items() if text != captions[name]}


def count_matches(captions: Mapping[str, str], find: str, *, match_case: bool) -> int:
    """Captions that hold `find`."""
    if not find:
        return 0
    pattern = re.compile(re.escape(find), 0 if match_case else re.IGNORECASE)
    return sum(pattern.search(text) is not None for text in captions.values())


def with_affixes(captions: Mapping[str, str], *, prefix: str, suffix: str) -> dict[str, str]:
    """File name -> new caption, of those that do not begin or end so already; empty ones stay empty.

    A word is set off by a space unless the prefix ends, or the suffix begins, in a space or punctuation.
    """
    if not prefix.strip() and not suffix.strip():
        raise ValueError("there is nothing to add; write a prefix or a suffix")
    changed = {}
    for name, text in captions.items():
        new = text
        if text and prefix.strip() and not text.startswith(prefix.strip()):
            new = f"{prefix.strip()} {new}"
        if text and suffix.strip() and not text.endswith(suffix.strip()):
            gap = "" if re.match(r"[,.;:!?]", suffix.strip()) else " "
            new = f"{new.rstrip()}{gap}{suffix.strip()}"
        if new != text:
            changed[name] = new
    return changed


def with_trigger(captions: Mapping[str, str], trigger: str) -> dict[str, str]:
    """File name -> "trigger, caption", of those that do not hold the word yet; an empty caption stays empty."""
    word = " ".join(trigger.split()).strip(",")
    if not word:
        raise ValueError("the trigger is empty; write a rare word, such as sks or in-my-style")
    held = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    return {n: f"{word}, {text}" for n, text in captions.items() if text and not held.search(text)}


def _tidy(text: str) -> str:
    """What a deletion leaves behind: no doubled spaces, no comma at an end."""
    return re.sub(r"\s*,(\s*,)+", ",", " ".join(text.split())).strip(" ,")
