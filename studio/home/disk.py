"""Writing files whole or not at all, and the disk's refusals as sentences.

Not here: which files there are (`studio.home.workspace`).
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 2**20

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def free_mib(folder: Path) -> float:
    """Free space of the disk that `folder` lies on, in MiB."""
    return shutil.disk_usage(folder).free / MIB


def require_free(folder: Path, needed_mib: float) -> None:
    """Raise ValueError if the disk of `folder` has less than `needed_mib` left."""
    left_mib = free_mib(folder)
    if left_mib < needed_mib:
        raise ValueError(
            f"the disk of {folder} is full: {left_mib:.0f} MiB are left and {needed_mib:.0f} MiB are needed; "
            "free some space (empty the trash, say) and try again"
        )


@contextmanager
def disk_words(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk, met while writing `path`, into a ValueError with the remedy."""
    try:
        yield
    except OSError as error:
        words = refusal(path, error)
        if words is None:
            raise
        raise ValueError(words) from error


def refusal(path: Path, error: OSError) -> str | None:
    """The sentence for a full disk, a read-only place or a file in the way; None for anything else."""
    if error.errno in _FULL:
        return f"the disk is full, {path} was not written; free some space and try again"
    if error.errno in _REFUSED:
        return f"{path} cannot be written ({error.strerror}); change its permissions or choose another home"
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"{path} cannot be made: a file is in the way; move it or choose another home"
    return None


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; what lies there becomes `path` in one step if the block succeeds.

    Whoever reads `path` sees the old content or the new, never a part. On an error nothing is left behind.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with disk_words(path):
            path.parent.mkdir(parents=True, exist_ok=True)  # a cache may be deleted under a living process
            yield part
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
