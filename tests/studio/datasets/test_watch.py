"""A scan in the background: what it says, stopped and gone on with, and what hands decide meanwhile."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from finetune.data.dataset import open_dataset
from finetune.data.exclusions import load_exclusions
from finetune.data.scan import scan
from studio.datasets import watch as dataset_watch
from studio.datasets.limits import Judging
from studio.datasets.open import Datasets
from studio.datasets.watch import DatasetWatch
from studio.home.background import Background
from studio.models.lookup import find_model
from tests.studio.datasets.dataset_home import JUDGING, ROOT, reasons, row
from tests.studio.datasets.dataset_home import datasets as datasets
from tests.studio.datasets.dataset_home import root as root
from tests.studio.datasets.dataset_home import watch as watch
from tests.studio.datasets.dataset_home import workspace as workspace

# Scanning


def test_a_scan_says_what_training_will_see(watch: DatasetWatch, root: Path) -> None:
    assert reasons(watch) == {"3.png": "no-caption", "4.png": "too-small"}
    again = scan(open_dataset(root), JUDGING.settings(), token_limits=JUDGING.token_limits())
    assert again is not None
    trained = tuple(r.crop for r in watch.rows() if r.exclusion is None)
    assert trained == again.crops
    assert row(watch, "3.png").crop is not None  # it would be seen, were it taken back
    assert row(watch, "4.png").crop is None


def test_a_scan_can_be_stopped_and_gone_on_with(
    datasets: Datasets, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, reached, go_on = datasets.open("hills"), threading.Event(), threading.Event()
    tell = Background.tell

    def slow(self: Background, done: int, total: int, words: str | None = None) -> bool:
        if done == 1:
            reached.set()
            assert go_on.wait(20)
        return tell(self, done, total, words)

    monkeypatch.setattr(dataset_watch, "SCAN_THREADS", 1)
    monkeypatch.setattr(Background, "tell", slow)
    assert watch.scan(JUDGING)
    assert reached.wait(20)
    assert not watch.scan(JUDGING)
    watch.scanning.stop()
    assert watch.scanning.state.state == "stopping"
    go_on.set()
    ended = watch.scanning.wait(20)
    assert (ended.state, ended.done, ended.total) == ("stopped", 1, 5)
    assert watch.report is None
    assert len(json.loads((root / "scan.json").read_text())["facts"]) == 1
    assert watch.scan(JUDGING)
    assert watch.scanning.wait(20).state == "done"
    assert watch.report is not None


def test_a_folder_that_went_away_is_told_by_the_state(watch: DatasetWatch, root: Path) -> None:
    root.rename(root.with_name("moved"))
    watch.scan(JUDGING)
    ended = watch.scanning.wait(20)
    assert ended.state == "failed"
    assert "is missing" in ended.words


def test_a_resolution_that_cannot_be_is_refused_at_once(watch: DatasetWatch) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        watch.scan(Judging(model="micro-4k", resolution_px=1000))
    with pytest.raises(ValueError, match="did you mean micro-4k"):
        watch.scan(Judging(model="micro-4", resolution_px=1024))


def test_what_hands_decide_while_a_scan_runs_stays(
    watch: DatasetWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow_scan(*args: object, **given: object) -> object:
        report = scan(*args, **given)  # type: ignore[arg-type]
        inside.set()
        assert go_on.wait(20)
        return report

    monkeypatch.setattr(dataset_watch, "scan", slow_scan)
    watch.scan(JUDGING)
    assert inside.wait(20)
    watch.leave_out(["0.png"])
    watch.write_caption("1.png", "written meanwhile")
    go_on.set()
    watch.scanning.wait(20)
    assert reasons(watch)["0.png"] == "by-hand"
    assert "0.png" in load_exclusions(watch.root).by_hand
    assert row(watch, "1.png").caption == "written meanwhile"


def test_the_count_of_tokens_is_that_of_transformers(sd3_folder: Path) -> None:
    from finetune.data.token_limits import token_limits

    for folder in (ROOT / "assets" / "micro-4k", sd3_folder):
        entry = find_model(str(folder))
        theirs = token_limits(folder, entry.family, max_sequence_length=entry.max_sequence_length)
        ours = Judging(model=str(folder), resolution_px=1024).token_limits()
        assert [(one.name, one.longest) for one in ours] == [(one.name, one.longest) for one in theirs]
        assert ours
        for text in ("", "a hill", "Übergröße – 夕焼け, " * 30):
            assert [one.count(text) for one in ours] == [one.count(text) for one in theirs]
