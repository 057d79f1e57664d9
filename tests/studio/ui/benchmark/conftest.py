"""The Benchmark view over a home that is filled by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.benchmark.folder import BenchmarkFolder
from studio.benchmark.progress import Standings
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.inspection.opened import Opened
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.ui.benchmark.duels import DuelHandlers
from studio.ui.benchmark.handlers import BenchmarkHandlers
from tests.benchmark_home import a_plan, drawn_benchmark, prompts


@pytest.fixture
def benches(jobs: JobTable, gallery: Gallery, settings: Settings, tmp_path: Path) -> BenchmarkHandlers:
    return BenchmarkHandlers(jobs, gallery, settings, tmp_path / "looking")


@pytest.fixture
def judge(jobs: JobTable, gallery: Gallery, tmp_path: Path) -> DuelHandlers:
    return DuelHandlers(jobs, gallery, Opened(tmp_path / "opened"))


@pytest.fixture
def drawn(workspace: Workspace) -> tuple[BenchmarkFolder, Standings]:
    return drawn_benchmark(workspace, a_plan(prompts=prompts(2)))
