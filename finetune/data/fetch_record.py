"""How far a fetch from the hub has come, beside its pictures: `fetch.json`, and the lines of `metadata.jsonl`.

Not here: fetching (`finetune.data.hub_dataset`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.data.dataset import METADATA
from finetune.data.exclusions import write_json
from finetune.data.hub_stream import HubSource
from finetune.json_text import parse_json

RECORD = "fetch.json"
VERSION = 1
NO_TEXT = "none"
"""In place of a text column: fetch the pictures alone."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that gave no picture."""

    row: int
    """Counted from 0."""

    words: str
    """Why, in one sentence."""


@dataclass(frozen=True, slots=True)
class FetchRecord:
    """`fetch.json`."""

    source: HubSource
    """With the commit that the fetch began with."""

    image_column: str
    text_column: str | None
    rows: int = 0
    """Read so far, those without a picture among them."""

    state: Mapping[str, Any] | None = None
    """The stream's own, behind the last row."""

    skipped: tuple[Skipped, ...] = ()
    whole: bool = False
    """Whether the split was read to its end."""


def read_record(folder: Path) -> FetchRecord | None:
    """None for a folder without one. Raises ValueError for a damaged one."""
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        content = dict(parse_json(path.read_text(encoding="utf-8")))
        if content.pop("version") != VERSION:
            raise ValueError("it is of another version")
        content["source"] = HubSource(**content["source"])
        content["skipped"] = tuple(Skipped(**one) for one in content["skipped"])
        return FetchRecord(**content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}); fetch into a new folder") from error


def write_record(folder: Path, record: FetchRecord) -> None:
    """Whole or not at all."""
    write_json(folder / RECORD, {"version": VERSION, **asdict(record)})


def mend_metadata(folder: Path) -> list[str]:
    """The pictures that are listed; a last line that was cut off is taken away."""
    path = folder / METADATA
    if not path.is_file():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))
    return [str(parse_json(line)["file_name"]) for line in whole.decode("utf-8").split("\n")[:-1]]


def check_same(
    record: FetchRecord, source: HubSource, folder: Path, *, image_column: str | None, text_column: str | None
) -> None:
    """A folder goes on with what it began with. No revision is any; a branch may have moved since."""
    held, asked = record.source, source
    pairs = [
        ("dataset", held.hub_id, asked.hub_id),
        ("subset", held.subset, asked.subset),
        ("split", held.split, held.split if asked.split is None else asked.split),
    ]
    if image_column is not None:
        pairs.append(("picture column", record.image_column, image_column))
    if text_column is not None:
        held_text = NO_TEXT if record.text_column is None else record.text_column
        pairs.append(("text column", held_text, text_column))
    if asked.revision is not None and len(asked.revision) == 40:
        pairs.append(("revision", held.revision, asked.revision))
    for what, there, wanted in pairs:
        if there != wanted:
            raise ValueError(
                f"{folder} holds a fetch of the {what} {there}, and {wanted} was asked for; name a new folder"
            )
