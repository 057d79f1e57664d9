"""A home with two tiny models and a dataset, and a maker of runs over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.run_folder import RunFolder
from tests.finetune.training_runs import new_run, write_dataset


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

    folder = tmp_path_factory.mktemp("training")
    tiny_sd3_pipeline().save_pretrained(folder / "sd3")
    tiny_flux_pipeline().save_pretrained(folder / "flux")
    write_dataset(folder / "data")
    return folder


@pytest.fixture
def new(home: Path, request: pytest.FixtureRequest) -> Callable[..., RunFolder]:
    """Makes a run of SD3, or of the family given; the cache is shared."""

    def make(family: str = "sd3", **sections: Any) -> RunFolder:
        data = {"cache": str(home / "cache" / family), **sections.pop("data", {})}
        name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
        sections = {"output": {"name": name}, **sections}
        return new_run(home / "runs", home / family, home / "data", data=data, **sections)

    return make
