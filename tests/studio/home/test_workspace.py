"""The home: made where it can be, refused in one sentence where it cannot, served by one server alone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.home import disk
from studio.home.locks import held_lock, lock_note
from studio.home.workspace import Workspace

ROOT = Path(__file__).parents[3]

HOLD = """
import sys, time
from pathlib import Path
from studio.home.workspace import Workspace
with Workspace.open(Path(sys.argv[1])).serve_lock("http://127.0.0.1:7999"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_makes_its_folders_and_opens_again(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "new" / "home")
    assert all(folder.is_dir() for folder in workspace.folders())
    assert Workspace.open(workspace.root) == workspace


def test_a_file_as_home(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(ValueError, match=r"home is a file; choose a folder with --home"):
        Workspace.open(tmp_path / "home")


def _a_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


def _a_link_to_nothing(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path.with_name("nowhere"))


def _a_link_to_itself(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path)


@pytest.mark.parametrize("spoil", [_a_file, _a_link_to_nothing, _a_link_to_itself])
@pytest.mark.parametrize(
    "name", ["pictures", "pictures/thumbnails", "runs", "cache/previews", "cache", "logs"]
)
def test_what_is_in_the_way_of_a_folder_is_named(
    tmp_path: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    spoil(tmp_path / name)
    with pytest.raises(
        ValueError, match=rf"{tmp_path / name}.*; (move it|delete the link) or choose another home"
    ):
        Workspace.open(tmp_path)


@pytest.mark.parametrize("name", ["server.lock", "server.json"])
@pytest.mark.parametrize("spoil", [Path.mkdir, _a_link_to_itself])
def test_what_is_in_the_way_of_the_lock_is_named(
    tmp_path: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    workspace = Workspace.open(tmp_path)
    spoil(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} cannot be written"), workspace.serve_lock("http://here"):
        pytest.fail("it was held")


def test_a_place_that_nobody_can_write() -> None:
    # The kernel's own tree refuses even root, unlike permission bits.
    if not Path("/sys/kernel").is_dir():
        pytest.skip("no /sys here")
    with pytest.raises(ValueError, match=r"cannot be written .* choose another home"):
        Workspace.open(Path("/sys/kernel/studio"))


def test_a_home_on_a_read_only_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Workspace.open(tmp_path)

    def refuse(path: Path, content: bytes) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(ValueError, match=r"Read-only file system\); change its permissions or choose"):
        Workspace.open(tmp_path)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free_mib", lambda folder: 1.0)
    with pytest.raises(ValueError, match="is full: 1 MiB are left"):
        Workspace.open(tmp_path)


def test_a_second_server_is_told_who_serves_until_the_first_dies(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    with (
        pytest.raises(ValueError, match=rf"process {first.pid} at http://127.0.0.1:7999; open that page"),
        workspace.serve_lock("http://127.0.0.1:8000"),
    ):
        raise AssertionError("two servers")
    first.kill()
    first.wait(timeout=10)
    first.stdout.close()
    with workspace.serve_lock("http://127.0.0.1:8000"):
        assert lock_note(workspace.server_lock)["address"] == "http://127.0.0.1:8000"


def test_a_lock_can_be_taken_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with held_lock(tmp_path / "lock") as holder:
            assert holder is None
            with held_lock(tmp_path / "lock") as other:
                assert other is not None
                assert other["pid"] == os.getpid()


def test_nobody_ever_held_it(tmp_path: Path) -> None:
    assert lock_note(tmp_path / "lock") == {}
