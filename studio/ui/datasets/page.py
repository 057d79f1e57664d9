"""One page of a dataset as the grid shows it: which pictures, in which words. No widgets, no changes."""

from __future__ import annotations

from collections import Counter
from typing import Literal, get_args

from gradio.data_classes import FileData

from finetune.whole_text import whole_text
from studio.datasets.crops import Wanted
from studio.datasets.rows import PictureRow
from studio.datasets.watch import DatasetWatch
from studio.ui.datasets.grid import DatasetCard, DatasetContent

PAGE = 60
"""Pictures of one page."""

Shelf = Literal["all", "trained", "left-out", "no-caption"]
SHELVES = get_args(Shelf)

REASONS = {
    "unreadable": ("unreadable", "Damaged, or no picture at all"),
    "too-small": ("too small", "They fill no crop at this resolution and are never scaled up"),
    "not-native": ("enlarged", "They hold less real detail than pixels"),
    "blurred": ("blurred", "Their sharpest part is soft at the trained size"),
    "duplicate": ("nearly the same", "The best of each group stays"),
    "no-caption": ("without caption", "Write one, or let a model write it"),
    "long-caption": ("caption too long", "No text encoder reads it whole"),
    "by-hand": ("by hand", "Left out by hand"),
}
WRITERS = {"original": "own", "hand": "hand"}


def page_content(watch: DatasetWatch, *, shelf: Shelf, search: str, page: int) -> DatasetContent:
    """What is on page `page` of those pictures, counted from 0; its thumbnails are asked for.

    Raises ValueError for a shelf that there is none of.
    """
    if shelf not in SHELVES:
        raise ValueError(f"unknown shelf {shelf!r}; reload the page")
    version = watch.version()  # before the rows: what changes while they are read is news again
    rows = watch.rows()
    shown = [row for row in rows if _is_on(row, shelf) and _speaks_of(row, search)]
    pages = max(1, -(-len(shown) // PAGE))
    page = min(max(0, page), pages - 1)
    here = shown[page * PAGE : (page + 1) * PAGE]
    scanned = watch.report is not None
    if scanned:
        watch.views.ask([Wanted(row.file_name, row.crop) for row in here if _can_be_drawn(row)])
    undo, message = "", watch.refused
    try:
        undo = watch.last_edit()
    except ValueError as error:
        message = message if message else f"{error}."
    return DatasetContent(
        source=whole_text(str(watch.root)),
        version=version,
        shelf=shelf,
        search=search,
        cards=tuple(_card(watch, row) for row in here),
        page=page,
        pages=pages,
        chips=_chips(rows, scanned=scanned),
        notes=_notes(watch),
        undo=undo,
        message=message,
        nothing=_nothing(shelf, search),
    )


def _card(watch: DatasetWatch, row: PictureRow) -> DatasetCard:
    wanted = Wanted(row.file_name, row.crop)
    thumbnail = watch.views.ready(wanted) if _can_be_drawn(row) else None
    words = "" if row.exclusion is None else row.exclusion.words
    if not words and row.facts is None:
        words = "Not scanned yet"
    elif not words and thumbnail is None:
        words = watch.views.error(wanted)
    facts = row.facts
    return DatasetCard(
        id=row.file_name,
        thumbnail=None if thumbnail is None else FileData(path=str(thumbnail)),
        caption=row.caption,
        caption_by=WRITERS.get(row.caption_by, row.caption_by),
        trained_size="" if row.crop is None else _size(*row.crop.size_px),
        picture_size=""
        if facts is None or facts.error is not None
        else _size(facts.width_px, facts.height_px),
        words=words,
        left_out=row.exclusion is not None,
        final=row.final,
        kept=row.kept,
    )


def _can_be_drawn(row: PictureRow) -> bool:
    return row.facts is not None and row.facts.error is None


def _is_on(row: PictureRow, shelf: Shelf) -> bool:
    if shelf == "trained":
        return row.exclusion is None
    if shelf == "left-out":
        return row.exclusion is not None
    return shelf == "all" or not row.caption


def _speaks_of(row: PictureRow, search: str) -> bool:
    """Whether every word of `search` is in its caption, its name or the reason why it is left out."""
    said = f"{row.caption} {row.file_name} {'' if row.exclusion is None else row.exclusion.words}".lower()
    return all(word in said for word in search.lower().split())


def _chips(rows: tuple[PictureRow, ...], *, scanned: bool) -> tuple[tuple[str, str, str], ...]:
    if not scanned:
        return (("pictures", str(len(rows)), "Not scanned yet"),)
    trained = [row for row in rows if row.exclusion is None]
    chips = [("to train on", f"{len(trained)}", f"Of {len(rows)} pictures")]
    sizes = Counter(row.crop.size_px for row in trained if row.crop is not None)
    chips += [
        (f"at {_size(*size)}", f"{count}", "Crops of this bucket") for size, count in sizes.most_common()
    ]
    reasons = Counter(row.exclusion.reason for row in rows if row.exclusion is not None)
    for reason, (words, hint) in REASONS.items():
        if count := sum(n for name, n in reasons.items() if name == reason):
            chips.append((words, f"{count}", f"Left out. {hint}"))
    return tuple(chips)


def _notes(watch: DatasetWatch) -> tuple[str, ...]:
    report = watch.report
    if report is None:
        return ()
    lone = [f"{name} is told of in a caption but is not there." for name in report.captions_without_picture]
    return (*report.notes, *lone)


def _nothing(shelf: Shelf, search: str) -> str:
    if search.strip():
        return f"No picture here speaks of “{search.strip()[:60]}”."
    if shelf == "no-caption":
        return "Every picture has a caption."
    if shelf == "left-out":
        return "Nothing is left out."
    return "Nothing is left to train on: look at what is left out, or choose a smaller resolution."


def _size(width_px: int, height_px: int) -> str:
    return f"{width_px} × {height_px}"
