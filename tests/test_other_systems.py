"""Without what Windows lacks: `fcntl`, `resource`, POSIX signals, fork. In processes of their own.

What runs on Linux in place of Windows is our half alone: libraries choose their ways by the system.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.test_architecture import ROOT, all_modules
from tests.test_light_imports import HEAVY, brings

TORCH_FREE = ("home", "queue", "pictures", "visitors", "test_render_request.py", "test_memory_rungs.py")
"""Tests of these run there."""

NEEDED_HERE = "not test_roots and not second_server and not any_letters and not changed_byte"
"""Tests that need torch or a signal of this system themselves, and two long ones of pure arithmetic."""

pytestmark = pytest.mark.process


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def test_every_light_module_is_imported() -> None:
    light = [m for m in sorted(all_modules()) if not HEAVY & brings(m) and not m.endswith("__main__")]
    assert len(light) > 150, "too few were found: the walk is broken"
    code = f"import importlib, tests.without_posix\nfor name in {light!r}: importlib.import_module(name)"
    done = run("-c", code)
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_torch_free_half_works() -> None:
    places = [f"tests/studio/{place}" for place in TORCH_FREE]
    done = run(
        "-m", "pytest", "-q", "-p", "tests.without_posix", "-p", "no:xdist", *places, "-k", NEEDED_HERE
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
