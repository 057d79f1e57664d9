"""A dataset of the hub becomes a folder in the Aesthetic-4K layout: pictures, and `metadata.jsonl` beside them.

Pictures keep the bytes that they were uploaded with. Each is on disk with its line before the next is asked for, so
that a kill loses at most the one under way, and starting again goes on behind the last (arXiv 2503.18352, section 4,
for the layout). What was asked for, where the stream stands and what was left out stand in `fetch.json`.
No torch. Not here: the network (`finetune.data.hub_stream`), judging the pictures (`finetune.data.scan`).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import Image, UnidentifiedImageError

from finetune.data.dataset import METADATA
from finetune.data.fetch_record import (
    NO_TEXT,
    FetchRecord,
    Skipped,
    check_same,
    mend_metadata,
    read_record,
    write_record,
)
from finetune.data.hub_stream import HubSource, Row, Stream, open_stream
from finetune.data.picture_facts import MAX_MEGAPIXELS, OnProgress
from finetune.whole_files import part_of
from metrics.pictures import read_picture

TEXT_COLUMNS = ("text", "caption", "prompt", "description", "txt")
"""Where captions usually stand, the likeliest first."""

MAX_FAILURES = 50  # one after the other: then it is the dataset
SPARE_BYTES = 512 * 2**20
"""What a fetch leaves free on the disk."""

_KINDS = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp", "TIFF": ".tif"}
_LOOKED_AT = (
    "PNG",
    "JPEG",
    "WEBP",
    "TIFF",
    "GIF",
    "BMP",
)  # no other reader of Pillow's sees a stranger's file
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}  # else a caption could end its line


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """What is taken of a dataset's rows."""

    image_column: str | None = None
    """None: the first that holds pictures."""

    text_column: str | None = None
    """None: the first of TEXT_COLUMNS that there is; NO_TEXT: no captions."""

    max_pictures: int | None = None
    """In the folder, in the end; None for all."""

    def __post_init__(self) -> None:
        if self.max_pictures is not None and self.max_pictures < 1:
            raise ValueError(f"at least 1 picture is fetched, got {self.max_pictures}; leave it out for all")


@dataclass(frozen=True, slots=True)
class FetchReport:
    """How far a fetch came."""

    folder: Path
    pictures: int
    skipped: tuple[Skipped, ...]
    whole: bool
    """Whether the split was read to its end."""

    stopped: bool
    """Whether `on_progress` asked for it."""

    def words(self) -> str:
        """One line, such as "24 pictures, the whole split; 1 row left out, the last one: Row 3: ..."."""
        if self.stopped:
            how = "stopped; start again to go on"
        else:
            how = "the whole split" if self.whole else "as many as were asked for"
        words = f"{self.pictures} {'picture' if self.pictures == 1 else 'pictures'}, {how}"
        if self.skipped:
            rows = "row" if len(self.skipped) == 1 else "rows"
            last = self.skipped[-1]
            words += f"; {len(self.skipped)} {rows} left out, the last one: row {last.row}, {last.words}"
        return words


def fetch_dataset(
    source: HubSource,
    folder: Path,
    settings: FetchSettings,
    *,
    on_progress: OnProgress,
    opener: Callable[[HubSource], Stream] = open_stream,
    free_bytes: Callable[[Path], int] | None = None,
) -> FetchReport:
    """Stream `source` into `folder`, going on where an earlier fetch of the same was cut, at the version it began with.

    Args:
        on_progress: Told (pictures here, pictures to come to or 0) after each; False stops.
        opener: Opens the stream.
        free_bytes: Of the disk of a folder, which may not be there yet; asked before each picture.

    Raises:
        ValueError: the folder holds something else, no such column, or no room on the disk. What is here stays.
        Exception: the hub's and the network's, as they come. What is here stays.
    """
    free = _free_bytes if free_bytes is None else free_bytes
    record = read_record(folder)
    if record is not None:
        check_same(
            record,
            source,
            folder,
            image_column=settings.image_column,
            text_column=settings.text_column,
        )
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty and holds no fetch; name a new folder")
    names = mend_metadata(folder)
    limit = settings.max_pictures
    if record is not None and (record.whole or (limit is not None and len(names) >= limit)):
        return FetchReport(folder, len(names), record.skipped, record.whole, stopped=False)
    stream = opener(source if record is None else record.source)
    if record is None:
        image_column, text_column = choose_columns(stream, settings)
        _check_room(stream, folder, limit, free)
        record = FetchRecord(stream.source, image_column, text_column)
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder, record)
    goal = _goal(stream.num_rows, limit)
    if not on_progress(len(names), goal):
        return FetchReport(folder, len(names), record.skipped, whole=False, stopped=True)
    rows, skipped, stopped, whole = record.rows, list(record.skipped), False, True
    for row in stream.rows(record.image_column, record.text_column, record.state):
        found = _known(names, rows)
        if found is None:  # else the kill came between the line and the record
            _require_room(folder, 0 if row.content is None else len(row.content), free)
            words = _keep(folder, rows, row, names)
            if words is not None:
                skipped.append(Skipped(rows, words))
                _check_worth(folder, skipped)
        rows += 1
        record = replace(record, rows=rows, state=row.state, skipped=tuple(skipped))
        write_record(folder, record)
        stopped = not on_progress(len(names), goal)
        if stopped or (limit is not None and len(names) >= limit):
            whole = False
            break
    if whole:
        write_record(folder, replace(record, whole=True))
    return FetchReport(folder, len(names), tuple(skipped), whole, stopped)


def choose_columns(stream: Stream, settings: FetchSettings) -> tuple[str, str | None]:
    """(picture column, text column or None). Raises ValueError, with the columns there are, where one is missing."""
    hub_id, there = stream.source.hub_id, ", ".join(stream.columns)
    if not stream.image_columns:
        raise ValueError(f"{hub_id} has no column of pictures, only {there}; choose a dataset of pictures")
    image = stream.image_columns[0] if settings.image_column is None else settings.image_column
    if image not in stream.image_columns:
        raise ValueError(
            f"{hub_id} has no pictures in a column {image!r}; name one of {', '.join(stream.image_columns)}"
        )
    if settings.text_column == NO_TEXT:
        return image, None
    wanted = TEXT_COLUMNS if settings.text_column is None else (settings.text_column,)
    for name in wanted:
        if name in stream.text_columns:
            return image, name
    named = "text column of a usual name" if settings.text_column is None else f"text column {wanted[0]!r}"
    texts = f"one of {', '.join(stream.text_columns)}, or " if stream.text_columns else ""
    raise ValueError(
        f"{hub_id} has no {named}, its columns are {there}; name {texts}{NO_TEXT} to fetch pictures alone"
    )


def _keep(folder: Path, number: int, row: Row, names: list[str]) -> str | None:
    """Write one picture and its line; returns why not, or None."""
    if row.content is None:
        return "it has no picture"
    part = part_of(folder / f"{number:06d}")  # hidden: no scan takes it for a picture
    try:
        _to_disk(part, row.content)
        try:
            with Image.open(part, formats=_LOOKED_AT) as image:
                kind = image.format
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
            return f"{_called(row)} is no picture that can be read"
        if kind not in _KINDS:
            return f"{_called(row)} is {kind}, and PNG, JPEG, WebP and TIFF are read"
        name = f"{number:06d}{_KINDS[kind]}"
        try:
            read_picture(part, max_megapixels=MAX_MEGAPIXELS)
        except ValueError as error:
            return str(error).replace(part.name, _called(row))
        os.replace(part, folder / name)
    finally:
        part.unlink(missing_ok=True)
    line = {"file_name": name, "text": "" if row.text is None else row.text, "source": row.name}
    text = json.dumps(line, ensure_ascii=False).translate(_LINE_ENDS) + "\n"
    _to_disk(folder / METADATA, text.encode(), mode="ab")
    names.append(name)
    return None


def _check_worth(folder: Path, skipped: Sequence[Skipped]) -> None:
    """A dataset whose every row fails is not read to its end."""
    last = skipped[-MAX_FAILURES:]
    if len(last) == MAX_FAILURES and last[-1].row - last[0].row == MAX_FAILURES - 1:
        raise ValueError(
            f"{MAX_FAILURES} rows one after the other gave no picture, the last one so: {last[-1].words}; "
            f"fetch another dataset, {folder} keeps what came"
        )


def _called(row: Row) -> str:
    return row.name if row.name else "its picture"


def _known(names: Sequence[str], number: int) -> str | None:
    """Its name where row `number` is here already: only the last line can be ahead of the record."""
    return names[-1] if names and names[-1].startswith(f"{number:06d}.") else None


def _check_room(stream: Stream, folder: Path, limit: int | None, free: Callable[[Path], int]) -> None:
    """Where all is asked for and the hub says how much that is."""
    if limit is None and stream.num_bytes is not None and stream.num_bytes + SPARE_BYTES > free(folder):
        raise ValueError(
            f"{stream.source.hub_id} takes up to {stream.num_bytes / 1e9:.1f} GB and the disk of {folder} has "
            f"{free(folder) / 1e9:.1f} GB left; free some, or fetch fewer pictures"
        )


def _require_room(folder: Path, needed: int, free: Callable[[Path], int]) -> None:
    if needed + SPARE_BYTES > free(folder):
        raise ValueError(
            f"the disk of {folder} is full, {free(folder) / 1e6:.0f} MB are left; free some space and start again, "
            "what is here stays"
        )


def _goal(num_rows: int | None, limit: int | None) -> int:
    """Pictures to come to; 0 where nobody knows."""
    known = [number for number in (num_rows, limit) if number is not None]
    return min(known) if known else 0


def _free_bytes(folder: Path) -> int:
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    return shutil.disk_usage(there).free


def _to_disk(path: Path, content: bytes, mode: Literal["wb", "ab"] = "wb") -> None:
    try:
        with path.open(mode) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written ({error.strerror}); free some space or check rights, then start again"
        ) from error
