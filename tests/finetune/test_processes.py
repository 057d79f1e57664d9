"""Telling living processes from dead ones, zombies and namesakes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from finetune import processes
from finetune.processes import birth, is_alive

pytestmark = pytest.mark.process


def test_we_live() -> None:
    born = birth(os.getpid())
    assert born is not None
    assert is_alive(os.getpid(), born)
    assert is_alive(os.getpid(), None)


def test_a_namesake_is_somebody_else() -> None:
    assert not is_alive(os.getpid(), birth(os.getppid()))


def test_a_clock_that_is_set_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux psutil adds the boot's time of day, which moves with the clock."""
    born = birth(os.getpid())
    moved = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: moved(process) + 3600)
    assert is_alive(os.getpid(), born)


def test_another_boot_is_another_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    born = birth(os.getpid())
    boot = tmp_path / "boot_id"
    boot.write_text("another-boot\n")
    monkeypatch.setattr(processes, "BOOT_ID", boot)
    assert not is_alive(os.getpid(), born)


def test_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "BOOT_ID", tmp_path / "none")
    born = birth(os.getpid())
    assert born == str(psutil.Process().create_time())
    assert is_alive(os.getpid(), born)


def test_nobody() -> None:
    assert not is_alive(None, None)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(timeout=30)
    assert not is_alive(gone.pid, None)
    assert birth(gone.pid) is None


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 30
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not is_alive(child.pid, None)
    child.wait(timeout=30)
