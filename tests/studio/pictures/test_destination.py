"""Where `d4k render --out` writes: names of any prompt, places refused before the work, nothing overwritten."""

from __future__ import annotations

import errno
import os
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.pictures.destination import Destination, destination
from studio.pictures.record import PictureRecord
from studio.pictures.settings_reader import read_settings
from studio.render_request import RenderRequest

PIXELS = np.full((8, 8, 3), 128, np.uint8)
REQUEST = RenderRequest(
    prompt="mountains at dusk", seed=7, width_px=256, height_px=256, num_inference_steps=2, guidance_scale=1.0
)


def record(prompt: str) -> PictureRecord:
    return PictureRecord(settings=replace(REQUEST, prompt=prompt))


def place(out: Path, *, count: int = 1) -> Destination:
    return destination(out, count=count, gallery_home=None)


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("mountains at dusk, cloudy sky", "mountains-at-dusk-cloudy-sky-7.png"),
        ("one two three four five six seven eight nine", "one-two-three-four-five-six-seven-eight-7.png"),
        ("a/b\\c:d*e?f", "a-b-c-d-e-f-7.png"),
        ("🐢🐢🐢", "7.png"),
        ("../../etc/passwd", "etc-passwd-7.png"),
    ],
)
def test_a_file_in_a_folder_is_called_after_its_prompt(prompt: str, name: str, tmp_path: Path) -> None:
    path = place(tmp_path).keep(PIXELS, record(prompt))
    assert path == tmp_path / name
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("letter", ["山", "x", "é", "𒀀"])
def test_a_hundred_letters_without_a_space(letter: str, tmp_path: Path) -> None:
    for _ in range(3):
        place(tmp_path).keep(PIXELS, record(letter * 100))
    assert len(os.listdir(tmp_path)) == 3
    assert all(len(os.fsencode(name)) < 140 for name in os.listdir(tmp_path))


@pytest.mark.parametrize("name", ["renders.v2", "2026.11", "a.b.c", "plain", "seed 7.5"])
def test_a_dotted_name_is_a_folder(name: str, tmp_path: Path) -> None:
    path = place(tmp_path / name).keep(PIXELS, record("sea"))
    assert path == tmp_path / name / "sea-7.png"


def test_a_folder_that_is_there_may_be_called_as_it_likes(tmp_path: Path) -> None:
    for name in ("all.png", "old.jpg"):
        (tmp_path / name).mkdir()
        assert place(tmp_path / name).keep(PIXELS, record("sea")).parent == tmp_path / name


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.webp", "a.tiff", "a.gif"])
def test_pictures_of_other_formats_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lossless PNG.*end the file's name in \.png"):
        place(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_name_too_long_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file called xxx.*shorter"):
        place(tmp_path / ("x" * 300 + ".png"))
    with pytest.raises(ValueError, match=r"no file called xxx.*shorter"):  # the number is what is too much
        place(tmp_path / ("x" * 250 + ".png"), count=2)
    with pytest.raises(ValueError, match=r"no file called xxx.*shorter"):
        place(tmp_path / ("x" * 300))


@pytest.mark.parametrize("name", ["a.png", "folder", "new/folder"])
def test_a_disk_that_takes_nothing_is_found_before_the_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *_: object, **__: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(ValueError, match=r"cannot be written \(Read-only file system\)"):
        place(tmp_path / name)


def test_a_full_disk_is_found_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(2**30, 2**30 - 2**26, 2**26))
    target = place(tmp_path / "a.png")
    target.require_room(1024, 1024)
    with pytest.raises(ValueError, match="full: 64 MiB are left and 96 MiB are needed"):
        target.require_room(4096, 4096)


def test_nothing_is_left_of_a_picture_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = place(tmp_path)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("PIL.Image.Image.save", stop)
    with pytest.raises(KeyboardInterrupt):
        target.keep(PIXELS, record("sea"))
    assert os.listdir(tmp_path) == []


def test_an_older_picture_stays(tmp_path: Path) -> None:
    (tmp_path / "sea-7.png").symlink_to(tmp_path / "gone.png")  # a dead link is somebody's too
    paths = [place(tmp_path).keep(PIXELS, record("sea")) for _ in range(2)]
    assert [path.name for path in paths] == ["sea-7-2.png", "sea-7-3.png"]
    assert read_settings(paths[0]).values["prompt"] == "sea"
