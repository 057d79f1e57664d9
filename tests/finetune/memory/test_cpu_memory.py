"""Freed blocks stay with the process, seen from outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import re, sys
import torch
from finetune.memory.cpu_memory import keep_freed_memory

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = resident()
block = torch.ones(64 * 2**20)  # 256 MiB
del block
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.parametrize(("how", "kept"), [("keep", True), ("plain", False)])
def test_a_freed_block_stays_or_goes(how: str, kept: bool) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", CODE, how], cwd=root, capture_output=True, text=True, check=True
    )
    assert (float(done.stdout) > 200) == kept
