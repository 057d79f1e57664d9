"""The folder of one training run: what is told to it, what it reports, and what may be asked of it. No torch.

    config.json   settings, written before step 1      steps.jsonl  a line a step, and marks of restarts
    status.json   where it stands, with a heartbeat    log.txt      what was said
    validation.jsonl, samples/, checkpoints/, adapter/ or transformer/
    STOP, SAVE, SAMPLE   empty files: requests, taken away when granted

Not here: what is in a checkpoint (`finetune.checkpointing`), training (`finetune.train`).
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from finetune.config.files import from_values, to_values
from finetune.config.run_config import FinetuneConfig
from finetune.json_text import parse_json
from finetune.locking import tried_lock
from finetune.processes import birth, is_alive
from finetune.run_rows import Row, read_rows
from finetune.run_status import State, Status, trouble_of
from finetune.whole_files import whole_file
from finetune.whole_text import whole_text

VERSION = 1
FRESH_S = 20.0
"""A heartbeat comes every 2 s, whatever a step takes."""

_OF_A_RUN = ("config.json", "status.json", "steps.jsonl")
"""Files of which any tells a run from another folder."""

Request = Literal["STOP", "SAVE", "SAMPLE"]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths and files of one run. `create_run` makes one."""

    path: Path

    @property
    def name(self) -> str:
        """Of its folder, as text that every file and page can hold."""
        return whole_text(self.path.name)

    @property
    def made_at(self) -> float:
        """Seconds since 1970; 0 where nothing of it can be asked."""
        for path in (self.config_file, self.path):
            with suppress(OSError):
                return path.stat().st_mtime
        return 0.0

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def config_file(self) -> Path:
        return self.path / "config.json"

    def config(self) -> FinetuneConfig:
        """Raises ValueError for no run, an unreadable one, and one of a newer version."""
        try:
            content = parse_json(self.config_file.read_text(encoding="utf-8"))
            version, values = int(content["version"]), content["config"]
        except FileNotFoundError as error:
            raise ValueError(
                f"{self.path} is no run: it has no config.json; give the folder of a run"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise ValueError(
                f"{self.config_file} cannot be read ({error}); restore it, or make a new run"
            ) from error
        if version > VERSION:
            raise ValueError(
                f"{self.path} is a run of version {version}, and this studio knows up to {VERSION}; update the studio"
            )
        return from_values(values, source=str(self.config_file))

    def state(self, *, now: float | None = None) -> Status:
        """Where it truly stands: what it said last, judged by whether its process lives and its heart beats."""
        said = self.said()
        if said is None:
            return Status("new")
        if said.state != "running":
            return said
        age = (time.time() if now is None else now) - said.heartbeat_at
        here = said.host == socket.gethostname()
        if here and not is_alive(said.pid, said.pid_born):
            resume = f"resume it, it goes on from step {said.checkpoint_step}"
            return _restated(
                said, "interrupted", f"its process ended without a word at step {said.step}; {resume}"
            )
        if age > FRESH_S:
            where = f"process {said.pid}" if here else f"process {said.pid} on {said.host}"
            return _restated(said, "stalled", f"{where} has not been heard of for {age:.0f} s")
        return said

    def said(self) -> Status | None:
        """status.json as it lies there. Raises ValueError where it cannot be read."""
        path = self.path / "status.json"
        try:
            content = parse_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read ({error}); delete it and resume") from error
        trouble = trouble_of(content)
        if trouble is not None:
            raise ValueError(f"{path} is damaged: {trouble}; delete it and resume")
        return Status(
            **{name: value for name, value in content.items() if name in Status.__dataclass_fields__}
        )

    def say(self, status: Status) -> None:
        """Replace status.json at one stroke; the process and the time are filled in."""
        content = asdict(status) | {
            "pid": os.getpid(),
            "pid_born": birth(os.getpid()),
            "host": socket.gethostname(),
            "heartbeat_at": time.time(),
        }
        write_whole(self.path / "status.json", json.dumps(content))

    def append(self, file_name: str, row: dict[str, Any]) -> None:
        """One line, handed to the disk before this returns."""
        with (self.path / file_name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def rows(self, file_name: str = "steps.jsonl") -> list[Row]:
        """Lines that count: of steps that a restart did again the later ones; marks of restarts stay, as
        {"restart": step, ...}. Damaged lines, and a last one cut short by a crash, are left out."""
        return read_rows(self.path / file_name)[0]

    def mark_restart(self, step: int) -> None:
        """Before a run goes on after `step`: rows of later steps no longer count. Samples are the same again."""
        for file_name in ("steps.jsonl", "validation.jsonl", "samples.jsonl"):
            path = self.path / file_name
            if not path.exists():
                continue
            _end_line(path)
            if file_name != "samples.jsonl":
                self.append(file_name, {"restart": step, "time": time.time()})

    def ask(self, request: Request) -> None:
        """Leave a request; the run sees it after the step it is in."""
        (self.path / request).touch()

    def asked(self, request: Request) -> bool:
        return (self.path / request).exists()

    def granted(self, request: Request) -> None:
        (self.path / request).unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run for this process; the system lets go of it when the process dies, however.

        Raises ValueError where another process holds it.
        """
        with tried_lock(self.path / "lock") as ours:
            if not ours:
                raise ValueError(f"{self.name} is being trained by another process; stop that one first")
            yield


def create_run(runs: Path, config: FinetuneConfig) -> RunFolder:
    """Make the folder of a new run, named after `output.name` and numbered where the name is taken."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", config.output.name)
    runs.mkdir(parents=True, exist_ok=True)
    for number in range(1, 10_000):
        path = runs / (slug if number == 1 else f"{slug}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        run = RunFolder(path)
        write_whole(run.config_file, json.dumps({"version": VERSION, "config": to_values(config)}, indent=1))
        return run
    raise ValueError(f"{runs} holds 9,999 runs called {slug}; choose another output.name")


def list_runs(runs: Path) -> list[RunFolder]:
    """Runs of a folder, newest first; what is left of damaged ones among them."""
    found = [RunFolder(path) for path in runs.iterdir() if is_run(path)]
    return sorted(found, key=lambda run: run.made_at, reverse=True)


def find_run(runs: Path, name: str) -> RunFolder | None:
    """The run of a name; also of one that stands for a name that is no text, see `RunFolder.name`."""
    path = runs / name
    if name and path.parent == runs and is_run(path):
        return RunFolder(path)
    return next((run for run in list_runs(runs) if run.name == name), None) if "\ufffd" in name else None


def is_run(folder: Path) -> bool:
    """Whether a run was trained there, whatever is left of it."""
    return not folder.name.startswith(".") and any((folder / name).is_file() for name in _OF_A_RUN)


def state_of(folder: Path) -> Status:
    """Where the run of a folder truly stands."""
    return RunFolder(folder).state()


def write_whole(path: Path, text: str) -> None:
    """All of the text or, where anything goes wrong, what was there before."""
    with whole_file(path) as part, part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _end_line(path: Path) -> None:
    """What a crash cut short must not swallow the next line."""
    with path.open("rb+") as file:
        if not file.seek(0, os.SEEK_END):
            return
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _restated(status: Status, state: State, message: str) -> Status:
    return Status(**(asdict(status) | {"state": state, "message": message}))
