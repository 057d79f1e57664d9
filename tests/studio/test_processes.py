"""Telling living processes from dead ones, zombies and namesakes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from studio.processes import created_at, is_alive

pytestmark = pytest.mark.process


def test_we_live() -> None:
    began_at = created_at(os.getpid())
    assert began_at is not None
    assert is_alive(os.getpid(), began_at)
    assert is_alive(os.getpid(), None)


def test_a_namesake_is_somebody_else() -> None:
    began_at = created_at(os.getpid())
    assert began_at is not None
    assert not is_alive(os.getpid(), began_at - 60)


def test_nobody() -> None:
    assert not is_alive(None, None)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(timeout=30)
    assert not is_alive(gone.pid, None)
    assert created_at(gone.pid) is None


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 30
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not is_alive(child.pid, None)
    child.wait(timeout=30)
