"""The gallery: files first, rows second, and either survives the other."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from studio.home import disk
from studio.home.database import Database, DatabaseBusy
from studio.home.workspace import Workspace
from studio.pictures import previews as picture_views
from studio.pictures.gallery import Gallery, Picture, new_picture_id
from studio.pictures.png import RECORD_CHUNK
from studio.pictures.record import PictureRecord
from studio.render_request import RenderRequest
from studio.ui.lookup import find_picture

NewRequest = Callable[..., RenderRequest]


@pytest.fixture
def gallery(workspace: Workspace) -> Gallery:
    return Gallery(workspace)


@pytest.fixture
def add(gallery: Gallery, noise: np.ndarray, new_request: NewRequest) -> Callable[[str], Picture]:
    def add_one(prompt: str = "mountains at dusk") -> Picture:
        return gallery.add(noise, PictureRecord(settings=new_request(prompt=prompt)))

    return add_one


def ids(pictures: list[Picture]) -> list[str]:
    return [picture.id for picture in pictures]


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
    assert ids(gallery.pictures(search="dusk")) == [b.id, a.id]
    assert ids(gallery.pictures(search=" dusk  SNOW ")) == [a.id]
    assert ids(gallery.pictures(search="ökolog")) == [c.id]
    assert ids(gallery.pictures(search="100%")) == [c.id]
    assert gallery.pictures(search="1%0") == []
    assert gallery.count(search="dusk") == 2


def test_stars(gallery: Gallery, add: Callable[..., Picture]) -> None:
    a, _ = add(), add()
    gallery.star(a.id, True)
    assert ids(gallery.pictures(starred_only=True)) == [a.id]
    gallery.star(a.id, False)
    assert gallery.count(starred_only=True) == 0
    with pytest.raises(ValueError, match="no picture nowhere"):
        gallery.star("nowhere", True)


def test_trash_and_undo_and_for_good(
    gallery: Gallery, add: Callable[..., Picture], workspace: Workspace
) -> None:
    a, b, c = add(), add(), add()
    assert gallery.trash([a.id, b.id, "nowhere"]) == 2
    assert ids(gallery.pictures()) == [c.id]
    assert ids(gallery.pictures(trashed=True)) == [b.id, a.id]
    assert gallery.restore([a.id]) == 1
    assert gallery.empty_trash() == 1
    assert ids(gallery.pictures()) == [c.id, a.id]
    assert gallery.count(trashed=True) == 0
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


def test_a_lost_database_loses_no_picture(workspace: Workspace, add: Callable[..., Picture]) -> None:
    picture = add("sea at night")
    for path in workspace.root.glob("studio.db*"):
        path.unlink()
    (found,) = Gallery(workspace).pictures(search="night")
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
    assert gallery.unreadable == (f"{broken.path} is missing; it was moved or deleted",)


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
    (found,) = Gallery(workspace).pictures(search="whole one")
    assert found.record.settings.prompt == "a smile \ufffd and a whole one \U0001f600"
    json.dumps(found.record.to_dict(), ensure_ascii=False).encode()
    assert ids(Gallery(workspace).pictures(search="\ud83d")) == [picture.id]


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


def test_a_damaged_stray_is_named(workspace: Workspace) -> None:
    (workspace.pictures / "stray.png").write_bytes(b"hello")
    gallery = Gallery(workspace)
    assert gallery.pictures() == []
    assert gallery.unreadable == ("stray.png is not a picture; drop a PNG, JPEG or WebP file",)


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


def test_importing_keeps_every_byte(
    gallery: Gallery, add: Callable[..., Picture], workspace: Workspace, tmp_path: Path
) -> None:
    original = add("imported sea")
    assert gallery.import_file(original.path).id == original.id
    elsewhere = Gallery(Workspace.open(tmp_path / "other"))
    imported = elsewhere.import_file(original.path)
    assert imported.path.read_bytes() == original.path.read_bytes()
    assert ids(elsewhere.pictures(search="imported")) == [imported.id]
    assert imported.record.imported_from == original.path.name


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


def test_a_damaged_file_is_not_imported_and_leaves_nothing(
    gallery: Gallery, add: Callable[..., Picture], workspace: Workspace, tmp_path: Path
) -> None:
    content = add().path.read_bytes()
    gallery.trash(ids(gallery.pictures()))
    gallery.empty_trash()
    (tmp_path / "half.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"is damaged or cut off .* copy it again"):
        gallery.import_file(tmp_path / "half.png")
    assert list(workspace.root.rglob("*.png")) == []
    assert gallery.count() == 0


def test_importing_from_other_tools(gallery: Gallery, noise: np.ndarray, tmp_path: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", "castle\nSteps: 20, CFG scale: 7, Seed: 5, Size: 512x768, Model: m")
    Image.fromarray(noise).save(tmp_path / "a.png", pnginfo=chunks)
    imported = gallery.import_file(tmp_path / "a.png")
    assert (imported.record.source, imported.record.settings.seed) == ("AUTOMATIC1111", 5)
    assert imported.preview_path.is_file()
    assert imported.thumbnail_path.is_file()


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("a.png", None, "a.png holds no settings"),
        (
            "a.png",
            "castle\nSteps: 20, Seed: 5",
            "does not say its guidance_scale, width_px, height_px, model; drop it",
        ),
        (
            "a.png",
            "castle\nSteps: 20, CFG scale: 7, Seed: 5, Size: 500x300, Model: m",
            r"width_px, height_px \(left out: Size: 500 x 300 \(here a multiple of 32\)",
        ),
        ("a.webp", None, "a.webp holds no settings"),
    ],
)
def test_what_cannot_be_imported(
    gallery: Gallery, noise: np.ndarray, tmp_path: Path, name: str, parameters: str | None, words: str
) -> None:
    chunks = PngImagePlugin.PngInfo()
    if parameters is not None:
        chunks.add_text("parameters", parameters)
    Image.fromarray(noise).save(tmp_path / name, **({"pnginfo": chunks} if parameters else {}))
    with pytest.raises(ValueError, match=words):
        gallery.import_file(tmp_path / name)
    assert gallery.count() == 0


def test_only_png_becomes_a_master(gallery: Gallery, noise: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    text = "castle\nSteps: 20, CFG scale: 7, Seed: 5, Size: 128x96, Model: m"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
    Image.fromarray(noise).save(tmp_path / "a.jpg", exif=exif)
    with pytest.raises(ValueError, match=r"a.jpg is not a PNG; the gallery keeps lossless masters only"):
        gallery.import_file(tmp_path / "a.jpg")


def test_live_previews_are_enlarged(tmp_path: Path) -> None:
    picture_views.write_live_preview(tmp_path / "a.jpg", np.zeros((20, 16, 3), dtype=np.uint8))
    with Image.open(tmp_path / "a.jpg") as preview:
        assert preview.size == (416, 520)
