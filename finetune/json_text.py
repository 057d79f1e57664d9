"""JSON from outside: a file that a hand, another program or a full disk may have spoiled."""

from __future__ import annotations

import json
from typing import Any

from finetune.whole_text import whole

_LONGEST = 300  # digits: of more than 308 there is no float, and whoever compares with one fails


def parse_json(text: str | bytes) -> Any:
    """What it holds, with every text made whole; a whole number beyond floats becomes infinite, which no setting is.

    Raises ValueError for all that is no JSON, and for JSON nested deeper than Python can follow (a thousand brackets
    are enough).
    """
    try:
        return whole(json.loads(text, parse_int=_number))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _number(text: str) -> float:
    return int(text) if len(text) <= _LONGEST else float(text)
