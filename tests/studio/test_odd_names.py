"""Names that the system will not look up: of a user who is not here, too long, in a folder that one may not enter.

Each is refused in a sentence, as any other name that leads nowhere. Not here: on a page
(`tests.studio.ui.test_odd_names`), on the command line (`tests.studio.cli.test_odd_names`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.backbones.checkpoints import pipeline_folder
from finetune.captions.models import LocalModel
from finetune.config.files import from_values
from finetune.data.dataset import open_dataset
from finetune.preparing import base_folder
from studio.benchmark.prompts import read_prompts
from studio.datasets.open import Datasets
from studio.datasets.places import dataset_place, located
from studio.home.roots import is_inside, named_path
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.models.adapters import resolve_adapter
from studio.models.lookup import find_model, hub_id_of
from studio.pictures.destination import destination
from studio.queue.table import JobTable
from studio.training.runs import Trainings
from tests.studio.odd_names import ODD_NAMES
from tests.studio.odd_names import no_way_in as no_way_in

Look = Callable[[Workspace, str], Any]


def trained_on(workspace: Workspace, name: str) -> Any:
    return located(from_values({"data": {"source": name}, "model": {"base": "micro-4k"}}), workspace)


LOOKS: dict[str, Look] = {
    "a model": lambda workspace, name: find_model(name),
    "a model of one file": lambda workspace, name: find_model(f"{name}.safetensors"),
    "a model of one file over a base": lambda workspace, name: find_model(f"{name}.safetensors@micro-4k"),
    "a LoRA": lambda workspace, name: resolve_adapter(workspace.root, f"{name}.safetensors"),
    "a dataset": lambda workspace, name: Datasets(workspace).open(name),
    "a zipped dataset": lambda workspace, name: Datasets(workspace).open(f"{name}.zip"),
    "a dataset to train on": trained_on,
    "a dataset by itself": lambda workspace, name: open_dataset(name),
    "prompts": lambda workspace, name: read_prompts(name),
    "prompts in a file": lambda workspace, name: read_prompts(f"{name}.txt"),
    "a pipeline": lambda workspace, name: pipeline_folder(name),
    "a base to train": lambda workspace, name: base_folder(name),
    "a captioner": lambda workspace, name: LocalModel(source=name),
}


@pytest.mark.usefixtures("no_way_in")
@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_it_is_refused_in_a_sentence_that_names_it(workspace: Workspace, look: Look, name: str) -> None:
    with pytest.raises(ValueError, match=name[:60]) as refused:
        look(workspace, name)
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("no_way_in")
@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_place_that_is_not_there_yet_has_no_name_that_breaks(workspace: Workspace, name: str) -> None:
    if name.startswith("~"):
        for ask in (dataset_place, lambda name, workspace: hub_id_of(name)):
            with pytest.raises(ValueError, match="there is no user 'nobody-here'"):
                ask(name, workspace)
    else:
        assert dataset_place(name, workspace) == Path(name).absolute()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_public_host_trains_on_none_of_them(workspace: Workspace, name: str) -> None:
    config = from_values({"data": {"source": name}, "model": {"base": "micro-4k"}})
    with pytest.raises(ValueError, match=r"there is no user 'nobody-here'|not a dataset of this studio"):
        Trainings(workspace, JobTable(workspace.database), hosted=True).prepared(config)


def test_a_home_and_an_output_of_nobody_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no user 'nobody-here'"):
        Settings.from_environment({"STUDIO_HOME": "~nobody-here/studio"})
    with pytest.raises(ValueError, match="there is no user 'nobody-here'"):
        destination(Path("~nobody-here/sea.png"), count=1, gallery_home=None)
    with pytest.raises(ValueError, match="cannot be looked at"):
        Workspace.open(tmp_path / ("x" * 300))


def test_a_known_dataset_is_asked_for_without_a_trouble(workspace: Workspace) -> None:
    for name in ODD_NAMES:
        assert Datasets(workspace).known(name) is None


def test_a_link_to_itself_leads_nowhere(workspace: Workspace) -> None:
    around = workspace.datasets / "around"
    around.symlink_to(around)
    assert not is_inside(around, environ={"D4K_ROOTS": "/nowhere"})
    assert is_inside(around, environ={"D4K_ROOTS": "/nowhere"}, home=workspace.root)
    for look in (Datasets(workspace).open, find_model, read_prompts):
        with pytest.raises(ValueError, match="around cannot be looked at"):
            look(str(around))


def test_other_folders_than_ones_own_are_expanded_on_ones_own_machine_alone() -> None:
    assert named_path("", environ={}) == Path()
    assert named_path(".", environ={"STUDIO_HOST": "0.0.0.0"}) == Path()
    assert named_path("~", environ={"STUDIO_HOST": "0.0.0.0"}) == Path.home()
    with pytest.raises(ValueError, match="outside of this studio's folders"):
        named_path("~root", environ={"STUDIO_HOST": "0.0.0.0"})
