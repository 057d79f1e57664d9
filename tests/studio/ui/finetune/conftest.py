from __future__ import annotations

import pytest

from studio.home.workspace import Workspace
from studio.queue.table import JobTable
from studio.training.runs import Trainings
from studio.ui.finetune.runs import RunsHandlers


@pytest.fixture
def trainings(workspace: Workspace, jobs: JobTable) -> Trainings:
    return Trainings(workspace, jobs)


@pytest.fixture
def runs_desk(trainings: Trainings) -> RunsHandlers:
    return RunsHandlers(trainings)
