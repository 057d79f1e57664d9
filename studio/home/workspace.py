"""Where everything lies: one root folder, opened once and passed in.

Not here: what is in the files (`studio.queue.table`, `studio.pictures.gallery`), the choice of the root
(`studio.home.settings`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from finetune.named_paths import expanded, is_there
from studio.home.disk import disk_words, require_free, try_writing
from studio.home.locks import held_lock

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
        root = expanded(root).absolute()
        if is_there(root) and not root.is_dir():
            raise ValueError(f"the home {root} is a file; choose a folder with --home or STUDIO_HOME")
        workspace = cls(root)
        with disk_words(root):
            root.mkdir(parents=True, exist_ok=True)
            require_free(root, MIN_FREE_MIB)
        for folder in workspace.folders():
            with disk_words(folder):
                folder.mkdir(parents=True, exist_ok=True)
        with disk_words(root):
            try_writing(root)
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
