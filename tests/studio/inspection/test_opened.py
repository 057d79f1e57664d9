"""Opening pictures: the master array, files for the browser, what is kept and what is let go."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.inspection import opened as module
from studio.inspection.opened import SOURCE, Opened, Subject
from tests.studio.inspection.conftest import save


def test_numbers_come_from_the_master_not_from_the_preview(
    opened: Opened, subject: Subject, pixels: np.ndarray
) -> None:
    assert np.array_equal(opened.pixels(subject), pixels)
    with Image.open(subject.preview_path) as preview:
        shown = np.asarray(preview)
    assert shown.shape == pixels.shape
    assert not np.array_equal(shown, pixels)
    assert (subject.width_px, subject.height_px, subject.exact_path) == (256, 192, subject.path)


def test_what_was_changed_while_reading_is_noted_and_the_browser_gets_the_same_pixels(
    opened: Opened, pixels: np.ndarray, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    path = tmp_path / "turned.png"
    Image.fromarray(pixels).save(path, exif=exif)
    subject = opened.open(path)
    assert (subject.width_px, subject.height_px) == (192, 256)
    assert any("EXIF" in note for note in subject.notes)
    with Image.open(subject.exact_path) as exact:
        assert np.array_equal(np.asarray(exact), opened.pixels(subject))
    assert np.array_equal(opened.pixels(subject), np.rot90(pixels, -1))


def test_a_picture_is_read_once_until_its_file_changes(
    opened: Opened, subject: Subject, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    monkeypatch.setattr(module, "read_picture", lambda *a, **k: reads.append(a) or _read(*a, **k))
    assert opened.open(subject.path) is subject
    assert opened.pixels(subject) is opened.pixels(subject)
    assert reads == []
    save(subject.path, 255 - pixels)
    os.utime(subject.path, (1, 1))
    other = opened.open(subject.path)
    assert other.id != subject.id
    assert np.array_equal(opened.pixels(other), 255 - pixels)
    assert len(reads) == 1


_read = module.read_picture


def test_a_master_is_not_decoded_before_its_pixels_are_asked_for(
    opened: Opened, pixels: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    monkeypatch.setattr(module, "read_picture", lambda *a, **k: reads.append(a) or _read(*a, **k))
    path, preview = save(tmp_path / "m.png", pixels), save(tmp_path / "p.jpg", pixels)
    master = opened.open_master(
        path, title="dunes", preview=preview, thumbnail=preview, width_px=256, height_px=192
    )
    assert (master.title, master.preview_path, reads) == ("dunes", preview, [])
    assert np.array_equal(opened.pixels(master), pixels)
    assert len(reads) == 1
    path.unlink()
    with pytest.raises(ValueError, match=r"m\.png is missing"):
        opened.open_master(
            path, title="dunes", preview=preview, thumbnail=preview, width_px=256, height_px=192
        )


def test_few_decoded_pictures_are_kept(
    opened: Opened, pixels: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_ARRAYS_MIB", 2.5 * pixels.nbytes / 2**20)
    subjects = [opened.open(save(tmp_path / f"{i}.png", np.roll(pixels, i, 0))) for i in range(5)]
    assert len(opened._arrays) == 2
    assert np.array_equal(opened.pixels(subjects[0]), pixels)  # read again
    assert len(opened._arrays) == 2
    monkeypatch.setattr(module, "KEPT_ARRAYS_MIB", 0.0)
    assert np.array_equal(opened.pixels(subjects[1]), np.roll(pixels, 1, 0))
    assert len(opened._arrays) == 1


def test_pixels_cannot_be_written_to(opened: Opened, subject: Subject) -> None:
    with pytest.raises(ValueError, match="read-only"):
        opened.pixels(subject)[0, 0, 0] = 1


def test_an_address_finds_its_picture_again_in_another_process(opened: Opened, subject: Subject) -> None:
    again = Opened(opened.folder).open_again(subject.id)
    assert again == subject


@pytest.mark.parametrize("name", ["0" * 16, "../../../etc", "", "zz"])
def test_an_address_of_something_else_is_refused(opened: Opened, name: str) -> None:
    with pytest.raises(ValueError, match="was not opened in this studio"):
        opened.open_again(name)


def test_an_address_whose_file_changed_says_so(opened: Opened, subject: Subject, pixels: np.ndarray) -> None:
    save(subject.path, 255 - pixels)
    os.utime(subject.path, (1, 1))
    with pytest.raises(ValueError, match="has changed"):
        opened.open_again(subject.id)


def test_the_cache_is_tidied_oldest_first_and_files_come_back(opened: Opened, subject: Subject) -> None:
    folder = opened.folder_of(subject)
    old, new = folder / "old.png", folder / "new.png"
    for age, path in ((1000, old), (10, new)):
        path.write_bytes(b"x" * 1000)
        os.utime(path, (2e9 - age, 2e9 - age))
    opened.tidy(limit_mib=1000 / 2**20)
    assert sorted(path.name for path in folder.iterdir()) == ["new.png", SOURCE]
    again = opened.open(subject.path)  # its preview is gone with the rest
    assert again.preview_path.is_file()


def test_too_many_pixels_are_refused_by_the_header(tmp_path: Path, pixels: np.ndarray) -> None:
    small = Opened(tmp_path / "cache", max_megapixels=0.01)
    with pytest.raises(ValueError, match="megapixels"):
        small.open(save(tmp_path / "big.png", pixels))
