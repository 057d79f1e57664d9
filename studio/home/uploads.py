"""Files that browsers sent: kept while somebody may look at them, and then forgotten.

Gradio writes each into a folder of its own, named by the content. Nothing of the studio lives there for long: what is
to be kept (a picture for the gallery, a LoRA) is copied. Not here: how large an upload may be (`studio.home.settings`).
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from studio.home.init_images import forget_init_images

HOUR_S = 3_600.0
KEPT_S, KEPT_OF_VISITORS_S = 7 * 24 * HOUR_S, 24 * HOUR_S
"""On one's own machine, and on a public host."""


def forget_uploads(folder: Path, *, older_s: float, now: Callable[[], float] = time.time) -> int:
    """Delete what was sent, or written to, more than `older_s` seconds ago; returns how many entries."""
    gone = 0
    for entry in folder.glob("*"):
        with suppress(OSError):  # another server's sweep, or a file that is being read: the next hour will do
            times = [path.lstat().st_mtime for path in (entry, *entry.rglob("*"))]
            if now() - max(times) <= older_s:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
            gone += 1
    return gone


class UploadSweep:
    """Forgets old uploads now and every hour, until it is stopped."""

    def __init__(
        self, folder: Path, *, older_s: float, init_images_of: Path | None = None, every_s: float = HOUR_S
    ) -> None:
        """`init_images_of`: a home whose pictures to begin from are forgotten as well."""
        self._ended = threading.Event()
        given = (folder, older_s, init_images_of, every_s)
        self._thread = threading.Thread(target=self._run, args=given, name="uploads", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self, folder: Path, older_s: float, init_images_of: Path | None, every_s: float) -> None:
        while True:
            forget_uploads(folder, older_s=older_s)
            if init_images_of is not None:
                forget_init_images(init_images_of, older_s=older_s)
            if self._ended.wait(every_s):
                return
