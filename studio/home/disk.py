"""Writing files whole or not at all, and the disk's refusals as sentences.

Not here: which files there are (`studio.home.workspace`).
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finetune.whole_files import sweep_parts
from finetune.whole_files import whole_file as plainly_whole

MIB = 2**20

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_NAME_TOO_LONG = (errno.ENAMETOOLONG, errno.EILSEQ)


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
    """The sentence for a full disk, a read-only place, a name or a file in the way; None for anything else."""
    if error.errno in _FULL:
        return f"the disk is full, {path} was not written; free some space and try again"
    if error.errno in _REFUSED:
        return f"{path} cannot be written ({error.strerror}); change its permissions or choose another home"
    if error.errno in _NAME_TOO_LONG:
        return f"the disk takes no file called {path.name[:40]}… ({error.strerror}); choose a shorter, plainer name"
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"{path} cannot be made: a file or a link to nothing is in the way; move it or choose another home"
    if isinstance(error, IsADirectoryError):
        return f"{path} cannot be written: a folder lies there; move it away or choose another home"
    if error.errno == errno.ELOOP:
        return f"{path} cannot be written: it is a link to itself; delete the link or choose another home"
    return None


def try_writing(folder: Path) -> None:
    """Write and remove one small file: permission bits alone do not tell a read-only mount.

    OSError as the disk says it; `disk_words` makes a sentence of it.
    """
    probe = folder / f".writable-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        probe.write_bytes(b"0")
    finally:
        probe.unlink(missing_ok=True)


def require_writable(path: Path) -> None:
    """ValueError, before the work, for a file or folder `path` whose nearest folder that is there takes no file.

    Nothing is made; what writers that were killed left in that folder is swept.
    """
    with disk_words(path):
        folder = path if path.is_dir() else _above(path)
        try_writing(folder)
        sweep_parts(folder)


def _above(path: Path) -> Path:
    """The nearest folder above `path`; NotADirectoryError where a file is in the way, ValueError for no such drive."""
    whole = path.absolute()
    nearest = next((place for place in whole.parents if os.path.lexists(place)), None)
    if nearest is None:
        raise ValueError(f"{path} cannot be made: there is no {whole.anchor}; name a drive that is there")
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))
    return nearest


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """As `finetune.whole_files.whole_file`; makes the folder, and the disk's refusals become ValueErrors."""
    with disk_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)  # a cache may be deleted under a living process
        with plainly_whole(path) as part:
            yield part
