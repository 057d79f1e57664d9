"""Training runs of a home as the page handles them: started, watched, stopped, copied, thrown away. No torch.

A run's truth is its folder and the job table; nothing is remembered here.
Not here: checks before a start (`studio.training.preflight`), curves (`studio.training.curves`), the process itself
(`studio.training.job`).
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from finetune.config.files import differences, to_values
from finetune.config.run_config import FinetuneConfig
from finetune.json_text import parse_json
from finetune.run_folder import Request, RunFolder, create_run, find_run, list_runs, write_whole
from finetune.run_rows import is_number
from studio.datasets.places import located
from studio.home.roots import named_path
from studio.home.workspace import Workspace
from studio.models.adapters import RUN_FILE
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.training.job import end_now
from studio.training.run_lines import NOTES, TRIAL, RunLine, config_or_none, line_of, notes_of

Action = Literal["use", "stop", "stop_now", "save", "sample", "resume", "continue", "duplicate", "delete"]

TRASH = ".trash"
LONGEST_NOTE = 20_000
_CHECKPOINT = re.compile(r"step-(\d{6,})")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a dry run measured."""

    seconds_per_step: float
    peak_bytes: int
    device: str
    num_steps: int
    seconds_forecast: float
    bytes_forecast: int


@dataclass(frozen=True, slots=True)
class Trainings:
    """All runs of one home. Every method that names a run raises ValueError where it is gone."""

    workspace: Workspace
    jobs: JobTable
    hosted: bool = False
    """On a public host: only the home's own datasets and the catalogue's models."""

    # Starting

    def start(self, config: FinetuneConfig, *, trial: str | None = None) -> str:
        """Put a new run in the queue and return its name. The folder of its dry run `trial` is used where it was for
        the same settings, and deleted where not."""
        wanted = self.prepared(config)
        if trial is not None and (run := self._trial(trial)) is not None:
            if run.config() == wanted:
                return self._submit(run)
            self._discard(run)
        return self._submit(create_run(self.workspace.runs, wanted))

    def dry_run(self, config: FinetuneConfig, *, trial: str | None = None) -> str:
        """Queue three steps that change nothing; returns the name of the folder they are taken in."""
        wanted = self.prepared(config)
        if trial is not None and (old := self._trial(trial)) is not None:
            self._discard(old)
        run = create_run(self.workspace.runs, wanted)
        (run.path / TRIAL).touch()
        self.jobs.submit("train", {"run": run.name, "dry_run": True}, label=f"dry run of {run.name}")
        return run.name

    def resume(self, name: str, *, from_step: int | None = None) -> None:
        """Go on from the newest checkpoint, or from that of `from_step`: later ones are set aside."""
        run, line = self.run(name), self.line(name)
        if line.is_active:
            raise ValueError(f"{name} is {line.state} already; wait until it has ended, or stop it first")
        if line.state == "done" and from_step is None:
            raise ValueError(f"{name} is done; continue from an earlier checkpoint, or duplicate it")
        if from_step is not None and from_step not in self.checkpoints(name):
            have = ", ".join(str(step) for step in self.checkpoints(name))
            raise ValueError(f"{name} has no checkpoint of step {from_step}; it has {have or 'none'}")
        self._submit(run, from_step=from_step)

    def duplicate(self, name: str) -> FinetuneConfig:
        """Its settings for a new run that names it as its parent."""
        config = self.run(name).config()
        return replace(config, output=replace(config.output, parent=name))

    def prepared(self, config: FinetuneConfig) -> FinetuneConfig:
        """The settings as a run keeps them: places resolved, the encoded dataset in the cache that runs share.

        Raises ValueError for a model or dataset that is not here or, on a public host, not the studio's own.
        """
        if self.hosted:
            self._refuse_foreign_places(config)
        return located(config, self.workspace)

    # While it runs

    def stop(self, name: str) -> None:
        """Save and stop; a run that waits leaves the queue."""
        line = self.line(name)
        if line.job is not None:
            self.jobs.cancel(line.job)
        elif line.state in ("running", "stalled"):
            self.run(name).ask("STOP")
        else:
            raise ValueError(f"{name} does not run; there is nothing to stop")

    def stop_now(self, name: str) -> None:
        """End its process without saving; its last checkpoint stands."""
        line = self.line(name)
        if not line.is_active:
            raise ValueError(f"{name} does not run; there is nothing to stop")
        if line.job is not None:  # first, or the worker would start it again
            self.jobs.cancel(line.job)
        end_now(self.run(name))

    def ask(self, name: str, request: Request) -> None:
        """SAVE or SAMPLE after the step that it is in."""
        if self.line(name).state != "running":
            raise ValueError(f"{name} does not run; resume it first")
        self.run(name).ask(request)

    # Reading

    def listed(self) -> list[RunLine]:
        """Every run, the newest first."""
        jobs = self._jobs()
        return [line_of(run, jobs.get(run.name)) for run in list_runs(self.workspace.runs)]

    def changes(self) -> str:
        """Another text whenever `listed` would say something else, a death without a word among it. Cheap."""
        found = [str(self.jobs.version())]
        for run in list_runs(self.workspace.runs):
            try:
                status = run.state()
                found.append(f"{run.name} {status.state} {status.step} {status.stage} {status.message}")
            except ValueError as error:
                found.append(f"{run.name} {error}")
            found.append(f"{run.asked('STOP'):d}{run.path.joinpath(NOTES).exists():d}")
        return "\n".join(found)

    def line(self, name: str) -> RunLine:
        return line_of(self.run(name), self._jobs().get(name))

    def run(self, name: str) -> RunFolder:
        run = find_run(self.workspace.runs, name)
        if run is None:
            raise ValueError(f"there is no run {name!r}; it was deleted or renamed")
        return run

    def checkpoints(self, name: str) -> tuple[int, ...]:
        """Steps that it can go on from."""
        folder = self.run(name).checkpoints
        found = [_CHECKPOINT.fullmatch(path.name) for path in folder.iterdir()] if folder.is_dir() else []
        return tuple(sorted(int(match.group(1)) for match in found if match is not None))

    def actions(self, line: RunLine) -> tuple[Action, ...]:
        """What can be done with a run in its state."""
        if line.state == "running":
            samples = ("sample",) if self._has_prompts(line.name) else ()
            return ("stop", "stop_now", "save", *samples, "duplicate")
        if line.is_active:
            return ("stop", "duplicate") if line.state == "waiting" else ("stop", "stop_now", "duplicate")
        again: tuple[Action, ...] = () if line.state == "done" else ("resume",)
        back: tuple[Action, ...] = ("continue",) if self.checkpoints(line.name) else ()
        drawn: tuple[Action, ...] = () if self.adapter(line.name) is None else ("use",)
        return (*drawn, *again, *back, "duplicate", "delete")

    def adapter(self, name: str) -> str | None:
        """The LoRA that a run has left, by its path under the home; None before there is one."""
        path = f"{self.workspace.runs.name}/{name}/{RUN_FILE}"
        return path if (self.workspace.root / path).is_file() else None

    def forecast(self, name: str) -> Forecast | None:
        """What its dry run measured; None before that."""
        try:
            content = parse_json((self.run(name).path / "dry_run.json").read_text(encoding="utf-8"))
            found = {key: content[key] for key in Forecast.__dataclass_fields__}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        numbers = (value for key, value in found.items() if key != "device")
        sound = isinstance(found["device"], str) and all(is_number(value) for value in numbers)
        return Forecast(**found) if sound else None

    def compared(self, names: Sequence[str]) -> list[tuple[str, tuple[Any, ...], bool]]:
        """(section.key, value of each run, whether they differ) of every setting."""
        configs = [self.run(name).config() for name in names]
        differing = {key for other in configs[1:] for key, _, _ in differences(configs[0], other)}
        every = [to_values(config) for config in configs]
        return [
            (f"{section}.{key}", tuple(one[section][key] for one in every), f"{section}.{key}" in differing)
            for section, values in every[0].items()
            for key in values
        ]

    # Notes and trash

    def notes(self, name: str) -> str:
        """As they were written last; at first what the settings say."""
        return notes_of(self.run(name))

    def write_notes(self, name: str, text: str) -> None:
        if len(text) > LONGEST_NOTE:
            raise ValueError(f"notes may have {LONGEST_NOTE:,} letters, got {len(text):,}; shorten them")
        write_whole(self.run(name).path / NOTES, text)

    def delete(self, name: str) -> str:
        """Move it to the trash; returns what it is called there, for `restore`."""
        line = self.line(name)
        if line.is_active:
            raise ValueError(f"{name} is {line.state}; stop it before it is deleted")
        trash = self.workspace.runs / TRASH
        trash.mkdir(exist_ok=True)
        kept = f"{name}.{time.time_ns()}"
        self.run(name).path.rename(trash / kept)
        return kept

    def restore(self, trashed: str) -> str:
        """Bring a run back from the trash; returns its name, another one where that was taken since."""
        source = self.workspace.runs / TRASH / trashed
        if source.parent != self.workspace.runs / TRASH or not source.is_dir():
            raise ValueError(f"{trashed!r} is not in the trash; it was emptied")
        name = trashed.rpartition(".")[0]
        target, number = self.workspace.runs / name, 2
        while target.exists():
            target, number = self.workspace.runs / f"{name}-{number}", number + 1
        source.rename(target)
        return target.name

    # Within

    def _submit(self, run: RunFolder, *, from_step: int | None = None) -> str:
        (run.path / TRIAL).unlink(missing_ok=True)
        self.jobs.submit("train", {"run": run.name, "from_step": from_step}, label=run.name)
        return run.name

    def _trial(self, name: str) -> RunFolder | None:
        path = self.workspace.runs / name
        is_one = path.parent == self.workspace.runs and (path / TRIAL).is_file()
        return RunFolder(path) if is_one else None

    def _discard(self, run: RunFolder) -> None:
        """Only what a dry run left, and only when it has ended."""
        line = self.line(run.name)
        if line.state == "waiting" and line.job is not None:
            self.jobs.cancel(line.job)
        elif line.is_active:
            raise ValueError(f"the dry run of {run.name} has not ended; wait for it, or stop it first")
        shutil.rmtree(run.path, ignore_errors=True)

    def _jobs(self) -> dict[str, Job]:
        """Run -> the job that waits or runs for it, else the one that ended last."""
        found: dict[str, Job] = {}
        for job in self.jobs.jobs(kind="train"):
            found.setdefault(str(job.request.get("run", "")), job)
        return found

    def _has_prompts(self, name: str) -> bool:
        config = config_or_none(self.run(name))
        return config is not None and bool(config.samples.prompts)

    def _refuse_foreign_places(self, config: FinetuneConfig) -> None:
        from studio.models.catalogue import CATALOGUE

        ours = self.workspace.datasets.resolve()
        if ours not in named_path(config.data.source).resolve().parents:
            raise ValueError(
                "data.source is not a dataset of this studio; choose one of its list, or drop a zip"
            )
        if config.data.cache:
            raise ValueError("data.cache names a folder, which a public studio does not take; leave it empty")
        if config.model.base not in {name for entry in CATALOGUE for name in (entry.id, entry.source)}:
            raise ValueError(f"model.base {config.model.base[:80]!r} is not in the catalogue; choose from it")
