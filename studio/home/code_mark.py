"""Which code a process was started from, so that a worker of an older studio is not taken for one of ours."""

from __future__ import annotations

import hashlib
from functools import cache

from studio.home.settings import ROOT

PACKAGES = ("studio", "finetune", "metrics")


@cache
def code_mark() -> str:
    """Sixteen letters that change with any source file's size or time. Asked at the start of a process."""
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    told = [(str(file.relative_to(ROOT)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
