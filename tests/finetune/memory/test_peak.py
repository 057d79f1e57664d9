"""The most that was held since a moment: by the system's mark, and by looking where there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEASURE = """
import sys, time
import numpy, torch
from finetune.memory import peak
if sys.argv[1] == "by looking":
    peak._reset_mark = lambda: False
cpu, mib = torch.device("cpu"), 2**20
before = peak.peak_bytes(cpu)
held = numpy.ones(400 * mib, numpy.uint8); time.sleep(0.3)
large = peak.peak_bytes(cpu)
del held
peak.forget_peak(cpu)
held = numpy.ones(100 * mib, numpy.uint8); time.sleep(0.3)
del held
small = peak.peak_bytes(cpu)
print(round((large - before) / mib), round((small - before) / mib))
"""


@pytest.mark.parametrize("how", ["by its mark", "by looking"])
def test_a_small_peak_after_a_large_one_is_small(how: str) -> None:
    if how == "by its mark" and sys.platform != "linux":
        pytest.skip("only Linux lets its mark be reset")
    told = subprocess.run([sys.executable, "-c", MEASURE, how], capture_output=True, text=True, check=True)
    large, small = map(int, told.stdout.split())
    assert 390 <= large < 500
    assert 60 <= small < 200
