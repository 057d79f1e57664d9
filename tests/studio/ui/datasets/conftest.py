"""The handlers of the dataset room without a browser, and one dataset that is scanned."""

from __future__ import annotations

from typing import Any

import pytest

from studio.datasets.open import Datasets
from studio.home.workspace import Workspace
from studio.ui.datasets.grid import DatasetContent
from studio.ui.datasets.handlers import DatasetHandlers
from tests.studio.datasets.dataset_home import make


@pytest.fixture
def handlers(workspace: Workspace) -> DatasetHandlers:
    return DatasetHandlers(Datasets(workspace), {"OPENAI_API_KEY": "sk-secret"})


@pytest.fixture
def source(handlers: DatasetHandlers, workspace: Workspace) -> str:
    """Scanned for 256 px: three pictures to train on, one without a caption, one too small."""
    path = str(make(workspace.datasets / "hills"))
    handlers.judge(path, "micro-4k", 256, False, "all", "")
    settle(handlers, path)
    return path


def settle(handlers: DatasetHandlers, source: str) -> None:
    watch = handlers.datasets.open(source)
    assert watch.scanning.wait(30).state == "done"
    watch.views.wait(30)


def shown(
    handlers: DatasetHandlers, source: str, shelf: Any = "all", search: str = "", page: int = 0
) -> DatasetContent:
    content, _ = handlers.show(source, shelf, search, page)
    assert isinstance(content, DatasetContent)
    return content
