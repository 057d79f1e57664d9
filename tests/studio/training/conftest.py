"""The runs of a home, its table of jobs, and the settings of a run that may begin."""

from __future__ import annotations

import pytest

from finetune.config.files import from_values
from finetune.config.run_config import FinetuneConfig
from studio.home.workspace import Workspace
from studio.queue.table import JobTable
from studio.training.runs import Trainings


@pytest.fixture
def jobs(workspace: Workspace) -> JobTable:
    return JobTable(workspace.database)


@pytest.fixture
def trainings(workspace: Workspace, jobs: JobTable) -> Trainings:
    return Trainings(workspace, jobs)


@pytest.fixture
def config(workspace: Workspace) -> FinetuneConfig:
    """Of the bundled model and an (empty) dataset of the home."""
    (workspace.datasets / "hills").mkdir()
    source = str(workspace.datasets / "hills")
    return from_values({"data": {"source": source}, "output": {"name": "oil", "notes": "first try"}})
