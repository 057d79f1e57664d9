"""What a search of the gallery looks at: the prompt, and what else people remember of a picture.

Not here: the rows (`studio.pictures.gallery`).
"""

from __future__ import annotations

from typing import NamedTuple

from finetune.whole_text import whole_text


class Listed(NamedTuple):
    """Which pictures a list holds: a word search, the starred ones alone, the trash instead of the rest."""

    search: str = ""
    starred_only: bool = False
    trashed: bool = False


EVERY = Listed()

_FACTS = """(
  search_text || ' ' || width_px || 'x' || height_px || ' ' || id || ' '
  || strftime('%Y-%m-%d', created_at, 'unixepoch', 'localtime') || ' '
  || CASE WHEN json_valid(record) THEN lower(
       ifnull(json_extract(record, '$.settings.seed'), '') || ' '
    || ifnull(json_extract(record, '$.settings.model'), '') || ' '
    || ifnull(json_extract(record, '$.model.title'), '') || ' '
    || ifnull(json_extract(record, '$.settings.negative_prompt'), '') || ' '
    || ifnull(json_extract(record, '$.imported_from'), '') || ' '
    || ifnull(json_extract(record, '$.adapters'), '')
  ) ELSE '' END
)"""
"""Prompt, size, id, day, seed, model, negative prompt, file it came from, LoRAs; of a damaged record the first four."""


def search_condition(search: str) -> tuple[str, tuple[str, ...]]:
    """(SQL over the table `pictures`, its values): each word of `search` occurs in some fact, in any case.

    A size may be written 1024x1024 or 1024 × 1024; an empty search is true of every picture.
    """
    words = whole_text(search).casefold().replace(" × ", "x").replace("×", "x").split()
    return " AND ".join([f"instr({_FACTS}, ?) > 0"] * len(words) or ["TRUE"]), tuple(words)
