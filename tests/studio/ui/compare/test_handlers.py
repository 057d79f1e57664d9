"""Compare over a gallery and folders: what is scored, called best, written down, and opened."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from metrics.compression import set_compression_ratio
from metrics.evaluate import score_picture
from studio.comparison.score_cache import ScoreCache
from studio.inspection.opened import Opened
from studio.pictures.gallery import Gallery
from studio.ui.compare import handlers as module
from studio.ui.compare.handlers import CompareHandlers
from studio.ui.compare.items import farthest_pair, folder_sets, set_names
from studio.ui.compare.table import TableContent
from studio.ui.parts.refusal import NOTHING_REFUSED
from tests.studio.ui.conftest import add_picture

METRICS = ["glcm_score", "compression_ratio"]


@pytest.fixture
def handlers(gallery: Gallery, tmp_path: Path) -> CompareHandlers:
    return CompareHandlers(gallery, Opened(tmp_path / "opened"), ScoreCache(tmp_path / "scores"), True)


def noise(seed: int, strength: float, *, height: int = 96) -> np.ndarray:
    values = 128 + strength * np.random.default_rng(seed).standard_normal((height, 128, 3))
    return values.clip(0, 255).astype(np.uint8)


def folder(path: Path, pictures: list[np.ndarray]) -> Path:
    path.mkdir(parents=True)
    for index, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(path / f"{index}.png")
    return path


def last(handlers: CompareHandlers, *asked: Any) -> tuple[TableContent, list[list[str]]]:
    """The finished table, and the rows of its CSV."""
    *_, (refused, content, button) = handlers.compare(*asked)
    assert refused == NOTHING_REFUSED
    value = button.value["path"] if isinstance(button.value, dict) else button.value
    return content, list(csv.reader(Path(value).read_text(encoding="utf-8").splitlines()))


def test_pictures_are_scored_on_their_masters_and_none_is_called_best(
    handlers: CompareHandlers, gallery: Gallery
) -> None:
    pictures = [noise(0, 5), noise(1, 60)]
    keys = [add_picture(gallery, str(i), seed=i, image=image).id for i, image in enumerate(pictures)]
    content, written = last(handlers, keys, None, "", "", METRICS)
    assert (content.done, content.total, content.message) == (2, 2, "")
    for row, image in zip(content.rows, pictures, strict=True):
        wanted = score_picture(image, metrics=METRICS)
        assert [cell.value for cell in row.cells] == [wanted[name].value for name in METRICS]
        assert not any(cell.best for cell in row.cells)
    assert written[0] == ["name", *METRICS]
    assert len(written) == 3


def test_a_set_has_the_published_ratio_of_sums(handlers: CompareHandlers, tmp_path: Path) -> None:
    one = [noise(0, 2, height=300), noise(1, 90, height=64), noise(2, 20)]
    first = folder(tmp_path / "a", one)
    second = folder(tmp_path / "b", [noise(i, 90) for i in range(3)])
    content, written = last(handlers, None, None, str(first), str(second), METRICS)
    cell = content.rows[0].cells[1]
    assert cell.value == pytest.approx(set_compression_ratio(one), rel=1e-12)
    assert cell.low is not None
    assert cell.low <= cell.value <= cell.high
    assert [row[0] for row in written[1:]] == [str(p / f"{i}.png") for p in (first, second) for i in range(3)]
    again, _ = last(handlers, None, None, str(first), str(second), METRICS)  # from the cache
    assert again.rows == content.rows


def test_best_waits_for_the_end_and_a_real_difference(
    handlers: CompareHandlers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TELL_EVERY_S", 0.0)
    faint = folder(tmp_path / "faint", [noise(i, 5) for i in range(4)])
    strong = folder(tmp_path / "strong", [noise(9 + i, 60) for i in range(4)])
    *before, (_, content, _) = handlers.compare(None, None, str(faint), str(strong), METRICS)
    assert len(before) == 8
    assert not any(cell.best for _, table, _ in before for row in table.rows for cell in row.cells)
    assert [row.cells[0].best for row in content.rows] == [False, True]
    same, _ = last(handlers, None, None, str(faint), str(faint), METRICS)
    assert not any(cell.best for row in same.rows for cell in row.cells)


def test_pairs_stay_pairs_where_one_of_each_set_is_broken(handlers: CompareHandlers, tmp_path: Path) -> None:
    strengths = (5, 15, 30, 45, 60)
    first = folder(tmp_path / "a", [noise(i, s) for i, s in enumerate(strengths)])
    second = folder(tmp_path / "b", [noise(i, s + 2) for i, s in enumerate(strengths)])
    (first / "0.png").write_bytes(b"broken")
    (second / "4.png").write_bytes(b"broken")
    content, _ = last(handlers, None, None, str(first), str(second), ["glcm_score"])
    assert content.message.count("is no PNG") == 2
    # Shifted against each other, three pictures of ever more noise would hide the difference.
    assert [row.cells[0].best for row in content.rows] == [False, True]


def test_a_picture_too_small_for_a_metric_keeps_the_others(
    handlers: CompareHandlers, gallery: Gallery
) -> None:
    key = add_picture(gallery, "small", image=noise(0, 30, height=40)).id
    content, _ = last(handlers, [key], None, "", "", METRICS)
    assert content.rows[0].cells[0].value is None
    assert content.rows[0].cells[1].value is not None
    assert "64 x 64" in content.message


def test_files_tell_their_settings_too(handlers: CompareHandlers, gallery: Gallery) -> None:
    paths = [str(add_picture(gallery, "a sea", seed=seed, image=noise(seed, 30)).path) for seed in (1, 2)]
    chosen = SimpleNamespace(keys=[f"file-{path}" for path in paths], metric="glcm_score")
    board, settings = handlers.open(chosen, None, paths, "", "", METRICS)
    assert len(board.panes) == 2
    assert [line.values for line in settings.lines if line.name == "seed"] == [("1", "2")]
    assert next(line.name for line in settings.lines if line.differs) == "seed"


def test_two_sets_open_their_most_different_pair(handlers: CompareHandlers, tmp_path: Path) -> None:
    base = [noise(i, 20) for i in range(3)]
    other = [base[0], noise(7, 90), base[2]]
    first, second = folder(tmp_path / "x/samples", base), folder(tmp_path / "y/samples", other)
    asked = (None, None, str(first), str(second), METRICS)
    content, _ = last(handlers, *asked)
    assert [row.name for row in content.rows] == ["x/samples", "y/samples"]
    board, _ = handlers.open(SimpleNamespace(keys=["set-0", "set-1"], metric="glcm_score"), *asked)
    assert [pane.title for pane in board.panes] == ["1.png", "1.png"]
    sets = folder_sets(tmp_path, str(first), str(second))
    assert set_names([sets[0], sets[0]]) == ["x/samples", "x/samples"]
    assert [item.path.parent for item in farthest_pair(sets, {})] == [first, second]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ((None, None, "", "", METRICS), "nothing to compare; choose pictures"),
        ((None, None, "", "", []), "no metric is chosen; choose at least one"),
        ((None, None, "/one", "", METRICS), "one folder alone has nothing to be compared with"),
        ((["gone"], None, "", "", METRICS), "there is no picture gone; it was deleted"),
    ],
)
def test_a_refusal_stands_at_the_button_and_moves_nothing(
    handlers: CompareHandlers, asked: tuple[Any, ...], words: str
) -> None:
    ((refused, *rest),) = handlers.compare(*asked)
    assert "role='alert'" in refused
    assert words in refused
    assert rest == [gr.skip(), gr.skip()]


def test_folders_are_refused_where_strangers_ask(handlers: CompareHandlers, tmp_path: Path) -> None:
    strangers = replace(handlers, folders_allowed=False)
    ((refused, *_),) = strangers.compare(None, None, str(tmp_path), str(tmp_path), METRICS)
    assert "on your own machine only; choose pictures instead" in refused


def test_a_picture_that_is_gone_is_named_and_the_others_are_compared(
    handlers: CompareHandlers, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TELL_EVERY_S", 0.0)
    kept = add_picture(gallery, "kept", image=noise(0, 30)).id
    told = list(handlers.compare(["gone", kept], None, "", "", METRICS))
    for refused, *_ in told:
        assert "left out: there is no picture gone" in refused, "from the first row to the last"
    content = told[-1][1]
    assert [row.key for row in content.rows] == [kept]
    assert content.rows[0].cells[0].value is not None
    board, _ = handlers.open(
        SimpleNamespace(keys=[kept], metric="glcm_score"), ["gone", kept], None, "", "", METRICS
    )
    assert len(board.panes) == 1
