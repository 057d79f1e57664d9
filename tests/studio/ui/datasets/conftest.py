"""A desk of datasets without a browser, and one dataset that is scanned."""

from __future__ import annotations

from typing import Any

import pytest

from studio.datasets.open import Datasets
from studio.home.workspace import Workspace
from studio.ui.datasets.grid import DatasetContent
from studio.ui.datasets.handlers import DatasetDesk
from tests.studio.datasets.dataset_home import make


@pytest.fixture
def desk(workspace: Workspace) -> DatasetDesk:
    return DatasetDesk(Datasets(workspace), {"OPENAI_API_KEY": "sk-secret"})


@pytest.fixture
def source(desk: DatasetDesk, workspace: Workspace) -> str:
    """Scanned for 256 px: three pictures to train on, one without a caption, one too small."""
    path = str(make(workspace.datasets / "hills"))
    desk.judge(path, "micro-4k", 256, False, "all", "")
    settle(desk, path)
    return path


def settle(desk: DatasetDesk, source: str) -> None:
    watch = desk.datasets.open(source)
    assert watch.scanning.wait(30).state == "done"
    watch.views.wait(30)


def shown(
    desk: DatasetDesk, source: str, shelf: Any = "all", search: str = "", page: int = 0
) -> DatasetContent:
    content, _ = desk.show(source, shelf, search, page)
    assert isinstance(content, DatasetContent)
    return content
