"""One damaged picture among whole ones: it is shown as damaged or named, and nothing else suffers."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.gallery_search import EVERY, Listed, Narrowed, Order
from studio.ui.parts.grid.picture_grid import grid_content
from tests.studio.ui.conftest import add_picture

Damage = Callable[[Gallery, Picture], object]


def _row(column: str, value: object) -> Damage:
    def spoil(gallery: Gallery, picture: Picture) -> None:
        with closing(sqlite3.connect(gallery.workspace.database)) as table, table:
            table.execute(f"UPDATE pictures SET {column} = ? WHERE id = ?", (value, picture.id))

    return spoil


def _record(**values: object) -> Damage:
    """The row's record as it is, with other values."""

    def spoil(gallery: Gallery, picture: Picture) -> None:
        _row("record", json.dumps(picture.record.to_dict() | values))(gallery, picture)

    return spoil


def _without_views(spoil: Callable[[Path], object]) -> Damage:
    """The master spoilt, and nothing left that was made of it."""

    def spoil_all(_gallery: Gallery, picture: Picture) -> None:
        for view in (picture.preview_path, picture.thumbnail_path):
            view.unlink()
        spoil(picture.path)

    return spoil_all


def _instead(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def spoil(path: Path) -> None:
        path.unlink()
        make(path)

    return spoil


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def _giant(path: Path) -> None:
    """A header of 60,000 x 60,000 px."""
    content = bytearray(path.read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    path.write_bytes(content)


def _thumbnail(make: Callable[[Path], object]) -> Damage:
    return lambda _gallery, picture: _instead(make)(picture.thumbnail_path)


def _preview(make: Callable[[Path], object]) -> Damage:
    return lambda _gallery, picture: _instead(make)(picture.preview_path)


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


LISTED: dict[str, Damage] = {
    "record null": _row("record", "null"),
    "record a list": _row("record", "[1]"),
    "record cut off": _row("record", '{"settings": {"pro'),
    "record a number": _row("record", 7),
    "record of bytes": _row("record", b"\xff\xfe\x00\x01"),
    "record nested deeply": _row("record", "[" * 100_000),
    "record of another version": _record(settings={"prompt": "x", "from": "the future"}),
    "half a letter in the prompt": _row("search_text", "sea \ufffd"),
    "width in words": _row("width_px", "wide"),
    "width of bytes": _row("width_px", b"\x00\xff"),
    "width below nothing": _row("width_px", -4096),
    "height of a fraction": _row("height_px", 12.5),
    "time in words": _row("created_at", "yesterday"),
    "time of bytes": _row("created_at", b"\x01"),
    "star in words": _row("starred", "very"),
    "master gone": _without_views(Path.unlink),
    "master cut off": _without_views(_cut),
    "master empty": _without_views(lambda path: path.write_bytes(b"")),
    "master of another kind": _without_views(lambda path: path.write_text("<svg/>")),
    "master a folder": _without_views(_instead(Path.mkdir)),
    "master a pipe": _without_views(_instead(os.mkfifo)),
    "master a link to itself": _without_views(_instead(_loop)),
    "master a link to nothing": _without_views(_instead(_to_nothing)),
    "master of 3,600 megapixels": _without_views(_giant),
    "a folder for its thumbnail": _thumbnail(Path.mkdir),
    "a link to itself for its thumbnail": _thumbnail(_loop),
    "a folder for its preview": _preview(Path.mkdir),
    "a pipe for its preview": _preview(os.mkfifo),
}
NAMED: dict[str, Damage] = {
    "name of bytes": _row("id", b"\xff\xfe"),
    "in the trash since a word": _row("trashed_at", "yesterday"),
}


@pytest.mark.parametrize("spoil", LISTED.values(), ids=LISTED)
def test_it_is_shown_and_can_be_thrown_away(workspace: Workspace, spoil: Damage) -> None:
    gallery, whole, bad = _three(workspace)
    spoil(gallery, bad)
    for opened in opened_twice(gallery, whole):
        shown = {picture.id: picture for picture in grid_content(opened, EVERY, limit=9).pictures}
        assert sorted(shown) == sorted([*whole, bad.id])
        with Image.open(shown[bad.id].thumbnail.path) as image:
            image.load()
        with Image.open(opened.get(bad.id).preview_path) as image:
            image.load()
    assert Gallery(workspace).trash([bad.id]) == 1
    gallery.empty_trash()
    assert_whole(Gallery(workspace), whole)


@pytest.mark.parametrize("spoil", NAMED.values(), ids=NAMED)
def test_what_cannot_be_shown_takes_nothing_along(workspace: Workspace, spoil: Damage) -> None:
    gallery, whole, bad = _three(workspace)
    spoil(gallery, bad)
    for opened in opened_twice(gallery, whole):
        for listed in (EVERY, Listed(starred_only=True), Listed(trashed=True)):
            grid_content(opened, listed, limit=9)
            for order in get_args(Order):
                opened.pictures(listed._replace(narrowed=Narrowed(order)))


STRAYS: dict[str, Callable[[Path], object]] = {
    "hello.png": lambda path: path.write_bytes(b"hello"),
    "empty.png": Path.touch,
    "folder.png": Path.mkdir,
    "pipe.png": os.mkfifo,
    "itself.png": _loop,
    "nothing.png": _to_nothing,
    "of noise.png": lambda path: Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(path),
    "a\nline.png": lambda path: path.write_bytes(b"\x89PNG"),
    "'\"<b>.png": lambda path: path.write_bytes(b"\x89PNG"),
    f"{'x' * 240}.png": lambda path: path.write_bytes(b"\x89PNG"),
    os.fsdecode(b"caf\xe9.png"): lambda path: path.write_bytes(b"\x89PNG"),
}


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_is_named_and_the_others_are_taken_up(workspace: Workspace, name: str) -> None:
    _, whole, bad = _three(workspace)
    for path in workspace.root.glob("studio.db*"):
        path.unlink()
    STRAYS[name](workspace.pictures / name)
    gallery = Gallery(workspace)
    assert_whole(gallery, [*whole, bad.id])
    (sentence,) = gallery.unreadable
    assert name.encode("utf-8", "replace").decode().replace("?", "\ufffd")[:20] in sentence
    sentence.encode()


def _three(workspace: Workspace) -> tuple[Gallery, list[str], Picture]:
    gallery = Gallery(workspace)
    first, bad, last = (add_picture(gallery, prompt) for prompt in ("first", "bad", "last"))
    return gallery, [first.id, last.id], bad


def opened_twice(gallery: Gallery, whole: list[str]) -> Iterator[Gallery]:
    """The gallery as it was open when the damage came, then opened anew; the whole pictures are whole in both."""
    for opened in (gallery, Gallery(gallery.workspace)):
        assert_whole(opened, whole)
        yield opened


def assert_whole(gallery: Gallery, names: list[str]) -> None:
    shown = {picture.id: picture for picture in gallery.pictures()}
    for name in names:
        assert shown[name].damage == gallery.get(name).damage == ""
        assert shown[name].thumbnail_path.is_file()
