"""What the Benchmark view does: handlers over plain values. No widgets, no arithmetic.

Not here: duels (`studio.ui.benchmark.duels`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from studio.benchmark.duels import votes_csv
from studio.benchmark.folder import (
    SCORES,
    SETS,
    VOTES,
    BenchmarkFolder,
    create_benchmark,
    find_benchmark,
    free_name,
    list_benchmarks,
)
from studio.benchmark.markup import scores_markup, status_markup
from studio.benchmark.plan import BenchmarkPlan
from studio.benchmark.progress import (
    Standings,
    ask_for_benchmark,
    check_contenders,
    is_going_on,
    measuring_of,
    standings,
    stop_benchmark,
)
from studio.benchmark.prompts import OWN, read_prompts
from studio.benchmark.report import NAMES
from studio.benchmark.table import benchmark_table
from studio.datasets.open import Datasets
from studio.home.disk import disk_words, whole_file
from studio.home.roots import check_inside, named_path
from studio.home.settings import Settings
from studio.pictures.gallery import Gallery
from studio.queue.job import ENDED, Job
from studio.queue.table import JobTable
from studio.render_request import parse_size
from studio.ui.benchmark.contenders import ContenderContent, contenders_of
from studio.ui.messages import shows_errors

OWN_TITLE = "Micro-4K's own 24 prompts"
VOTES_NAME = "votes.csv"
Seen = dict[str, str]


@dataclass(frozen=True, slots=True)
class BenchmarkHandlers:
    """The benchmarks of a home."""

    jobs: JobTable
    gallery: Gallery
    settings: Settings
    looking: Path
    """A cache, whose files the page may be given."""

    def names(self) -> list[str]:
        """Every benchmark of the home, the last made first."""
        return [one.name for one in list_benchmarks(self.gallery.workspace)]

    def unfold(self) -> Any:
        """The form stands open where there is no benchmark yet."""
        return gr.update(open=not self.names())

    def offer(self, chosen: str | None) -> tuple[Any, Any]:
        """(benchmarks, prompts) as they are now; the last benchmark is chosen where none is.

        One that is still there is not told again: an answer that comes late would undo what was chosen since.
        """
        names = self.names()
        told: dict[str, Any] = {} if chosen in names else {"value": names[0] if names else None}
        listed = [(one.title, one.path) for one in Datasets(self.gallery.workspace).listed()]
        return gr.update(choices=names, **told), gr.update(choices=[(OWN_TITLE, OWN), *listed])

    def version(self, watched: list[str]) -> str:
        """Another text whenever the page might show something else."""
        if not watched:
            return ""
        folder = find_benchmark(self.gallery.workspace, watched[0])
        parts = [str(self.jobs.count(states=(state,))) for state in ("queued", "running", *ENDED)]
        for name in (SCORES, SETS, VOTES, NAMES[0]):
            file = folder.path / name
            parts.append(str(file.stat().st_mtime_ns) if file.exists() else "")
        job = self._measuring(folder)
        return " ".join([*parts, "" if job is None else f"{job.progress.step} {job.progress.stage}"])

    def start(
        self,
        name: str,
        contenders: ContenderContent,
        prompts: str | None,
        limit: str,
        seeds: str,
        size: str,
        columns: Sequence[str],
    ) -> tuple[BenchmarkFolder, tuple[str, ...]]:
        """Make it and queue its pictures: (folder, what was left out). Raises ValueError before anything is queued."""
        found = read_prompts(self._allowed((prompts or "").strip()), limit=parse_limit(limit))
        width_px, height_px = parse_size(size.replace("×", "x").replace(" ", ""))
        plan = BenchmarkPlan(
            name=name.strip() or free_name(self.gallery.workspace),
            contenders=contenders_of(contenders),
            prompts=found.prompts,
            prompt_set=found.name,
            seeds=parse_seeds(seeds),
            width_px=width_px,
            height_px=height_px,
            columns=tuple(columns),
        )
        check_contenders(plan, self.settings)
        folder = create_benchmark(self.gallery.workspace, plan)
        ask_for_benchmark(folder, jobs=self.jobs, gallery=self.gallery)
        return folder, found.left_out

    @shows_errors
    def go_on(self, name: str | None) -> None:
        """Queue what is missing, and measure what is not measured yet."""
        folder = self._chosen(name)
        check_contenders(folder.plan(), self.settings)
        ask_for_benchmark(folder, jobs=self.jobs, gallery=self.gallery)

    @shows_errors
    def stop(self, name: str | None) -> None:
        stop_benchmark(self._chosen(name), jobs=self.jobs, gallery=self.gallery)

    def news(self, name: str | None, seen: Seen) -> tuple[Any, ...]:
        """(state, scores, go on, stop, the files, seen), each skipped where the page shows it already."""
        skip = gr.skip()
        if not name:
            hidden = gr.update(visible=False)
            return (status_markup(None), "", hidden, hidden, *(hidden,) * len(FILES), {})
        try:
            folder = find_benchmark(self.gallery.workspace, name)
            found = standings(folder.plan(), jobs=self.jobs, gallery=self.gallery)
        except ValueError as error:
            hidden = gr.update(visible=False)
            return (status_markup(None, str(error)), "", hidden, hidden, *(hidden,) * len(FILES), {})
        counts, job = found.counts(), self._measuring(folder)
        going = is_going_on(found) or job is not None
        state = status_markup(found, measuring=job)
        marks = [
            str((folder.path / part).stat().st_mtime_ns) if (folder.path / part).exists() else ""
            for part in (SCORES, SETS)
        ]
        files = (folder.path / NAMES[0], folder.path / VOTES)
        now = {
            "name": name,
            "state": state,
            "scores": " ".join([*marks, str(counts["done"]), str(len(found.troubles()))]),
            "going": str(going),
            "files": " ".join(str(file.stat().st_mtime_ns) if file.exists() else "" for file in files),
        }
        same = {key: seen.get("name") == name and seen.get(key) == now[key] for key in now}
        return (
            skip if same["state"] else state,
            skip if same["scores"] else scores_markup(benchmark_table(folder, found)),
            skip if same["going"] else gr.update(visible=not going),
            skip if same["going"] else gr.update(visible=going),
            *((skip,) * len(FILES) if same["files"] else self._files(folder, found)),
            now,
        )

    def _allowed(self, source: str) -> str:
        """The prompts that were named, if the page may read them: on a public host those of the home's datasets."""
        if not source or source == OWN:
            return source
        home = self.gallery.workspace.root
        check_inside(Path(source), home=home)
        if self.settings.hosted and not named_path(source).resolve().is_relative_to(home.resolve()):
            raise ValueError("on a public host prompts come from its own datasets; choose one of the list")
        return source

    def _chosen(self, name: str | None) -> BenchmarkFolder:
        if not name:
            raise ValueError("no benchmark is chosen; choose one, or make one")
        return find_benchmark(self.gallery.workspace, name)

    def _measuring(self, folder: BenchmarkFolder) -> Job | None:
        """The job that measures it, while it runs or waits."""
        return next(iter(measuring_of(folder, self.jobs)), None)

    def _files(self, folder: BenchmarkFolder, found: Standings) -> list[Any]:
        """A button for each file of `FILES` that there is."""
        buttons = []
        for name in FILES:
            if name == VOTES_NAME:
                content = votes_csv(folder, found) if (folder.path / VOTES).exists() else ""
                path = self._copy(name, folder.name, content.encode("utf-8")) if content else None
            else:
                source = folder.path / name
                path = self._copy(name, folder.name, source.read_bytes()) if source.exists() else None
            buttons.append(gr.update(value=None if path is None else str(path), visible=path is not None))
        return buttons

    def _copy(self, name: str, benchmark: str, content: bytes) -> Path:
        """Into the cache, under its content, so that two readers never get each other's."""
        folder = self.looking / "benchmarks" / hashlib.sha256(content).hexdigest()[:32]
        path = folder / f"{benchmark} {name}"
        if not path.exists():
            with disk_words(path):
                folder.mkdir(parents=True, exist_ok=True)
                with whole_file(path) as part:
                    part.write_bytes(content)
        return path


FILES = (*NAMES, VOTES_NAME)
"""What can be taken away of a benchmark."""


def parse_limit(text: str) -> int | None:
    """How many prompts are taken; None for all of them. Raises ValueError for what is no number."""
    word = str(text).strip()
    if word in ("", "all"):
        return None
    if not word.isdecimal() or int(word) < 1:
        raise ValueError(f"of the prompts a whole number is taken, or all of them; got {word[:60]!r}")
    return int(word)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Whole numbers between commas. Raises ValueError for what is none."""
    words = [word.strip() for word in str(text).split(",") if word.strip()]
    if not words or not all(word.isdecimal() for word in words):
        raise ValueError(f"seeds are whole numbers between commas, such as 0, 1, 2; got {str(text)[:60]!r}")
    return tuple(int(word) for word in words)
