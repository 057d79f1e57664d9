"""The gallery's files and rows: either survives the other, and what is damaged takes nothing else down."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.gallery_search import Listed
from studio.pictures.png import RECORD_CHUNK
from tests.studio.pictures.conftest import ids


def test_a_lost_database_loses_no_picture(workspace: Workspace, add: Callable[..., Picture]) -> None:
    picture = add("sea at night")
    for path in workspace.root.glob("studio.db*"):
        path.unlink()
    (found,) = Gallery(workspace).pictures(Listed("night"))
    assert (found.id, found.record, found.created_at) == (picture.id, picture.record, picture.created_at)


def test_a_broken_row_is_read_from_its_file(workspace: Workspace, add: Callable[..., Picture]) -> None:
    picture = add()
    with closing(sqlite3.connect(workspace.database)) as table, table:
        table.execute("UPDATE pictures SET record = '{half'")
    gallery = Gallery(workspace)
    assert gallery.get(picture.id).record == picture.record


def test_a_broken_row_without_a_file_hurts_no_other(
    workspace: Workspace, add: Callable[..., Picture]
) -> None:
    broken, whole = add(), add()
    with closing(sqlite3.connect(workspace.database)) as table, table:
        table.execute("UPDATE pictures SET record = 'null' WHERE id = ?", (broken.id,))
    broken.path.unlink()
    gallery = Gallery(workspace)
    assert ids(gallery.pictures()) == [whole.id]
    assert gallery.unreadable == (f"{broken.path} is missing; it was moved, deleted or never written",)


def test_a_missing_file_is_reported(gallery: Gallery, add: Callable[..., Picture]) -> None:
    picture = add()
    picture.path.unlink()
    assert gallery.get(picture.id).missing
    assert [found.missing for found in gallery.pictures()] == [True]


def test_views_are_made_again(gallery: Gallery, add: Callable[..., Picture]) -> None:
    picture = add()
    picture.preview_path.unlink()
    picture.thumbnail_path.unlink()
    gallery.pictures()
    assert picture.thumbnail_path.is_file()
    gallery.get(picture.id)
    assert picture.preview_path.is_file()


def test_one_damaged_master_takes_no_other_down(gallery: Gallery, add: Callable[..., Picture]) -> None:
    """Cut off, and its views cleared away: it is shown as damaged, and everything else as it is."""
    cut, whole = add("cut"), add("whole")
    cut.path.write_bytes(cut.path.read_bytes()[:300])
    for view in (cut.preview_path, cut.thumbnail_path):
        view.unlink()
    shown = {picture.id: picture for picture in gallery.pictures()}
    assert set(shown) == {cut.id, whole.id}
    assert "is damaged" in shown[cut.id].damage
    assert shown[whole.id].damage == ""
    assert gallery.unreadable == (shown[cut.id].damage,)
    for picture in (shown[cut.id], gallery.get(cut.id)):
        with Image.open(picture.thumbnail_path) as image:
            image.load()
    with Image.open(gallery.get(cut.id).preview_path) as image:
        image.load()
    assert gallery.trash([cut.id]) == 1


def without_rows(workspace: Workspace) -> None:
    for path in workspace.root.glob("studio.db*"):
        path.unlink()


def rewritten(picture: Picture, noise: np.ndarray, **changes: object) -> None:
    """Its master with another record."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text(RECORD_CHUNK, json.dumps({**picture.record.to_dict(), **changes}))
    Image.fromarray(noise).save(picture.path, pnginfo=chunks)


@pytest.mark.parametrize("said", [None, "yesterday", float("nan"), True])
def test_a_record_without_a_time_takes_its_file_s(
    workspace: Workspace, add: Callable[..., Picture], noise: np.ndarray, said: object
) -> None:
    picture = add()
    rewritten(picture, noise, created_at=said)
    os.utime(picture.path, (1_700_000_000, 1_700_000_000))
    without_rows(workspace)
    (found,) = Gallery(workspace).pictures()
    assert found.created_at == 1_700_000_000


def test_half_a_letter_in_a_record_hurts_nothing(
    workspace: Workspace, add: Callable[..., Picture], noise: np.ndarray
) -> None:
    picture = add()
    settings = picture.record.settings.to_dict() | {"prompt": "a smile \ud83d and a whole one \ud83d\ude00"}
    rewritten(picture, noise, settings=settings)
    without_rows(workspace)
    (found,) = Gallery(workspace).pictures(Listed("whole one"))
    assert found.record.settings.prompt == "a smile \ufffd and a whole one \U0001f600"
    json.dumps(found.record.to_dict(), ensure_ascii=False).encode()
    assert ids(Gallery(workspace).pictures(Listed("\ud83d"))) == [picture.id]


def test_deleted_caches_are_made_again(
    gallery: Gallery, workspace: Workspace, add: Callable[..., Picture]
) -> None:
    first = add()
    shutil.rmtree(workspace.cache)
    shutil.rmtree(workspace.thumbnails)
    second = add()
    assert [picture.thumbnail_path.is_file() for picture in gallery.pictures()] == [True, True]
    assert gallery.get(first.id).preview_path.is_file()
    assert second.preview_path.is_file()


def test_a_damaged_stray_is_named(workspace: Workspace) -> None:
    (workspace.pictures / "stray.png").write_bytes(b"hello")
    gallery = Gallery(workspace)
    assert gallery.pictures() == []
    assert gallery.unreadable == ("stray.png is not a picture; drop a PNG, JPEG or WebP file",)
