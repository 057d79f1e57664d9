"""JSON from outside: a file that a hand, another program or a full disk may have spoiled."""

from __future__ import annotations

import json
from typing import Any

from finetune.whole_text import whole


def parse_json(text: str | bytes) -> Any:
    """What it holds, with every text made whole. Raises ValueError for all that is no JSON, and for JSON nested
    deeper than Python can follow (a thousand brackets are enough)."""
    try:
        return whole(json.loads(text))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
