"""One large file over HTTP: resumed where it was cut, stopped at a word, checked against its digest.

Not here: which files, and from where (`studio.models.hub`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import get_session, hf_raise_for_status
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from studio.home.disk import disk_words

OnBytes = Callable[[int], bool]
"""Told of how many bytes are here; False asks to stop."""

CHUNK_BYTES = 2**16
"""Small, so that a slow line tells of itself and stops at a word."""

MAX_ATTEMPTS = 4
"""In a row without a new byte."""

_SHA256_LETTERS = 64


class Stopped(Exception):
    """The download was stopped because somebody asked for it; what has come stays."""


class Damaged(ValueError):
    """What came is not what was promised."""


def part_path(blob: Path) -> Path:
    """Where the bytes of an unfinished blob lie: under its digest, so that another version never continues it."""
    return blob.with_name(f"{blob.name}.d4k-part")


def partial_bytes(blob: Path, size_bytes: int) -> int:
    """How much of a blob has come; 0 where nothing has, or more than there can be."""
    part = part_path(blob)
    came = part.stat().st_size if part.is_file() else 0
    return came if came <= size_bytes else 0


def transfer(url: str, blob: Path, *, size_bytes: int, token: str | None, on_bytes: OnBytes) -> None:
    """Fetch `url` to `blob`, going on after what an earlier attempt has left.

    A connection that breaks is taken up again, up to MAX_ATTEMPTS times without a new byte. Large files are
    compared with their digest, the blob's name, before they are put in place; wrong ones are deleted.

    Raises:
        Stopped: `on_bytes` answered False.
        Damaged: The length or the digest is not what was promised.
        Exception: The library's, where the hub refuses or cannot be reached.
    """
    blob.parent.mkdir(parents=True, exist_ok=True)
    part, failed = part_path(blob), 0
    if partial_bytes(blob, size_bytes) == 0:
        part.unlink(missing_ok=True)
    while partial_bytes(blob, size_bytes) < size_bytes or not part.is_file():
        before = partial_bytes(blob, size_bytes)
        try:
            _append(url, part, size_bytes, token, on_bytes)
        except Exception as error:
            failed = 0 if partial_bytes(blob, size_bytes) > before else failed + 1
            if not _is_passing(error) or failed >= MAX_ATTEMPTS:
                raise
    _check(part, blob, size_bytes)
    os.replace(part, blob)


def file_digest(path: Path, on_bytes: OnBytes | None = None) -> str:
    """SHA-256 of a whole file, in hex. Raises Stopped where `on_bytes` answers False."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(64 * CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            if on_bytes is not None and not on_bytes(done):
                raise Stopped
    return digest.hexdigest()


def _append(url: str, part: Path, size_bytes: int, token: str | None, on_bytes: OnBytes) -> None:
    """One request, from the first byte that is missing."""
    came = part.stat().st_size if part.is_file() else 0
    headers = build_hf_headers(token=False if token is None else token, library_name="diffusion-4k-studio")
    headers["Accept-Encoding"] = "identity"
    if came:
        headers["Range"] = f"bytes={came}-"
    with get_session().stream("GET", url, headers=headers, timeout=20, follow_redirects=True) as response:
        hf_raise_for_status(response)
        if came and response.status_code != 206:  # this server sends files whole or not at all
            came = 0
        with disk_words(part), part.open("ab" if came else "wb") as file:
            for chunk in response.iter_bytes(CHUNK_BYTES):
                came += len(chunk)
                if came > size_bytes:
                    part.unlink(missing_ok=True)
                    raise Damaged(f"more came than the {size_bytes} bytes that the hub promised; try again")
                file.write(chunk)
                if not on_bytes(came):
                    raise Stopped


def _check(part: Path, blob: Path, size_bytes: int) -> None:
    is_sha256 = len(blob.name) == _SHA256_LETTERS
    if part.stat().st_size != size_bytes or (is_sha256 and file_digest(part) != blob.name):
        part.unlink()
        raise Damaged(
            "a file came damaged, it is not what the hub promised, and was thrown away; start the download again"
        )


def _is_passing(error: Exception) -> bool:
    """A broken line, as the library's HTTP client names it."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"TransportError", "ConnectionError"}) and "OfflineModeIsEnabled" not in names
