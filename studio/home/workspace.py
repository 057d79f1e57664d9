"""Where everything lies: one root folder, opened once and passed in, and the locks that guard it.

Not here: what is in the files (`studio.queue.table`, `studio.pictures.gallery`), the choice of the root
(`studio.home.settings`).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from finetune.processes import birth, is_alive
from studio.home.code_mark import code_mark
from studio.home.disk import disk_words, require_free

MIN_FREE_MIB = 16
"""Below this the studio does not open: not even its database could grow."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The studio's folders. `open` makes them; the plain constructor touches nothing."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """Make the folders and prove that they can be written.

        Raises ValueError where `root` is a file or cannot be written, and on a full disk.
        """
        root = root.expanduser().absolute()
        if root.exists() and not root.is_dir():
            raise ValueError(f"the home {root} is a file; choose a folder with --home or STUDIO_HOME")
        workspace = cls(root)
        with disk_words(root):
            root.mkdir(parents=True, exist_ok=True)
            require_free(root, MIN_FREE_MIB)
            for folder in workspace.folders():
                folder.mkdir(parents=True, exist_ok=True)
            _try_writing(root)
        return workspace

    @property
    def database(self) -> Path:
        return self.root / "studio.db"

    @property
    def pictures(self) -> Path:
        """The masters, <id>.png."""
        return self.root / "pictures"

    @property
    def thumbnails(self) -> Path:
        return self.pictures / "thumbnails"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def cache(self) -> Path:
        """All that can be made again."""
        return self.root / "cache"

    @property
    def latents(self) -> Path:
        """Of unfinished renders, to resume from."""
        return self.cache / "latents"

    @property
    def previews(self) -> Path:
        """JPEGs for the browser: of pictures at full size, and of running jobs."""
        return self.cache / "previews"

    @property
    def uploads(self) -> Path:
        return self.cache / "uploads"

    @property
    def looking(self) -> Path:
        """What Inspect makes of pictures: a cache."""
        return self.cache / "looking"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def worker_log(self) -> Path:
        return self.logs / "worker.log"

    @property
    def worker_lock(self) -> Path:
        return self.root / "worker.lock"

    @property
    def server_lock(self) -> Path:
        return self.root / "server.lock"

    def folders(self) -> tuple[Path, ...]:
        return (
            *(self.pictures, self.thumbnails, self.runs, self.datasets, self.latents, self.previews),
            *(self.uploads, self.looking, self.logs),
        )

    @contextmanager
    def serve_lock(self, address: str) -> Iterator[None]:
        """Hold this home for the server at `address`, a URL. The lock dies with its process, however it ends.

        Raises ValueError while another server holds it.
        """
        with held_lock(self.server_lock, about={"address": address}) as holder:
            if holder is not None:
                raise ValueError(
                    f"{self.root} is already served by process {holder.get('pid', '?')} at "
                    f"{holder.get('address', 'an unknown address')}; open that page, stop that server, "
                    "or choose another home with --home"
                )
            yield


@contextmanager
def held_lock(path: Path, *, about: dict[str, str] | None = None) -> Iterator[dict[str, object] | None]:
    """Try to take the lock file `path`: yields None while we hold it, or what its holder wrote into it.

    The file stays when the lock goes, so nobody can ever hold a deleted one.
    """
    with disk_words(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield _holder(descriptor)
            return
        write_lock_note(path, {} if about is None else about)
        yield None
    finally:
        os.close(descriptor)


def write_lock_note(path: Path, about: dict[str, str]) -> None:
    """Say in a lock file that this process holds it. Only for the one that does."""
    note = {"pid": os.getpid(), "born": birth(os.getpid()), "code": code_mark(), **about}
    path.write_text(json.dumps(note), encoding="utf-8")


def lock_note(path: Path) -> dict[str, object]:
    """What the last holder of a lock file wrote, dead or alive; empty if nobody ever held it.

    For looking only: trying the lock would turn away whoever wants it at that moment.
    """
    try:
        note = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def holder_lives(note: dict[str, object]) -> bool:
    """Whether the process that wrote this lock note still runs."""
    pid, born = note.get("pid"), note.get("born")
    return isinstance(pid, int) and isinstance(born, str) and is_alive(pid, born)


def _holder(descriptor: int) -> dict[str, object]:
    """What the holder wrote; empty while it is still writing."""
    try:
        note = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def _try_writing(root: Path) -> None:
    """Write and remove one small file: permission bits alone do not tell a read-only mount."""
    probe = root / f".writable-{os.getpid()}"
    try:
        probe.write_bytes(b"0")
    finally:
        probe.unlink(missing_ok=True)
