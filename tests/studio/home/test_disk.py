"""Files whole or not at all; a full disk and a refusal as sentences."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from finetune.whole_files import part_of
from studio.home import disk


def test_a_file_appears_whole(tmp_path: Path) -> None:
    with disk.whole_file(tmp_path / "a") as part:
        part.write_text("half")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_text() == "half"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_keeps_the_old_file(tmp_path: Path, code: int) -> None:
    (tmp_path / "a").write_text("old")

    def fill_up() -> None:
        with disk.whole_file(tmp_path / "a") as part:
            part.write_text("new")
            raise OSError(code, os.strerror(code))

    with pytest.raises(ValueError, match=r"disk is full.*free some space"):
        fill_up()
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def left_by_a_killed_writer(folder: Path) -> Path:
    """A part of two days ago."""
    part = part_of(folder / "big.png")
    part.write_bytes(b"half")
    os.utime(part, (time.time() - 2 * 86_400,) * 2)
    return part


def test_what_killed_writers_left_is_swept_before_the_work(tmp_path: Path) -> None:
    parts = [left_by_a_killed_writer(tmp_path) for _ in range(2)]
    disk.require_writable(tmp_path / "not made yet" / "a.png")
    assert not any(part.exists() for part in parts)
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_way_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    for place in ("file/a.png", "file/deep/a.png", "dangling/a.png"):
        with pytest.raises(ValueError, match="a file or a link to nothing is in the way"):
            disk.require_writable(tmp_path / place)
    disk.require_writable(tmp_path / "file")  # to be written over


def test_a_drive_that_is_not_there_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    with pytest.raises(ValueError, match="there is no /; name a drive that is there"):
        disk.require_writable(Path("/pictures/a.png"))


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output"), disk.whole_file(tmp_path / "a"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_too_little_space_says_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free_mib", lambda folder: 3.0)
    disk.require_free(tmp_path, 2)
    with pytest.raises(ValueError, match="3 MiB are left and 100 MiB are needed; free some space"):
        disk.require_free(tmp_path, 100)


def test_free_space_is_that_of_the_system(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    assert disk.free_mib(tmp_path) == pytest.approx(found.f_bavail * found.f_frsize / 2**20, rel=0.05)
