"""Where a training finds what it needs, and that it trains what is drawn with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune.config.files import from_values
from finetune.data.fetch_record import FetchRecord, write_record
from finetune.data.hub_stream import HubSource
from studio.datasets.places import dataset_place, located
from studio.home.workspace import Workspace

HUB_ID = "zhang0jhon/Aesthetic-4K"


@pytest.fixture
def pictures(workspace: Workspace) -> Path:
    folder = workspace.datasets / "hills"
    folder.mkdir()
    return folder


def settings(pictures: Path, **model: Any) -> Any:
    return from_values({"data": {"source": str(pictures)}, "model": model})


def test_a_model_is_trained_with_the_autoencoder_that_it_is_drawn_with(
    workspace: Workspace, pictures: Path, flux_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The VAE of a stock folder says nothing of F16; the catalogue does."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")

    def autoencoder(base: str, asked: str = "auto") -> str:
        found: str = located(settings(pictures, base=base, autoencoder=asked), workspace).model.autoencoder
        return found

    assert autoencoder("zhang0jhon/flux_wavelet") == "f16"
    assert autoencoder("zhang0jhon/flux_wavelet", "f8") == "f8"
    assert autoencoder("assets/micro-4k") == "f16"
    assert autoencoder(str(flux_folder)) == "f8"


def test_placing_twice_is_placing_once(workspace: Workspace, pictures: Path) -> None:
    once = located(settings(pictures, base="micro-4k"), workspace)
    assert located(once, workspace) == once


def test_a_dataset_of_the_hub_is_found_where_it_was_fetched_to(workspace: Workspace, pictures: Path) -> None:
    with pytest.raises(ValueError, match=f"d4k dataset fetch {HUB_ID}"):
        dataset_place(HUB_ID, workspace)
    folder = workspace.datasets / "Aesthetic-4K"
    folder.mkdir()
    write_record(
        folder, FetchRecord(HubSource(hub_id=HUB_ID, revision="a" * 40, split="train"), "image", "text")
    )
    assert dataset_place(HUB_ID, workspace) == folder.resolve()
    config = settings(pictures, base="micro-4k")
    found = located(replace(config, data=replace(config.data, source=HUB_ID)), workspace)
    assert found.data.source == str(folder.resolve())
    assert dataset_place(str(pictures), workspace) == pictures.resolve()
    with pytest.raises(ValueError, match="there is no"):
        located(replace(config, data=replace(config.data, source="/no/such")), workspace)
