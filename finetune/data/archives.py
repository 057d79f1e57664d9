"""A zipped dataset becomes a folder: every name is checked before a byte is written. No torch.

Not here: what is in the folder (`finetune.data.dataset`).
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MAX_UNPACKED_GIB = 2000.0
MAX_RATIO = 200  # of unpacked to packed bytes: pictures hardly shrink, bombs shrink a thousandfold
_RATIO_FROM_BYTES = 64 * 2**20
_CHUNK_BYTES = 2**20
_LEFT_ASIDE = ("__MACOSX/",)


def unpack_zip(archive: Path, folder: Path, *, max_gib: float = MAX_UNPACKED_GIB) -> Path:
    """Unpack `archive` into `folder`, which must be new or empty, and return where the dataset begins.

    Where everything lies in one folder inside the archive, that folder is returned.

    Raises:
        ValueError: no zip, damaged, encrypted, a name that leads out of `folder` (zip-slip), a link, more than
            `max_gib` or 200 times its own size unpacked, `folder` not empty. Nothing is left behind then.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not empty; name a new folder to unpack {archive.name} into")
    try:
        with zipfile.ZipFile(archive) as opened:
            members = list(_checked(opened, archive, max_gib))
            existed = folder.is_dir()
            folder.mkdir(parents=True, exist_ok=True)
            written: list[Path] = []
            try:
                for member, relative in members:
                    _write(opened, member, folder / relative, written)
            except BaseException:
                _take_back(folder, written, keep=existed)
                raise
    except FileNotFoundError as error:
        raise ValueError(f"{archive} is missing; check the path") from error
    except OSError as error:
        raise ValueError(
            f"{archive.name} cannot be unpacked to {folder} ({error.strerror}); check rights and free space"
        ) from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        raise ValueError(f"{archive.name} is no zip that can be unpacked ({error}); zip it again") from error
    return only_folder(folder)


def only_folder(folder: Path) -> Path:
    """Where a dataset begins: the only folder inside `folder`, or `folder` itself."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _checked(
    opened: zipfile.ZipFile, archive: Path, max_gib: float
) -> Iterator[tuple[zipfile.ZipInfo, PurePosixPath]]:
    total = sum(member.file_size for member in opened.infolist())
    if total > max_gib * 2**30:
        raise ValueError(
            f"{archive.name} unpacks to {total / 2**30:.1f} GiB, more than {max_gib:g}; split it"
        )
    packed = max(1, sum(member.compress_size for member in opened.infolist()))
    if total > _RATIO_FROM_BYTES and total / packed > MAX_RATIO:
        raise ValueError(
            f"{archive.name} unpacks to {total / packed:.0f} times its size, which pictures never do; check it"
        )
    for member in opened.infolist():
        name = member.filename.replace("\\", "/")
        path = PurePosixPath(name)
        on_a_drive = bool(path.parts) and path.parts[0][1:2] == ":"
        if path.is_absolute() or ".." in path.parts or on_a_drive:
            raise ValueError(
                f"{archive.name} holds {member.filename!r}, which leads out of its folder; zip it anew"
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ValueError(f"{archive.name} holds the link {member.filename!r}; zip the file itself")
        if member.flag_bits & 1:
            raise ValueError(f"{archive.name} is encrypted; unpack it yourself and give the folder")
        if not member.is_dir() and not name.startswith(_LEFT_ASIDE):
            yield member, path


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, written: list[Path]) -> None:
    """As many bytes as the directory of the archive promised, and no more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, path.open("xb") as target:
        written.append(path)
        left = member.file_size
        while chunk := source.read(min(_CHUNK_BYTES, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise zipfile.BadZipFile(f"{member.filename} is longer than it says")
            target.write(chunk)


def _take_back(folder: Path, written: list[Path], *, keep: bool) -> None:
    for path in written:
        path.unlink(missing_ok=True)
    for inner in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        inner.rmdir()
    if not keep:
        folder.rmdir()
