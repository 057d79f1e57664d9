"""Files and folders that are there whole or not at all, and the remains of writers that were killed. No torch.

Not here: the disk's refusals as sentences (`studio.home.disk`).
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_PART = re.compile(r"\.(\d+)-[0-9a-f]{8}\.part$")
_DEAD_AFTER_S, _LEFT_AFTER_S = 3_600.0, 86_400.0
"""A part that nothing was written to for so long is swept: the first where no process here has its number (one of
another machine, on a disk that both share, may be writing still), the second in any case."""


def part_of(path: Path) -> Path:
    """A name beside `path` that no other thread or process has, short enough whatever `path` is called.

    Hidden, so that no scan of a folder takes it for one of its files.
    """
    return path.with_name(f".{path.name[:40]}.{os.getpid()}-{secrets.token_hex(4)}.part")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; the file or folder made there becomes `path` in one step if the block succeeds.

    Whoever reads `path` sees the old content or the new, never a part. On an error nothing is left behind.
    """
    part = part_of(path)
    try:
        yield part
        os.replace(part, path)
    except BaseException:  # its own words are what counts: cleaning up may not hide them
        _remove(part)
        raise


def sweep_parts(*folders: Path) -> int:
    """Delete what writers that were killed left in these folders; returns how many."""
    swept = 0
    for folder in folders:
        for part in folder.glob(".*.part"):
            with suppress(OSError):
                if _is_left(part):
                    _remove(part)
                    swept += 1
    return swept


def _is_left(part: Path) -> bool:
    found = _PART.search(part.name)
    if found is None:
        return False
    still_s = time.time() - part.lstat().st_mtime
    return still_s > _LEFT_AFTER_S or (still_s > _DEAD_AFTER_S and not psutil.pid_exists(int(found[1])))


def _remove(part: Path) -> None:
    with suppress(OSError):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
