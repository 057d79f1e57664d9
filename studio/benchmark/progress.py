"""How far a benchmark is drawn, and asking for the rest: every cell is a render job like any other. No torch.

Not here: measuring what is drawn (`studio.benchmark.scoring`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from studio.benchmark.folder import BenchmarkFolder
from studio.benchmark.plan import BenchmarkPlan, Cell
from studio.home.settings import Settings
from studio.models.admission import admit
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.standing import Standing, ask_for_missing, standing_of
from studio.queue.job import Job
from studio.queue.table import JobTable

SCORE = "benchmark"
"""The kind of job that measures a benchmark, see `studio.work.kinds`."""


@dataclass(frozen=True, slots=True)
class Standings:
    """Of every cell, in their order."""

    plan: BenchmarkPlan
    cells: tuple[tuple[Cell, Standing], ...]

    def counts(self) -> Counter[str]:
        """How many cells are in each state."""
        return Counter(standing.state for _, standing in self.cells)

    def pictures(self, contender: str) -> list[tuple[Cell, Picture]]:
        """Those that one contender has drawn, in the order of the cells."""
        return [
            (cell, standing.picture)
            for cell, standing in self.cells
            if cell.contender == contender and standing.picture is not None
        ]

    def troubles(self, in_place: Mapping[tuple[str, str, int], str] | None = None) -> dict[Cell, str]:
        """Why a cell has no picture and none is on its way; `in_place` has the reasons of what was no job."""
        told = {} if in_place is None else in_place
        found: dict[Cell, str] = {}
        for cell, standing in self.cells:
            if standing.state in ("failed", "cancelled", "interrupted"):
                error = None if standing.job is None else standing.job.error
                found[cell] = str(error) if error else standing.state
            elif standing.state == "absent" and (why := told.get((cell.contender, cell.prompt, cell.seed))):
                found[cell] = why
        return found


def standings(plan: BenchmarkPlan, *, jobs: JobTable, gallery: Gallery) -> Standings:
    """Read from table and gallery: whatever died in between changes nothing."""
    cells = plan.cells()
    found = standing_of([cell.request for cell in cells], jobs=jobs, gallery=gallery)
    return Standings(plan, tuple((cell, found[cell.request]) for cell in cells))


def ask_for_benchmark(folder: BenchmarkFolder, *, jobs: JobTable, gallery: Gallery) -> int:
    """Queue what is missing, and after it the measuring; returns how many pictures are to be drawn.

    Asked again, it queues only what failed or was never asked for; what is queued already stays where it is.
    """
    plan = folder.plan()
    asked = ask_for_missing([cell.request for cell in plan.cells()], jobs=jobs, gallery=gallery)
    waiting = measuring_of(folder, jobs)
    for job in waiting:  # it comes after what was asked for just now
        if job.state == "queued" and asked:
            jobs.cancel(job.id)
    if asked or not waiting:
        jobs.submit(SCORE, {"benchmark": folder.name}, label=f"measure {folder.name}")
    return len(asked)


def check_contenders(plan: BenchmarkPlan, settings: Settings) -> None:
    """Before the first picture: every contender can be drawn here. Raises ValueError, naming the one that cannot."""
    for cell in {cell.contender: cell for cell in plan.cells()}.values():
        try:
            admit(cell.request, settings)
        except ValueError as error:
            raise ValueError(f"{cell.contender}: {error}") from error


def stop_benchmark(folder: BenchmarkFolder, *, jobs: JobTable, gallery: Gallery) -> int:
    """Cancel its pictures and its measuring, of which nothing is lost; returns how many jobs were stopped."""
    found = standings(folder.plan(), jobs=jobs, gallery=gallery)
    going = [standing.job.id for _, standing in found.cells if standing.job is not None and _goes(standing)]
    measuring = [job.id for job in measuring_of(folder, jobs)]
    return sum(jobs.cancel(job_id) for job_id in dict.fromkeys([*measuring, *going]))


def measuring_of(folder: BenchmarkFolder, jobs: JobTable) -> list[Job]:
    """The jobs that measure it now or will, in their order."""
    return [
        job
        for job in jobs.jobs(kind=SCORE, states=("running", "queued"))
        if job.request.get("benchmark") == folder.name
    ]


def is_going_on(found: Standings) -> bool:
    """Whether a picture is being drawn or waits for it."""
    return any(_goes(standing) for _, standing in found.cells)


def _goes(standing: Standing) -> bool:
    return standing.state in ("queued", "running")
