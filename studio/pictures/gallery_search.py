"""What a search of the gallery looks at: the prompt, and what else people remember of a picture.

Not here: the rows (`studio.pictures.gallery`).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from finetune.whole_text import whole_text

Order = Literal["newest", "oldest", "largest", "smallest"]


class Narrowed(NamedTuple):
    """How a list is narrowed and ordered beyond a search; empty fields hold every picture."""

    order: Order = "newest"
    model: str = ""
    """Title of the model that drew it."""
    size: str = ""
    """Width and height in pixels, such as 4096x4096."""


class Listed(NamedTuple):
    """Which pictures a list holds: a word search, the starred ones alone, the trash instead of the rest."""

    search: str = ""
    starred_only: bool = False
    trashed: bool = False
    narrowed: Narrowed = Narrowed()

    @property
    def keys(self) -> tuple[str, ...]:
        """SQL of what the list is ordered by, every key downward; unknown orders raise ValueError."""
        if self.narrowed.order not in _KEYS:
            raise ValueError(f"order must be one of {', '.join(_KEYS)}, got {self.narrowed.order!r}")
        return (*_KEYS[self.narrowed.order], "id")


EVERY = Listed()


class Kinds(NamedTuple):
    """What there is to narrow a list to, each with its number of pictures."""

    models: tuple[tuple[str, int], ...]
    sizes: tuple[tuple[str, int], ...]


# Ids begin with the second they were made in, so the last key settles what the others leave open.
_KEYS: dict[Order, tuple[str, ...]] = {
    "newest": ("created_at",),
    "oldest": ("-created_at",),
    "largest": ("width_px * height_px", "created_at"),
    "smallest": ("-width_px * height_px", "created_at"),
}
MODEL = """(
  CASE WHEN json_valid(record) THEN coalesce(
    nullif(json_extract(record, '$.model.title'), ''), json_extract(record, '$.settings.model'), ''
  ) ELSE '' END
)"""
"""SQL of what a picture's model is called; empty where its record does not say or is damaged."""
SIZE = "(width_px || 'x' || height_px)"

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


def condition(listed: Listed) -> tuple[str, tuple[Any, ...]]:
    """(SQL over the table `pictures`, its values) that is true of the pictures of the list."""
    sought, words = search_condition(listed.search)
    parts = [f"trashed_at IS {'NOT ' if listed.trashed else ''}NULL", sought]
    values = list[Any](words)
    if listed.starred_only:
        parts.append("starred = 1")
    for column, wanted in ((MODEL, listed.narrowed.model), (SIZE, listed.narrowed.size)):
        if wanted:
            parts.append(f"{column} = ?")
            values.append(wanted)
    return " AND ".join(parts), tuple(values)


def search_condition(search: str) -> tuple[str, tuple[str, ...]]:
    """(SQL over the table `pictures`, its values): each word of `search` occurs in some fact, in any case.

    A size may be written 1024x1024 or 1024 × 1024; an empty search is true of every picture.
    """
    words = whole_text(search).casefold().replace(" × ", "x").replace("×", "x").split()
    return " AND ".join([f"instr({_FACTS}, ?) > 0"] * len(words) or ["TRUE"]), tuple(words)
