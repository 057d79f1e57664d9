"""What is compared: pictures, or two sets of them, and what is known of each so far. No widgets, no scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradio.data_classes import FileData

from finetune.named_paths import is_folder
from metrics.pictures import pictures_in
from studio.home.database import NotThere
from studio.home.roots import check_inside, named_path
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.settings_reader import read_settings
from studio.ui.compare.table import ScoredSet

MAX_PICTURES = 2000
"""Of one folder."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture that is compared."""

    key: str
    name: str
    path: Path
    record: dict[str, Any]
    picture: Picture | None = None
    """Its row in the gallery, if it has one."""


@dataclass(slots=True)
class Found:
    """What a comparison knows so far, by the items' keys."""

    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    raw_bytes: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def chosen_items(
    gallery: Gallery, keys: Sequence[str] | None, files: Sequence[str] | None
) -> tuple[list[Item], list[str]]:
    """(chosen pictures of the gallery, then dropped files; a sentence for each picture that is gone)

    Raises DatabaseTrouble where nobody can tell.
    """
    found, gone = [], []
    for key in keys or ():
        try:
            picture = gallery.get(key)
        except NotThere as error:
            gone.append(f"left out: {error}")
            continue
        found.append(Item(key, title_of(picture), picture.path, picture.record.to_dict(), picture))
    found += [Item(f"file-{name}", Path(name).name, Path(name), {}) for name in files or ()]
    return found, gone


def folder_sets(home: Path | None, first: str, second: str) -> list[list[Item]]:
    """Two folders, or none where none are named; `home` is None where nobody may name any.

    Raises ValueError for one that cannot be compared.
    """
    named = [text.strip() for text in (first or "", second or "") if text and text.strip()]
    if not named:
        return []
    if home is None:
        raise ValueError("folders are compared on your own machine only; choose pictures instead")
    if len(named) < 2:
        raise ValueError("one folder alone has nothing to be compared with; name the second one")
    sets = []
    for index, text in enumerate(named):
        folder = named_path(text)
        check_inside(folder, home=home)
        if not is_folder(folder):
            raise ValueError(f"{text} is no folder on this machine; name one that holds pictures")
        paths = list(pictures_in(folder))[:MAX_PICTURES]
        if len(paths) < 2:
            raise ValueError(f"{text} holds {len(paths)} pictures; a set needs at least two")
        sets.append([Item(f"{index}-{path}", path.name, path, {}) for path in paths])
    return sets


def thumbnail_of(item: Item) -> FileData | None:
    """Of a picture of the gallery."""
    return None if item.picture is None else FileData(path=str(item.picture.thumbnail_path))


def title_of(picture: Picture) -> str:
    """The start of its prompt and the end of its name."""
    words = picture.record.settings.prompt
    return f"{words[:40]}{'...' if len(words) > 40 else ''} · {picture.id[-6:]}"


def scored_sets(sets: Sequence[Sequence[Item]], found: Found, *, paired: bool) -> list[ScoredSet]:
    """What is known of each set; a pair of which one could not be read is left out whole."""
    places = list(range(max(len(one) for one in sets)))
    if paired:
        places = [i for i in places if all(found.scores.get(one[i].key) for one in sets)]
    known = [[one[i] for i in places if i < len(one) and found.scores.get(one[i].key)] for one in sets]
    return [
        ScoredSet(
            tuple(found.scores[item.key] for item in one), tuple(found.raw_bytes[item.key] for item in one)
        )
        for one in known
    ]


def set_names(sets: Sequence[Sequence[Item]]) -> list[str]:
    """The folders' names, with their parents' where those are equal."""
    folders = [one[0].path.parent for one in sets]
    if len({folder.name for folder in folders}) == len(folders):
        return [folder.name for folder in folders]
    return [f"{folder.parent.name}/{folder.name}" for folder in folders]


def record_of(item: Item) -> dict[str, Any]:
    """How a picture was made: from the gallery, or what its file holds; empty for a file that says nothing."""
    if item.record:
        return item.record
    try:
        found = read_settings(item.path)
        return {"settings": found.values} if found.record is None else found.record.to_dict()
    except ValueError:
        return {}


def farthest_pair(sets: Sequence[Sequence[Item]], scores: Mapping[str, float]) -> list[Item]:
    """The two pictures, of equal name or equal place, whose `scores`, by key, differ most."""
    by_name = {item.path.stem: item for item in sets[1]}
    pairs = [(item, by_name[item.path.stem]) for item in sets[0] if item.path.stem in by_name]
    if not pairs:
        pairs = list(zip(sets[0], sets[1], strict=False))

    def apart(pair: tuple[Item, Item]) -> float:
        ours, theirs = (scores.get(item.key) for item in pair)
        return -1.0 if ours is None or theirs is None else abs(ours - theirs)

    farthest: tuple[Item, Item] = max(pairs, key=apart)
    return list(farthest)
