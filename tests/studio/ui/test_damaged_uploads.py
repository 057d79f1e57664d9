"""One damaged file among those that a browser sends: named in a sentence, and the others are taken as before.

Inspect's are in `inspect/test_handlers.py`, over the same files.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from metrics.pictures import read_picture
from studio.comparison.score_cache import ScoreCache
from studio.datasets.open import Datasets
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.inspection.opened import Opened
from studio.pictures.gallery import Gallery
from studio.ui.compare.handlers import CompareHandlers
from studio.ui.datasets.handlers import DatasetHandlers
from studio.ui.generate.controls import CONTROL_NAMES
from studio.ui.generate.restoring import Restorer
from tests.studio.datasets.dataset_home import make
from tests.studio.ui.conftest import add_picture
from tests.studio.ui.inspect.hostile_files import hostile_files


@pytest.fixture
def hostile(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "sent"
    folder.mkdir()
    return list(hostile_files(folder))


def test_compare_measures_the_others(gallery: Gallery, hostile: list[Path], tmp_path: Path) -> None:
    handlers = CompareHandlers(gallery, Opened(tmp_path / "opened"), ScoreCache(tmp_path / "scores"), False)
    noise = np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "good.png")
    files = [str(path) for path in (*hostile, tmp_path / "good.png")]
    *_, (_, content, _) = handlers.compare([], files, "", "", ["compression_ratio"])
    rows = {row.name: row for row in content.rows}
    assert len(content.rows) == len(files)
    assert rows["good.png"].cells[0].value
    for path in hostile:
        if _is_readable(path):
            continue
        assert path.name in content.message
        assert rows[path.name].cells[0].value is None


def _is_readable(path: Path) -> bool:
    """A flipped byte in the pixels of a TIFF is no damage that anyone can see."""
    try:
        read_picture(path)
    except ValueError:
        return False
    return True


def test_generate_restores_nothing_from_them_and_takes_the_next(
    gallery: Gallery, hostile: list[Path]
) -> None:
    restorer = Restorer(gallery, Settings(home=gallery.workspace.root))
    for path in hostile:
        emptied, said, *form = restorer.drop(str(path))
        assert emptied is None, path.name
        assert all(value == gr.skip() for value in form), path.name
        assert escape(path.name) in said
        assert len(said) < 500
    _, _, *form = restorer.drop(str(add_picture(gallery, "a calm sea", seed=5).path))
    assert dict(zip(CONTROL_NAMES, form, strict=False))["prompt"] == "a calm sea"


def _zip(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return packed.getvalue()


def _picture() -> bytes:
    packed = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)).save(packed, "PNG")
    return packed.getvalue()


def _linked() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        link = zipfile.ZipInfo("a.png")
        link.external_attr = 0o120777 << 16
        opened.writestr(link, "/etc/passwd")
    return packed.getvalue()


def _locked(whole: bytes) -> bytes:
    """With the flag of encryption in both headers of its only member."""
    broken = bytearray(whole)
    broken[6] |= 1
    broken[whole.index(b"PK\1\2") + 8] |= 1
    return bytes(broken)


def _another_method(whole: bytes) -> bytes:
    broken = bytearray(whole)
    broken[8] = 99
    broken[whole.index(b"PK\1\2") + 10] = 99
    return bytes(broken)


def _flipped(whole: bytes) -> bytes:
    broken = bytearray(whole)
    broken[len(broken) // 2] ^= 255
    return bytes(broken)


def _end(whole: bytes, at: int, value: bytes) -> bytes:
    """Another value in the record that ends it."""
    start = whole.rindex(b"PK\5\6") + at
    return whole[:start] + value + whole[start + len(value) :]


GOOD = _zip(**{"in/a.png": _picture(), "in/a.txt": b"a hill"})

ZIPS: dict[str, bytes | Callable[[Path], Any]] = {
    "empty": b"",
    "text": b"no zip at all",
    "a picture": _picture(),
    "without a member": _zip(),
    "without a picture": _zip(**{"a.txt": b"a hill"}),
    "a pile of folders": _zip(**{"a/": b"", "b/": b""}),
    "cut in half": GOOD[: len(GOOD) // 2],
    "without its end": GOOD[:-20],
    "a byte flipped": _flipped(GOOD),
    "encrypted": _locked(_zip(**{"a.png": _picture()})),
    "packed in a way of its own": _another_method(_zip(**{"a.png": _picture()})),
    "with a directory far away": _end(GOOD, 16, b"\xff\xff\xff\x7f"),
    "that leads out": _zip(**{"../a.png": _picture()}),
    "that leads out by backslash": _zip(**{"..\\a.png": _picture()}),
    "to the root": _zip(**{"/a.png": _picture()}),
    "to a drive": _zip(**{"C:/a.png": _picture()}),
    "with a link": _linked(),
    "a bomb": _zip(**{"a.png": bytes(80 * 2**20)}),
    "with a name too long": _zip(**{"a" * 4_000 + ".png": _picture()}),
    "with a name twice": _zip(**{"a.png": _picture(), "./a.png": _picture()}),
    "with a file for a folder": _zip(**{"a": b"x", "a/b.png": _picture()}),
    "a folder": Path.mkdir,
    "a link to nowhere": lambda path: path.symlink_to(path.parent / "gone"),
    "a link to itself": lambda path: path.symlink_to(path),
    "missing": lambda path: None,
}
"""What is sent as the zip of a dataset."""


@pytest.mark.parametrize("sent", ZIPS.values(), ids=list(ZIPS))
def test_a_zip_that_is_none_leaves_nothing_and_the_next_is_taken(
    workspace: Workspace, tmp_path: Path, sent: bytes | Callable[[Path], Any]
) -> None:
    handlers = DatasetHandlers(Datasets(workspace), {})
    make(workspace.datasets / "hills")
    path = tmp_path / "sent.zip"
    path.write_bytes(sent) if isinstance(sent, bytes) else sent(path)
    before = sorted(os.listdir(workspace.datasets))
    with pytest.raises(gr.Error) as refused:
        handlers.add_zip(str(path))
    assert path.name in refused.value.message
    assert len(refused.value.message) < 500
    assert sorted(os.listdir(workspace.datasets)) == before
    (tmp_path / "good.zip").write_bytes(GOOD)
    _, source = handlers.add_zip(str(tmp_path / "good.zip"))
    assert [item.caption for item in handlers.datasets.open(source).dataset().items] == ["a hill"]
    assert {one.title for one in handlers.datasets.listed()} == {"hills", "good"}
