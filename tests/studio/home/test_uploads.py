"""What browsers sent is forgotten in time, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

from studio.home.uploads import UploadSweep, forget_uploads

NOW = 2_000_000_000.0


def sent(folder: Path, name: str, *, age_s: float) -> Path:
    """As Gradio writes it: a folder named by the content, with the file in it."""
    path = folder / f"hash-of-{name}" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"1")
    for place in (path, path.parent):
        os.utime(place, (NOW - age_s,) * 2)
    return path


def test_what_is_old_goes_and_the_rest_stays(tmp_path: Path) -> None:
    old, young = (sent(tmp_path, name, age_s=age) for name, age in (("a.png", 101.0), ("b.png", 99.0)))
    (tmp_path / "stray.bin").write_bytes(b"1")
    os.utime(tmp_path / "stray.bin", (NOW - 200,) * 2)
    assert forget_uploads(tmp_path, older_s=100.0, now=lambda: NOW) == 2
    assert not old.parent.exists()
    assert young.exists()
    assert sorted(os.listdir(tmp_path)) == [young.parent.name]


def test_a_folder_that_was_written_to_again_is_young(tmp_path: Path) -> None:
    path = sent(tmp_path, "a.png", age_s=500.0)
    os.utime(path, (NOW - 1,) * 2)
    assert forget_uploads(tmp_path, older_s=100.0, now=lambda: NOW) == 0


def test_a_link_goes_and_what_it_points_to_stays(tmp_path: Path) -> None:
    kept = sent(tmp_path / "elsewhere", "a.png", age_s=500.0)
    link = tmp_path / "uploads" / "link"
    link.parent.mkdir()
    link.symlink_to(kept.parent)
    os.utime(link, (NOW - 500,) * 2, follow_symlinks=False)
    assert forget_uploads(link.parent, older_s=100.0, now=lambda: NOW) == 1
    assert kept.exists()


def test_no_folder_is_no_trouble(tmp_path: Path) -> None:
    assert forget_uploads(tmp_path / "none", older_s=1.0) == 0


def test_the_sweep_looks_again_until_it_is_stopped(tmp_path: Path) -> None:
    long_ago_s = NOW - time.time() + 500.0
    sweep = UploadSweep(tmp_path, older_s=100.0, every_s=0.01)
    sweep.start()
    for name in ("first.png", "second.png"):
        path = sent(tmp_path, name, age_s=long_ago_s)
        for _ in range(6000):
            if not path.parent.exists():
                break
            time.sleep(0.01)
        assert not path.parent.exists()
    sweep.stop()
    assert sent(tmp_path, "last.png", age_s=long_ago_s).exists()


def test_pictures_to_begin_from_go_where_that_is_wished(tmp_path: Path) -> None:
    image = tmp_path / "home" / "init" / "0-1"
    image.parent.mkdir(parents=True)
    for home in (None, tmp_path / "home"):
        image.write_bytes(b"1")
        os.utime(image, (time.time() - 500,) * 2)
        sweep = UploadSweep(tmp_path / "uploads", older_s=100.0, init_images_of=home, every_s=60.0)
        sweep.start()
        sweep.stop()  # its first look is done
        assert image.exists() == (home is None)
