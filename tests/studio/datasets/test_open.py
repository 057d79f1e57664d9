"""Datasets of a home: found, opened, unpacked, and refused with a sentence."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from studio.datasets.open import KEPT_OPEN, Datasets
from studio.home.workspace import Workspace
from tests.finetune.data.test_scan import fine
from tests.studio.datasets.dataset_home import ROOT, make
from tests.studio.datasets.dataset_home import datasets as datasets
from tests.studio.datasets.dataset_home import root as root
from tests.studio.datasets.dataset_home import watch as watch
from tests.studio.datasets.dataset_home import workspace as workspace

# Which there are


def test_the_homes_datasets_are_listed_and_other_folders_are_not(datasets: Datasets, root: Path) -> None:
    home = datasets.workspace.datasets
    (home / "notes").mkdir()
    (home / "notes" / "a.md").write_text("no dataset")
    (home / ".undo").mkdir()
    nested = make_nested(home)
    assert [(one.title, one.path) for one in datasets.listed()] == [
        ("hills", str(root)),
        ("nested", str(nested)),
    ]


def make_nested(home: Path) -> Path:
    inner = home / "nested" / "inside"
    inner.mkdir(parents=True)
    Image.fromarray(fine(9, 64)).save(inner / "a.png")
    return inner


def test_one_dataset_under_every_name_is_one_watch(datasets: Datasets, root: Path) -> None:
    assert datasets.open("hills") is datasets.open(f"  {root}/ ") is datasets.known(str(root))
    assert datasets.known("elsewhere") is None
    assert datasets.known("") is None


@pytest.mark.parametrize(
    ("source", "words"),
    [("", "no dataset is chosen"), ("gone", "gone is missing"), ("empty", "holds no pictures")],
)
def test_what_is_no_dataset_gets_a_sentence(datasets: Datasets, source: str, words: str) -> None:
    (datasets.workspace.datasets / "empty").mkdir()
    with pytest.raises(ValueError, match=words):
        datasets.open(source)


def test_a_public_host_opens_nothing_but_its_own(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    hosted = Datasets(workspace, hosted=True)
    outside = make(tmp_path / "outside")
    (workspace.datasets / "link").symlink_to(outside)
    assert hosted.open("hills").root == root
    for source in (str(outside), "../../outside", "link", str(workspace.datasets), "/", "~"):
        with pytest.raises(ValueError, match="not a dataset of this studio"):
            hosted.open(source)
        assert hosted.known(source) is None
    assert Datasets(workspace).open(str(outside)).root == outside


def test_a_zip_becomes_a_dataset_of_the_home(datasets: Datasets, root: Path, tmp_path: Path) -> None:
    archive = tmp_path / "my hills (1).zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(root.iterdir()):
            opened.write(path, f"inner/{path.name}")
    first, second = datasets.add_zip(archive), datasets.add_zip(archive)
    home = datasets.workspace.datasets
    assert [first, second] == [str(home / "my-hills-1" / "inner"), str(home / "my-hills-1-2" / "inner")]
    assert len(datasets.open(first).rows()) == 5


def test_a_zip_that_cannot_be_trusted_leaves_nothing(datasets: Datasets, tmp_path: Path) -> None:
    for name, inside, words in (
        ("slip", "../../evil.png", "leads out of its folder"),
        ("bare", "a.md", "no pictures"),
    ):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as opened:
            opened.writestr(inside, "x")
        with pytest.raises(ValueError, match=words):
            datasets.add_zip(tmp_path / f"{name}.zip")
    with pytest.raises(ValueError, match="is no zip"):
        datasets.add_zip(tmp_path / "a.png")
    assert list(datasets.workspace.datasets.iterdir()) == []


def test_the_oldest_dataset_is_let_go(datasets: Datasets, workspace: Workspace) -> None:
    for number in range(KEPT_OPEN + 1):
        folder = workspace.datasets / f"d{number}"
        folder.mkdir()
        Image.fromarray(fine(number, 64)).save(folder / "a.png")
        datasets.open(folder.name)
    assert datasets.known("d0") is None
    assert datasets.known("d1") is not None


@pytest.mark.process
def test_counting_tokens_loads_no_torch() -> None:
    code = (
        "import sys; from studio.datasets.limits import Judging;"
        "assert Judging(model='micro-4k', resolution_px=1024).token_limits()[0].count('a hill') > 2;"
        "print(sorted({'torch', 'diffusers', 'transformers', 'gradio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
