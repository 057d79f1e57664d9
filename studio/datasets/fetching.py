"""Datasets of the hub into the home, by a process of its own: begun, told of, stopped, and gone on with. No torch.

Not here: that process (`studio.datasets.fetch_child`), a dataset that is here (`studio.datasets.open`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from finetune.data.fetch_record import read_record
from finetune.data.hub_dataset import FetchSettings
from finetune.data.hub_stream import HubSource, is_hub_id
from studio.home.background import Background, TaskState
from studio.home.child_lines import EXIT, said_by
from studio.home.workspace import Workspace
from studio.models.hub import Hub

Told = Callable[[int, int], bool]
"""(pictures here, pictures to come to or 0); False stops. Also asked while nothing comes."""

CHILD = "studio.datasets.fetch_child"
_NAME = re.compile(r"[\w-][\w.-]{0,59}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a fetch ended."""

    folder: Path
    pictures: int
    skipped: int
    stopped: bool
    words: str


def fetch_folder(workspace: Workspace, source: HubSource, into: str | None = None) -> Path:
    """Where a dataset is fetched to: under the home's datasets, in `into` or under its own name.

    Its own name gets a number where something else lies there; a fetch of the same dataset is gone on with.
    Raises ValueError for a name that is none.
    """
    if into is not None:
        if not _NAME.fullmatch(into):
            raise ValueError(f"a dataset's name has letters, digits, dots and dashes, got {into[:60]!r}")
        return workspace.datasets / into
    stem = source.hub_id.partition("/")[2][:50]
    folder, number = workspace.datasets / stem, 2
    while folder.exists() and not _is_of(folder, source):
        folder, number = workspace.datasets / f"{stem}-{number}", number + 1
    return folder


def check_is_here(source: Path) -> None:
    """Raise ValueError for what names a dataset of the hub and no folder or zip of this machine."""
    if is_hub_id(str(source)) and not source.exists():
        raise ValueError(
            f"{source} is no folder here; if it is a dataset of the hub, `d4k dataset fetch {source}` brings it first"
        )


def fetch(
    source: HubSource, folder: Path, settings: FetchSettings, *, told: Told, environ: Mapping[str, str]
) -> Fetched:
    """Stream `source` into `folder` and wait for the end.

    Args:
        environ: Of the process that reads: HF_ENDPOINT and HF_TOKEN have their usual meaning.

    Raises ValueError, with the remedy, for whatever refuses; what has come stays.
    """
    Hub.from_environment(environ)  # a bad HF_ENDPOINT is told here
    order = {"source": asdict(source), "folder": str(folder), "settings": asdict(settings)}
    done, total = 0, 0
    with closing(said_by(CHILD, order, environ={**environ, "HF_HUB_DISABLE_TELEMETRY": "1"})) as entries:
        for entry in entries:
            if "error" in entry:
                raise ValueError(str(entry["error"]))
            if "words" in entry:
                return Fetched(
                    folder, int(entry["pictures"]), int(entry["skipped"]), False, str(entry["words"])
                )
            if EXIT in entry:
                how = f"exit code {entry[EXIT]} {entry['last']}".strip()
                raise ValueError(f"the fetch of {source.hub_id} broke off ({how}); start again to go on")
            done, total = int(entry.get("done", done)), int(entry.get("total", total))
            if not told(done, total):
                return Fetched(folder, done, 0, True, f"stopped at {_pictures(done)}; start again to go on")
    raise AssertionError("a process always says how it ended")


class Fetches:
    """One fetch at a time, in the background. Safe from any thread."""

    def __init__(self, workspace: Workspace, environ: Mapping[str, str]) -> None:
        self._workspace, self._environ = workspace, environ
        self._task = Background("fetch", lambda: None)
        self._folder: Path | None = None

    @property
    def state(self) -> TaskState:
        return self._task.state

    @property
    def folder(self) -> Path | None:
        """Of the fetch that runs, or ran last."""
        return self._folder

    def start(
        self, hub_id: str, *, split: str = "", text_column: str = "", max_pictures: int | None = None
    ) -> bool:
        """Begin, or go on where an earlier fetch was cut; False while another one runs.

        Args:
            hub_id: owner/name, owner/name@revision, or the address of the dataset's page.
            split: Empty: "train", or the only one.
            text_column: Empty: the first of a usual name; "none": no captions.

        Raises ValueError for what is no hub id.
        """
        source = HubSource.parse(hub_id, split=split.strip() if split.strip() else None)
        column = text_column.strip() if text_column.strip() else None
        settings = FetchSettings(text_column=column, max_pictures=max_pictures)
        folder = fetch_folder(self._workspace, source)

        def work() -> str:
            self._folder = folder
            end = fetch(source, folder, settings, told=self._tell, environ=self._environ)
            return end.words

        return self._task.start(work, words=f"asking the hub for {source.hub_id}")

    def stop(self) -> None:
        """Within a second; what has come stays."""
        self._task.stop()

    def wait(self, timeout_s: float) -> TaskState:
        return self._task.wait(timeout_s)

    def _tell(self, done: int, total: int) -> bool:
        words = None if not done else f"{done} of {total} pictures" if total else _pictures(done)
        return self._task.tell(done, total, words)


def _is_of(folder: Path, source: HubSource) -> bool:
    try:
        record = read_record(folder)
    except ValueError:
        return False  # damaged: not to be gone on with
    if record is None:
        return False
    held = record.source
    same_split = source.split is None or source.split == held.split
    return (held.hub_id, held.subset) == (source.hub_id, source.subset) and same_split


def _pictures(count: int) -> str:
    return f"{count} {'picture' if count == 1 else 'pictures'}"
