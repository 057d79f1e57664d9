"""The gallery: pictures and their files, search, stars, the trash, and disks that fill up."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from studio.home import disk
from studio.home.database import Database, DatabaseBusy
from studio.home.workspace import Workspace
from studio.pictures import previews as picture_views
from studio.pictures.gallery import Gallery, new_picture_id
from studio.pictures.gallery_rows import Picture
from studio.pictures.gallery_search import Listed, Narrowed, Order
from studio.pictures.record import AdapterUsed, ModelUsed, PictureRecord
from studio.ui.lookup import find_picture
from tests.studio.pictures.conftest import NewRequest, ids


def test_a_picture_and_its_three_files(
    gallery: Gallery, add: Callable[..., Picture], noise: np.ndarray
) -> None:
    picture = add()
    assert (picture.width_px, picture.height_px, picture.starred, picture.missing) == (128, 96, False, False)
    np.testing.assert_array_equal(np.array(Image.open(picture.path)), noise)
    with Image.open(picture.preview_path) as preview:
        assert (preview.format, preview.size) == ("JPEG", (128, 96))
        assert all(layer[1:3] == (1, 1) for layer in preview.layer)  # 4:4:4
    assert gallery.get(picture.id) == picture
    assert picture.record.id == picture.id


def test_thumbnails_are_small(gallery: Gallery, new_request: NewRequest) -> None:
    image = np.zeros((640, 1280, 3), dtype=np.uint8)
    picture = gallery.add(image, PictureRecord(settings=new_request()))
    with Image.open(picture.thumbnail_path) as thumbnail:
        assert thumbnail.size == (512, 256)


def test_newest_first_by_pages(gallery: Gallery, add: Callable[..., Picture]) -> None:
    added = ids([add(str(number)) for number in range(5)])
    assert ids(gallery.pictures()) == added[::-1]
    assert ids(gallery.pictures(limit=2, offset=1)) == [added[3], added[2]]
    assert gallery.count() == 5


def test_every_word_must_occur(gallery: Gallery, add: Callable[..., Picture]) -> None:
    a, b, c = add("Snowy Mountains at DUSK"), add("sea at dusk"), add("100% Ökologie_wald")
    assert ids(gallery.pictures(Listed("dusk"))) == [b.id, a.id]
    assert ids(gallery.pictures(Listed(" dusk  SNOW "))) == [a.id]
    assert ids(gallery.pictures(Listed("ökolog"))) == [c.id]
    assert ids(gallery.pictures(Listed("100%"))) == [c.id]
    assert gallery.pictures(Listed("1%0")) == []
    assert gallery.count(Listed("dusk")) == 2


def test_what_people_remember_of_a_picture_finds_it(
    gallery: Gallery, noise: np.ndarray, new_request: NewRequest
) -> None:
    """Seed, size, model, day, LoRA and file; a row that is damaged still by its prompt and size."""
    adapters = (AdapterUsed(path="loras/Dusk.safetensors", weight=1.0),)
    model = ModelUsed(title="Stable Diffusion 3.5")
    settings = new_request(prompt="sea", seed=424_242, negative_prompt="Fog")
    record = PictureRecord(settings=settings, model=model, adapters=adapters)
    found = gallery.add(noise, record).id
    other = gallery.add(
        noise[:256, :320].copy(), PictureRecord(settings=new_request(prompt="hill", seed=5))
    ).id
    height, width = noise.shape[:2]
    today = f"{datetime.now():%Y-%m-%d}"
    for words in ("424242", "stable 3.5", "dusk.safetensors", "fog", f"{width}x{height} sea"):
        assert ids(gallery.pictures(Listed(words))) == [found], words
    assert ids(gallery.pictures(Listed(f"{width} × {height} sea"))) == [found]
    assert ids(gallery.pictures(Listed(today))) == [other, found]
    with sqlite3.connect(gallery.workspace.database) as table:
        table.execute("UPDATE pictures SET record = '{half' WHERE id = ?", (found,))
    assert gallery.count(Listed("sea")) == 1
    assert gallery.count(Listed("424242")) == 0


def test_two_pictures_of_one_second_never_share_a_name(
    gallery: Gallery, add: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(("0000000a", "0000000a", "0000000b"))
    monkeypatch.setattr(
        "studio.pictures.gallery.secrets", SimpleNamespace(token_hex=lambda _bytes: next(drawn))
    )
    monkeypatch.setattr(
        "studio.pictures.gallery.datetime", SimpleNamespace(now=lambda _zone: datetime(2026, 2, 14, 9, 30))
    )
    first, second = add("a first"), add("a second")
    assert (first.id, second.id) == ("20260214-093000-0000000a", "20260214-093000-0000000b")
    assert [picture.record.settings.prompt for picture in gallery.pictures()] == ["a second", "a first"]


def test_orders_and_what_a_list_is_narrowed_to(gallery: Gallery, new_request: NewRequest) -> None:
    def drawn(width: int, height: int, model: str) -> Picture:
        used = ModelUsed(title=model)
        return gallery.add(
            np.zeros((height, width, 3), np.uint8), PictureRecord(settings=new_request(), model=used)
        )

    a, b, c, d = drawn(64, 64, "One"), drawn(256, 64, "Two"), drawn(64, 64, "Two"), drawn(64, 256, "Two")

    def listed(**narrowed: str) -> list[str]:
        return ids(gallery.pictures(Listed(narrowed=Narrowed(**narrowed))))

    assert listed() == [d.id, c.id, b.id, a.id]
    assert listed(order="oldest") == [a.id, b.id, c.id, d.id]
    assert listed(order="largest") == [d.id, b.id, c.id, a.id]
    assert listed(order="smallest") == [c.id, a.id, d.id, b.id]
    assert listed(model="Two", order="smallest") == [c.id, d.id, b.id]
    assert listed(size="64x64") == [c.id, a.id]
    assert listed(size="64x64", model="One") == [a.id]
    assert gallery.count(Listed(narrowed=Narrowed(model="Two"))) == 3
    assert gallery.kinds() == ((("Two", 3), ("One", 1)), (("64x64", 2), ("256x64", 1), ("64x256", 1)))
    assert gallery.kinds(Listed(narrowed=Narrowed(model="One"))) == gallery.kinds()


def test_neighbours_and_places_follow_the_order(gallery: Gallery, new_request: NewRequest) -> None:
    sides = (64, 128, 64, 256, 128)
    pictures = [
        gallery.add(np.zeros((side, side, 3), np.uint8), PictureRecord(settings=new_request()))
        for side in sides
    ]
    for order in get_args(Order):
        listed = Listed(narrowed=Narrowed(order))
        inside = ids(gallery.pictures(listed))
        assert [gallery.place(one, listed) for one in inside] == [*range(5)], order
        assert [gallery.neighbour(one, steps=1, listed=listed) for one in inside] == [*inside[1:], None], (
            order
        )
        assert [gallery.neighbour(one, steps=-1, listed=listed) for one in inside] == [None, *inside[:-1]], (
            order
        )
    assert len(pictures) == 5


def test_neighbours_and_places_of_a_list(gallery: Gallery, add: Callable[..., Picture]) -> None:
    first, *_ = added = [add("sea"), add("hill"), add("sea by night"), add("sea")]
    seas = Listed("sea")
    assert gallery.neighbour(added[3].id, steps=1, listed=seas) == added[2].id
    assert gallery.neighbour(added[2].id, steps=1, listed=seas) == first.id
    assert gallery.neighbour(added[2].id, steps=1) == added[1].id
    assert gallery.neighbour(first.id, steps=-2, listed=seas) == added[3].id
    assert gallery.neighbour(added[3].id, steps=9) == first.id
    assert gallery.neighbour(first.id, steps=1) is None
    assert gallery.neighbour("nowhere", steps=1) is None
    assert [gallery.place(picture.id) for picture in added] == [3, 2, 1, 0]
    assert gallery.place(first.id, seas) == 2
    assert gallery.place("nowhere") == 0


def test_what_went_to_the_trash_last_comes_back_together(
    gallery: Gallery, add: Callable[..., Picture]
) -> None:
    a, b, c = add(), add(), add()
    gallery.trash([a.id])
    gallery.trash([b.id, c.id])
    assert set(gallery.restore_last()) == {b.id, c.id}
    assert gallery.restore_last() == (a.id,)
    assert gallery.restore_last() == ()
    assert gallery.count() == 3


def test_stars(gallery: Gallery, add: Callable[..., Picture]) -> None:
    a, _ = add(), add()
    gallery.star(a.id, True)
    assert ids(gallery.pictures(Listed(starred_only=True))) == [a.id]
    gallery.star(a.id, False)
    assert gallery.count(Listed(starred_only=True)) == 0
    with pytest.raises(ValueError, match="no picture nowhere"):
        gallery.star("nowhere", True)


def test_trash_and_undo_and_for_good(
    gallery: Gallery, add: Callable[..., Picture], workspace: Workspace
) -> None:
    a, b, c = add(), add(), add()
    assert gallery.trash([a.id, b.id, "nowhere"]) == 2
    assert ids(gallery.pictures()) == [c.id]
    assert ids(gallery.pictures(Listed(trashed=True))) == [b.id, a.id]
    assert gallery.restore([a.id]) == 1
    assert gallery.empty_trash() == 1
    assert ids(gallery.pictures()) == [c.id, a.id]
    assert gallery.count(Listed(trashed=True)) == 0
    left = {path.stem for path in workspace.root.rglob("*") if path.suffix in (".png", ".jpg")}
    assert left == {a.id, c.id}
    with pytest.raises(ValueError, match=f"no picture {b.id}"):
        gallery.get(b.id)


def test_the_version_follows_every_change(gallery: Gallery, add: Callable[..., Picture]) -> None:
    versions = [gallery.version()]
    picture = add()
    for change in (
        lambda: gallery.star(picture.id, True),
        lambda: gallery.trash([picture.id]),
        lambda: gallery.restore([picture.id]),
    ):
        versions.append(gallery.version())
        change()
    assert versions == sorted(set(versions))
    assert gallery.version() > versions[-1]


def test_a_busy_table_is_no_deleted_picture(
    gallery: Gallery, add: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = add()
    assert find_picture(gallery, "20200101-000000-0000") is None

    def busy(*_: object) -> None:
        raise DatabaseBusy("locked")

    monkeypatch.setattr(Database, "row", busy)
    with pytest.raises(DatabaseBusy):
        find_picture(gallery, picture.id)


@pytest.mark.parametrize("failing", ["write_png", "write_preview", "write_thumbnail"])
def test_a_disk_that_fills_up_leaves_nothing_half(
    gallery: Gallery,
    add: Callable[..., Picture],
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
) -> None:
    whole = add()

    def fill_up(path: Path, *_: object) -> None:
        with disk.whole_file(path) as part:
            part.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"studio.pictures.files.{failing}", fill_up)
    with pytest.raises(ValueError, match=r"the disk is full, .* free some space and try again"):
        add()
    assert ids(gallery.pictures()) == [whole.id]
    assert {path.stem for path in workspace.root.rglob("*.[pj][np]g")} == {whole.id}


def test_a_disk_without_room_is_asked_first(
    add: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    monkeypatch.setattr(disk, "free_mib", lambda folder: 0.01)
    with pytest.raises(ValueError, match="is full: 0 MiB are left"):
        add()
    assert list(workspace.pictures.glob("*.png")) == []


def test_under_a_known_id_one_picture_is_kept(
    gallery: Gallery, noise: np.ndarray, new_request: NewRequest, workspace: Workspace
) -> None:
    """A worker that died between keeping and saying so keeps it again."""
    known = new_picture_id()
    for prompt in ("first light", "first light"):
        kept = gallery.add(noise, PictureRecord(settings=new_request(prompt=prompt)), picture_id=known)
        assert kept.id == known
    assert ids(gallery.pictures()) == [known]
    assert [path.stem for path in workspace.pictures.glob("*.png")] == [known]


def test_live_previews_are_enlarged(tmp_path: Path) -> None:
    picture_views.write_live_preview(tmp_path / "a.jpg", np.zeros((20, 16, 3), dtype=np.uint8))
    with Image.open(tmp_path / "a.jpg") as preview:
        assert preview.size == (416, 520)
