"""One damaged dataset, or one damaged file in it: named on the page, and everything else is as before."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.datasets.open import Datasets
from studio.home.workspace import Workspace
from studio.ui.datasets.grid import DatasetContent
from studio.ui.datasets.handlers import DatasetHandlers
from tests.studio.datasets.dataset_home import make

Damage = Callable[[Path], object]


def _write(name: str, content: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(content)


def _link(name: str, target: str) -> Damage:
    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(folder / target)

    return spoil


def _folder(name: str) -> Damage:
    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()

    return spoil


def _cut(folder: Path) -> None:
    path = folder / "1.png"
    path.write_bytes(path.read_bytes()[:2_000])


def _said(**more: object) -> bytes:
    return json.dumps({"version": 1, "found": {}, "by_hand": [], "kept": []} | more).encode()


LISTED = b'{"file_name": "0.png", "text": "a hill"}\n'
HALF_LETTER = b'{"file_name": "\\ud83d.png", "text": "x"}\n{"file_name": "0.png", "text": "a \\udc00 hill"}\n'

IN_IT: dict[str, tuple[Damage, str]] = {
    "a picture cut off": (_cut, "1.png"),
    "a picture without a byte": (_write("1.png", b""), "1.png"),
    "a picture of text": (_write("1.png", b"no picture" * 90), "1.png"),
    "a picture whose caption is bytes": (_write("1.txt", b"\xff\xfe"), "1.txt cannot be read"),
    "a list of bytes": (_write("metadata.jsonl", b"\xff\xfe\x00" * 9), "metadata.jsonl"),
    "a list with null": (_write("metadata.jsonl", LISTED + b"null\n"), "line 2"),
    "a list with a number": (_write("metadata.jsonl", LISTED + b"7\n"), "line 2"),
    "a list cut off": (_write("metadata.jsonl", LISTED + b'{"file_na'), "line 2"),
    "a list bottomless": (_write("metadata.jsonl", LISTED + b"[" * 100_000), "line 2"),
    "a list of a number's name": (_write("metadata.jsonl", LISTED + b'{"file_name": 3}'), "line 2"),
    "a list that leads out": (_write("metadata.jsonl", LISTED + b'{"file_name": "../x.png"}'), "line 2"),
    "a list of half a letter": (_write("metadata.jsonl", HALF_LETTER), ""),
    "a list of a huge name": (
        _write("metadata.jsonl", LISTED + b'{"file_name": "%s"}' % (b"x" * 900_000)),
        "",
    ),
    "decisions null": (_write("excluded.json", b"null"), "excluded.json"),
    "decisions cut off": (_write("excluded.json", b'{"version": 1, "fou'), "excluded.json"),
    "decisions bottomless": (_write("excluded.json", b"[" * 100_000), "excluded.json"),
    "decisions of bytes": (_write("excluded.json", b"\xff\xfe"), "excluded.json"),
    "decisions of a newer studio": (_write("excluded.json", _said(version=9)), "excluded.json"),
    "decisions of a list": (_write("excluded.json", _said(found=[1])), "excluded.json"),
    "decisions of no reason": (
        _write("excluded.json", _said(found={"0.png": {"reason": ["x"], "words": 3}})),
        "excluded.json",
    ),
    "decisions of numbers": (_write("excluded.json", _said(by_hand=[1, 2])), "excluded.json"),
    "decisions of lists": (_write("excluded.json", _said(kept=[[1]])), "excluded.json"),
    "decisions a folder": (_folder("excluded.json"), "excluded.json"),
    "captions of bytes": (_write("captions.jsonl", b"\xff\xfe\n\n"), "captions.jsonl"),
    "captions bottomless": (_write("captions.jsonl", b"[" * 100_000 + b"\n\n"), "captions.jsonl"),
    "captions of null": (_write("captions.jsonl", b"null\n\n"), "captions.jsonl"),
    "captions a folder": (_folder("captions.jsonl"), "captions.jsonl"),
    "captions of half a letter": (
        _write("captions.jsonl", b'{"file_name": "0.png", "text": "\\udc00", "by": "hand", "at": 1}\n'),
        "",
    ),
    "measurements null": (_write("scan.json", b"null"), ""),
    "measurements bottomless": (_write("scan.json", b"[" * 100_000), ""),
    "measurements of words": (
        _write("scan.json", b'{"version": 1, "facts": {"0.png": {"stamp": "x", "sharpness": 1}}}'),
        "",
    ),
    "a folder called as a picture": (_folder("1.png"), ""),
    "a link to nowhere": (_link("1.png", "gone.png"), ""),
    "a link to itself": (_link("1.png", "1.png"), ""),
    "a name that is no text": (
        lambda folder: (folder / "1.png").rename(os.fsdecode(os.fsencode(folder) + b"/\xff.png")),
        "\ufffd.png has a name that is no text",
    ),
}
"""What is wrong, and what the page says of it; empty where it costs nobody anything."""


@pytest.mark.parametrize(("spoil", "words"), IN_IT.values(), ids=list(IN_IT))
def test_what_is_wrong_is_said_and_the_others_are_trained_on(
    handlers: DatasetHandlers, workspace: Workspace, spoil: Damage, words: str
) -> None:
    folder = make(workspace.datasets / "bad")
    good = make(workspace.datasets / "good")
    spoil(folder)
    assert [one.title for one in handlers.datasets.listed()] == ["bad", "good"]
    for source in (folder, good):
        content = _judged(handlers, str(source))
        told = content.model_dump_json()  # what a browser gets
        if source == folder:
            assert words in told
            if content.cards:
                trained = {card.id for card in content.cards if not card.left_out}
                assert {"0.png", "2.png"} <= trained
            else:
                assert content.message
                assert "Traceback" not in content.message
        else:
            assert len(content.cards) == 5


def _judged(handlers: DatasetHandlers, source: str) -> DatasetContent:
    content, _, _ = handlers.judge(source, "micro-4k", 256, False, "all", "")
    watch = handlers.datasets.known(source)
    if watch is None:
        assert isinstance(content, DatasetContent)
        return content
    state = watch.scanning.wait(30)
    assert state.state == "done", state
    shown, _ = handlers.show(source, "all", "", 0)
    watch.views.wait(30)
    assert isinstance(shown, DatasetContent)
    return shown


BESIDE: dict[str, Damage] = {
    "a file": lambda path: path.write_text("x"),
    "an empty folder": Path.mkdir,
    "a link to nowhere": lambda path: path.symlink_to(path.parent / "gone"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a folder in a folder without end": lambda path: (path.joinpath(*"abcdefgh" * 9)).mkdir(parents=True),
    "a link back to all": lambda path: path.symlink_to(path.parent),
    "a folder of text": lambda path: (path.mkdir(), (path / "a.txt").write_text("x")),
    "a list without pictures": lambda path: (path.mkdir(), (path / "metadata.jsonl").write_text("x")),
    "a name that is no text": lambda path: make(Path(os.fsdecode(os.fsencode(path) + b"\xff"))),
    "a hidden folder": lambda path: make(path.parent / ".trash"),
}
"""What lies beside whole datasets."""


@pytest.mark.parametrize("lay", BESIDE.values(), ids=list(BESIDE))
def test_the_others_are_listed_and_opened(
    handlers: DatasetHandlers, workspace: Workspace, lay: Damage
) -> None:
    good = make(workspace.datasets / "good")
    make(workspace.datasets / "other")
    lay(workspace.datasets / "odd")
    assert {"good", "other"} <= {one.title for one in handlers.datasets.listed()}
    choices = handlers.offer(str(good))
    json.dumps(choices.choices, ensure_ascii=False).encode()
    for title, path in choices.choices:
        content = _judged(handlers, path)
        content.model_dump_json()
        assert bool(content.cards) != bool(content.message), title
    assert len(_judged(handlers, str(good)).cards) == 5


def test_a_folder_that_cannot_be_looked_into(
    handlers: DatasetHandlers, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the disk's refusal is put in its mouth."""
    make(workspace.datasets / "good")
    make(workspace.datasets / "shut")
    look = Path.iterdir

    def refused(path: Path) -> object:
        if path.name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    datasets = Datasets(workspace)
    assert [one.title for one in datasets.listed()] == ["good", "shut"]
    with pytest.raises(ValueError, match="shut cannot be looked into"):
        datasets.open("shut")
