"""A benchmark of two contenders on small pictures that stand for renders."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from studio.benchmark.folder import BenchmarkFolder, create_benchmark
from studio.benchmark.plan import BenchmarkPlan
from studio.benchmark.progress import Standings, standings
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from tests.benchmark_home import a_plan, pretend

NewPlan = Callable[..., BenchmarkPlan]


@pytest.fixture
def new_plan() -> NewPlan:
    return a_plan


@pytest.fixture
def jobs(workspace: Workspace) -> JobTable:
    return JobTable(workspace.database)


@pytest.fixture
def gallery(workspace: Workspace) -> Gallery:
    return Gallery(workspace)


@pytest.fixture
def folder(workspace: Workspace, new_plan: NewPlan) -> BenchmarkFolder:
    return create_benchmark(workspace, new_plan())


@pytest.fixture
def look(folder: BenchmarkFolder, jobs: JobTable, gallery: Gallery) -> Callable[[], Standings]:
    return lambda: standings(folder.plan(), jobs=jobs, gallery=gallery)


@pytest.fixture
def drawn(folder: BenchmarkFolder, gallery: Gallery, look: Callable[[], Standings]) -> Standings:
    """Every cell has its picture."""
    for cell in folder.plan().cells():
        pretend(gallery, cell)
    return look()
