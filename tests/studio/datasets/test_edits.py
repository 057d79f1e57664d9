"""Changes of a dataset by hand, each taken back: captions, pictures left out; originals are never touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.data.captions import CaptionStore
from finetune.data.exclusions import load_exclusions
from studio.datasets.caption_changes import with_trigger
from studio.datasets.open import Datasets
from studio.datasets.watch import DatasetWatch
from studio.home.workspace import Workspace
from tests.studio.datasets.dataset_home import datasets as datasets
from tests.studio.datasets.dataset_home import on_disk, reasons, row
from tests.studio.datasets.dataset_home import root as root
from tests.studio.datasets.dataset_home import watch as watch
from tests.studio.datasets.dataset_home import workspace as workspace

# Changing


def test_a_caption_by_hand_is_judged_at_once_and_taken_back(watch: DatasetWatch, root: Path) -> None:
    assert watch.write_caption("3.png", "  a hill \n at last ")
    assert on_disk(root)["3.png"] == ("a hill at last", "hand")
    watch.scanning.wait(20)
    assert "3.png" not in reasons(watch)
    assert not watch.write_caption("3.png", "a hill at last")
    assert watch.last_edit() == "the caption of 3.png"
    assert watch.undo() == "the caption of 3.png"
    watch.scanning.wait(20)
    assert reasons(watch)["3.png"] == "no-caption"
    assert on_disk(root)["3.png"] == (None, None)
    assert not (root / "3.txt").exists()


def test_undo_brings_back_who_wrote_it(watch: DatasetWatch, root: Path) -> None:
    assert CaptionStore(root).write("0.png", "by a model", by="gpt-test")
    watch.note_caption("0.png", "by a model", by="gpt-test")
    watch.write_caption("0.png", "mine")
    watch.write_caption("0.png", "mine, better")
    assert on_disk(root)["0.png"] == ("mine, better", "hand")
    watch.undo()
    assert on_disk(root)["0.png"] == ("mine", "hand")
    watch.undo()
    assert on_disk(root)["0.png"] == ("by a model", "gpt-test")
    assert (row(watch, "0.png").caption, row(watch, "0.png").caption_by) == ("by a model", "gpt-test")
    with pytest.raises(ValueError, match="nothing to undo"):
        watch.undo()


def test_many_captions_are_one_edit(watch: DatasetWatch, root: Path) -> None:
    before = on_disk(root)
    changed = with_trigger(watch.captions(), "sks")
    assert watch.write_captions(changed, words="the trigger sks") == 4
    assert on_disk(root)["0.png"] == ("sks, a hill, number 0", "hand")
    watch.undo()
    assert on_disk(root) == before


def test_leaving_out_and_taking_back(watch: DatasetWatch, root: Path) -> None:
    watch.leave_out(["0.png", "1.png"])
    assert reasons(watch) == {
        "0.png": "by-hand",
        "1.png": "by-hand",
        "3.png": "no-caption",
        "4.png": "too-small",
    }
    watch.keep(["1.png", "3.png"])
    assert reasons(watch) == {"0.png": "by-hand", "4.png": "too-small"}
    assert row(watch, "3.png").kept
    watch.undo()
    assert reasons(watch)["3.png"] == "no-caption"
    assert watch.undo() == "left out 2 pictures"
    assert reasons(watch) == {"3.png": "no-caption", "4.png": "too-small"}
    assert load_exclusions(root).by_hand == frozenset()
    with pytest.raises(ValueError, match=r"4\.png cannot be kept: It is 160 x 200"):
        watch.keep(["4.png"])


def test_undo_outlives_the_process_and_says_when_it_cannot(watch: DatasetWatch, workspace: Workspace) -> None:
    watch.leave_out(["0.png"])
    later = Datasets(workspace).open("hills")
    assert later.undo() == "left out 0.png"
    assert later.last_edit() == ""
    next((workspace.datasets / ".undo").iterdir()).write_text("[{")
    with pytest.raises(ValueError, match="only undo is lost"):
        later.leave_out(["0.png"])


def test_originals_are_never_touched(watch: DatasetWatch, root: Path) -> None:
    before = {p.name: p.read_bytes() for p in root.iterdir() if p.suffix in (".png", ".txt")}
    watch.write_caption("0.png", "")
    watch.leave_out(["1.png"])
    watch.undo()
    watch.scanning.wait(20)
    after = {p.name: p.read_bytes() for p in root.iterdir() if p.suffix in (".png", ".txt")}
    assert after == before
    assert {p.name for p in root.iterdir()} - set(after) == {"captions.jsonl", "excluded.json", "scan.json"}


def test_a_picture_that_is_not_in_it_is_refused(watch: DatasetWatch) -> None:
    for change in (watch.leave_out, watch.keep):
        with pytest.raises(ValueError, match="not in this dataset"):
            change(["../secret.png"])
    with pytest.raises(ValueError, match="not in this dataset"):
        watch.write_caption("9.png", "x")
