"""Files that are there whole or not at all, by many writers, with any name; and the remains of killed ones."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from finetune.whole_files import part_of, sweep_parts, whole_file

NOBODY = 4_194_305
"""Above the highest number that Linux gives a process."""


def _write_and_fail(path: Path, error: BaseException, *, as_folder: bool = False) -> None:
    with whole_file(path) as part:
        if as_folder:
            part.mkdir()
        (part / "b.bin" if as_folder else part).write_bytes(b"1")
        raise error


def test_a_reader_sees_the_old_content_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with whole_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_folder_too(tmp_path: Path) -> None:
    with whole_file(tmp_path / "step-1") as part:
        part.mkdir()
        (part / "a.bin").write_bytes(b"1")
        assert not (tmp_path / "step-1").exists()
    assert (tmp_path / "step-1" / "a.bin").read_bytes() == b"1"


def test_threads_do_not_share_a_part(tmp_path: Path) -> None:
    path, gate, failures = tmp_path / "shared.bin", threading.Barrier(8), list[BaseException]()

    def write(content: bytes) -> None:
        try:
            for _ in range(20):
                gate.wait(60)
                with whole_file(path) as part, part.open("xb") as file:  # "x": nobody else has it
                    file.write(content)
                assert len(set(path.read_bytes())) == 1
        except BaseException as error:
            failures.append(error)
            gate.abort()

    threads = [threading.Thread(target=write, args=(bytes([i]) * 100_000,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert os.listdir(tmp_path) == ["shared.bin"]


@pytest.mark.parametrize("letter", ["a", "山", "😀", "é"])
def test_the_longest_name_that_a_disk_takes(letter: str, tmp_path: Path) -> None:
    stem = (letter * 255).encode()[:251].decode(errors="ignore")
    with whole_file(tmp_path / f"{stem}.png") as part:
        part.write_bytes(b"1")
    assert os.listdir(tmp_path) == [f"{stem}.png"]


def test_the_first_error_is_the_one_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("the part cannot be removed")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(KeyError, match="the first"):
        _write_and_fail(tmp_path / "a.bin", KeyError("the first"))
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_nothing_is_left_of_a_write_that_failed(error: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(error):
        _write_and_fail(tmp_path / "a.bin", error())
    with pytest.raises(error):
        _write_and_fail(tmp_path / "folder", error(), as_folder=True)
    assert os.listdir(tmp_path) == []


def test_what_a_killed_writer_left_is_swept_later(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom finetune.whole_files import whole_file\n"
        f"with whole_file(Path({str(tmp_path / 'big.bin')!r})) as part:\n"
        "    part.write_bytes(b'half')\n    os._exit(9)\n"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=120, check=False).returncode == 9
    (left,) = tmp_path.iterdir()
    assert sweep_parts(tmp_path) == 0  # another machine on the same disk may have that number
    os.utime(left, (time.time() - 4000,) * 2)
    assert sweep_parts(tmp_path) == 1
    assert os.listdir(tmp_path) == []


def test_only_parts_are_swept_and_none_of_a_living_writer(tmp_path: Path) -> None:
    mine = part_of(tmp_path / "mine.bin")
    kept = [mine, tmp_path / "a.part", tmp_path / ".b.part", tmp_path / f".c.{NOBODY}-0123abcd.partial"]
    old = [part_of(tmp_path / "long ago.bin"), tmp_path / f".d.{NOBODY}-0123abcd.part"]
    for path in (*kept, *old):
        path.write_bytes(b"1")
        os.utime(path, (time.time() - 4000,) * 2)
    os.utime(old[0], (time.time() - 90_000,) * 2)
    folder = tmp_path / f".e.{NOBODY}-89abcdef.part"
    (folder / "inside").mkdir(parents=True)
    os.utime(folder, (time.time() - 4000,) * 2)
    assert sweep_parts(tmp_path, tmp_path / "none") == 3
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_a_link_is_removed_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "a.bin").write_bytes(b"1")
    part = tmp_path / "swept" / f".x.{NOBODY}-0123abcd.part"
    part.parent.mkdir()
    part.symlink_to(precious)
    os.utime(part, (time.time() - 4000,) * 2, follow_symlinks=False)
    assert sweep_parts(part.parent) == 1
    assert (precious / "a.bin").exists()
    assert not part.is_symlink()
