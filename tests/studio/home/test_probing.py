"""Whoever comes in from elsewhere learns from no refusal what else lies on the machine, nor who has an account on it.

What exists, what does not, and what may not be looked at get the same sentence but for the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from PIL import Image

from finetune.config.files import from_values
from studio.datasets.captioning import start_captioning_here
from studio.datasets.open import Datasets
from studio.datasets.places import dataset_place
from studio.home.workspace import Workspace
from studio.models.adapters import resolve_adapter
from studio.models.lookup import find_model, hub_id_of
from studio.queue.table import JobTable
from studio.training.preflight import check_all
from studio.training.runs import Trainings
from studio.ui.compare.items import folder_sets
from tests.studio.odd_names import no_way_in as no_way_in

pytestmark = pytest.mark.usefixtures("no_way_in")

USERS = ("~root", "~nobody-here", "~root/theirs", "~nobody-here/theirs")
SHARED = {"others reach it": {"STUDIO_HOST": "0.0.0.0"}, "roots are declared": {"D4K_ROOTS": "/declared"}}
HOSTED = {
    "a Space": {"SPACE_ID": "ada/studio"},
    "a Space behind a proxy": {"SPACE_ID": "ada/studio", "STUDIO_HOST": "127.0.0.1"},
}

Look = Callable[[str], Any]


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model's folder with pictures, of a short name, which no sentence cuts; the studio runs in one beside it."""
    for name in ("D4K_ROOTS", "STUDIO_HOST", "SPACE_ID", "SYSTEM"):
        monkeypatch.delenv(name, raising=False)
    with TemporaryDirectory() as name:
        beside, folder = Path(name).resolve() / "work", Path(name).resolve() / "theirs"
        for made in (beside, folder):
            made.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model_index.json").write_text('{"_class_name": "StableDiffusion3Pipeline"}')
        (folder / "x.safetensors").write_bytes(b"weights")
        for picture in ("a.png", "b.png"):
            Image.new("RGB", (64, 64)).save(folder / picture)
        monkeypatch.chdir(beside)
        yield folder
        monkeypatch.undo()  # where one works cannot be removed everywhere


def paths(outside: Path) -> tuple[str, ...]:
    return tuple(str(outside.parent / name) for name in ("theirs", "gone", "forbidden"))


def sentences(look: Look, names: Sequence[str]) -> set[str]:
    """What is said of each name, without it."""
    found = set()
    for name in names:
        with pytest.raises(ValueError, match=r"\w") as refused:
            look(name)
        sentence = str(refused.value)
        for form in (name, name.partition("@")[0], Path(name).name):
            sentence = sentence.replace(form, "NAME")
        found.add(sentence)
    return found


def in_a(surroundings: dict[str, str], monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> None:
    for name, value in (surroundings | {"STUDIO_HOME": str(workspace.root)}).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("surroundings", (SHARED | HOSTED).values(), ids=(SHARED | HOSTED).keys())
def test_of_a_model(
    surroundings: dict[str, str], workspace: Workspace, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a(surroundings, monkeypatch, workspace)
    assert len(sentences(find_model, (*USERS, *paths(outside)))) == 1
    for names in (("work", "gone"), ("../theirs", "../gone"), ("../theirs/a", "../gone/a")):
        assert len(sentences(find_model, names)) == 1
    files = [f"{name}/x.safetensors" for name in (*USERS, *paths(outside))]
    assert len(sentences(find_model, files)) == 1
    assert len(sentences(find_model, [f"{file}@micro-4k" for file in files])) == 1
    for name in paths(outside):
        assert hub_id_of(name) == name, "that it is a folder is not told"


@pytest.mark.parametrize("surroundings", (SHARED | HOSTED).values(), ids=(SHARED | HOSTED).keys())
def test_of_a_lora(
    surroundings: dict[str, str], workspace: Workspace, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a(surroundings, monkeypatch, workspace)
    files = [f"{name}/x.safetensors" for name in (*USERS, *paths(outside))]
    assert len(sentences(lambda name: resolve_adapter(workspace.root, name), files)) == 1
    leading_out = [f"../{name}/x.safetensors" for name in ("theirs", "gone", "forbidden")]
    assert len(sentences(lambda name: resolve_adapter(workspace.root, name), leading_out)) == 1


@pytest.mark.parametrize("surroundings", SHARED.values(), ids=SHARED.keys())
def test_of_a_captioner(
    surroundings: dict[str, str], workspace: Workspace, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a public host nobody names one at all."""
    folder = workspace.datasets / "hills"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "a.png")
    watch = Datasets(workspace).open("hills")
    in_a(surroundings, monkeypatch, workspace)

    def begin(name: str) -> bool:
        environ = surroundings | {"STUDIO_HOME": str(workspace.root)}
        return start_captioning_here(watch, model=name, prompt="a", replace_others=False, environ=environ)

    assert len(sentences(begin, (*USERS, *paths(outside)))) == 1
    assert not watch.captioning.state.is_running


@pytest.mark.parametrize("surroundings", (SHARED | HOSTED).values(), ids=(SHARED | HOSTED).keys())
def test_of_a_dataset(
    surroundings: dict[str, str], workspace: Workspace, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a(surroundings, monkeypatch, workspace)
    datasets = Datasets(workspace, hosted="SPACE_ID" in surroundings)
    for names in (USERS, paths(outside), ("../../theirs", "../../gone", "../../forbidden")):
        assert len(sentences(datasets.open, names)) == 1
        assert len(sentences(datasets.open, [f"{name}.zip" for name in names])) == 1


def checked_before_the_start(workspace: Workspace) -> Look:
    trainings = Trainings(workspace, JobTable(workspace.database))

    def look(name: str) -> None:
        config = from_values({"data": {"source": name}, "model": {"base": "micro-4k"}})
        raise ValueError({check.name: check.words for check in check_all(config, trainings)}["Dataset"])

    return look


@pytest.mark.parametrize("surroundings", SHARED.values(), ids=SHARED.keys())
def test_of_what_is_trained_on(
    surroundings: dict[str, str], workspace: Workspace, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a(surroundings, monkeypatch, workspace)
    assert len(sentences(lambda name: dataset_place(name, workspace), (*USERS, *paths(outside)))) == 1
    assert len(sentences(checked_before_the_start(workspace), (*USERS, *paths(outside)))) == 1
    monkeypatch.chdir(outside.parent)
    (outside / "a").mkdir()
    as_of_the_hub = ("theirs/a", "gone/a")
    assert len(sentences(lambda name: dataset_place(name, workspace), as_of_the_hub)) == 1


@pytest.mark.parametrize("surroundings", SHARED.values(), ids=SHARED.keys())
def test_of_folders_that_are_compared(
    surroundings: dict[str, str], workspace: Workspace, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a(surroundings, monkeypatch, workspace)
    names = (*USERS, *paths(outside))
    assert len(sentences(lambda name: folder_sets(workspace.root, name, str(workspace.root)), names)) == 1
