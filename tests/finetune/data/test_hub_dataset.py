"""A fetch from the hub: bytes kept, cut and gone on with, stopped, bounded; every refusal a sentence.

The streams are hand-made here; those of the real library, and a hub on loopback, are in test_hub_stream.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finetune.data.dataset import open_dataset
from finetune.data.fetch_record import read_record
from finetune.data.hub_dataset import (
    MAX_FAILURES,
    NO_TEXT,
    SPARE_BYTES,
    FetchReport,
    FetchSettings,
    choose_columns,
    fetch_dataset,
)
from finetune.data.hub_stream import HubSource, Row, Stream, load_split

SOURCE = HubSource(hub_id="someone/pictures")


def picture(number: int, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


class Rows:
    """A stream over a list, which tells from where it was read."""

    def __init__(self, contents: list[bytes | None], *, texts: list[str | None] | None = None) -> None:
        self.contents = contents
        self.texts = [f"caption {n}" for n in range(len(contents))] if texts is None else texts
        self.began_at: list[int] = []
        self.opened: list[HubSource] = []
        self.gone_at: int | None = None
        self.num_rows: int | None = len(contents)
        self.num_bytes: int | None = None

    def __call__(self, source: HubSource) -> Stream:
        self.opened.append(source)
        pinned = HubSource(hub_id=source.hub_id, revision="a" * 40, split="train")
        columns = ("image", "text")
        return Stream(pinned, ("image",), ("text",), columns, self.num_rows, self.num_bytes, self.rows)

    def rows(self, image: str, text: str | None, state: Mapping[str, Any] | None) -> Iterator[Row]:
        first = 0 if state is None else state["next"]
        self.began_at.append(first)
        for n in range(first, len(self.contents)):
            if n == self.gone_at:
                raise ConnectionError("the line is dead")
            said = None if text is None else self.texts[n]
            yield Row(self.contents[n], f"p{n}.png", said, {"next": n + 1})


def fetch(rows: Rows, folder: Path, stop_at: int | None = None, **settings: Any) -> FetchReport:
    free = settings.pop("free", 10**12)
    return fetch_dataset(
        settings.pop("source", SOURCE),
        folder,
        FetchSettings(**settings),
        on_progress=lambda done, _: done != stop_at,
        opener=rows,
        free_bytes=lambda _: free,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fetched"


@pytest.fixture
def five() -> Rows:
    return Rows([picture(n, kind) for n, kind in enumerate(("PNG", "JPEG", "WEBP", "TIFF", "PNG"))])


def lines(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text("utf-8").splitlines()]


def test_the_bytes_stay_and_the_folder_is_a_dataset(five: Rows, folder: Path) -> None:
    report = fetch(five, folder)
    assert (report.pictures, report.skipped, report.whole, report.stopped) == (5, (), True, False)
    names = ["000000.png", "000001.jpg", "000002.webp", "000003.tif", "000004.png"]
    assert [line["file_name"] for line in lines(folder)] == names
    assert [(folder / name).read_bytes() for name in names] == five.contents
    dataset = open_dataset(folder)
    assert [(i.file_name, i.caption) for i in dataset.items] == [
        (name, f"caption {n}") for n, name in enumerate(names)
    ]
    assert (dataset.problems, dataset.captions_without_picture) == ((), ())
    assert sorted(p.name for p in folder.iterdir()) == sorted([*names, "metadata.jsonl", "fetch.json"])


def test_a_stopped_fetch_goes_on_behind_its_last_picture_at_its_version(five: Rows, folder: Path) -> None:
    first = fetch(five, folder, stop_at=2)
    assert (first.pictures, first.stopped, first.whole) == (2, True, False)
    assert "stopped" in first.words()
    second = fetch(five, folder)
    assert (second.pictures, second.whole) == (5, True)
    assert five.began_at == [0, 2]
    assert [source.revision for source in five.opened] == [None, "a" * 40]
    assert [line["source"] for line in lines(folder)] == [f"p{n}.png" for n in range(5)]
    assert fetch(five, folder).words() == "5 pictures, the whole split"
    assert len(five.opened) == 2, "what is whole asks for nothing"


def test_what_came_before_the_network_went_stays(five: Rows, folder: Path) -> None:
    five.gone_at = 3
    with pytest.raises(ConnectionError):
        fetch(five, folder)
    assert len(lines(folder)) == 3
    five.gone_at = None
    assert fetch(five, folder).pictures == 5
    assert five.began_at == [0, 3]


def test_a_kill_between_the_line_and_the_record_doubles_nothing(five: Rows, folder: Path) -> None:
    fetch(five, folder, stop_at=2)
    behind = (folder / "fetch.json").read_bytes()
    fetch(five, folder, stop_at=3)
    (folder / "fetch.json").write_bytes(behind)
    assert fetch(five, folder).pictures == 5
    assert [line["file_name"][:6] for line in lines(folder)] == [f"{n:06d}" for n in range(5)]


def test_a_line_that_was_cut_off_is_written_anew(five: Rows, folder: Path) -> None:
    fetch(five, folder, stop_at=2)
    behind = (folder / "fetch.json").read_bytes()
    fetch(five, folder, stop_at=3)
    (folder / "fetch.json").write_bytes(behind)
    path = folder / "metadata.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert fetch(five, folder).pictures == 5
    assert [line["text"] for line in lines(folder)] == [f"caption {n}" for n in range(5)]


def test_a_bound_holds_and_can_be_raised(five: Rows, folder: Path) -> None:
    report = fetch(five, folder, max_pictures=2)
    assert (report.pictures, report.whole, report.words()) == (
        2,
        False,
        "2 pictures, as many as were asked for",
    )
    assert fetch(five, folder, max_pictures=2).pictures == 2
    assert five.began_at == [0]
    assert fetch(five, folder, max_pictures=4).pictures == 4
    assert five.began_at == [0, 2]


def test_bad_rows_are_listed_and_left_out(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = io.BytesIO()
    Image.fromarray(noise).save(whole, "PNG")
    cut = whole.getvalue()[: len(whole.getvalue()) // 2]
    rows = Rows([picture(0), cut, None, b"no picture at all", picture(4, "GIF"), picture(5)])
    report = fetch(rows, folder)
    assert [line["file_name"] for line in lines(folder)] == ["000000.png", "000005.png"]
    assert [skipped.row for skipped in report.skipped] == [1, 2, 3, 4]
    cut_words, none, unreadable, gif = (skipped.words for skipped in report.skipped)
    assert cut_words.startswith("p1.png ")
    assert none == "it has no picture"
    assert unreadable == "p3.png is no picture that can be read"
    assert gif == "p4.png is GIF, and PNG, JPEG, WebP and TIFF are read"
    record = read_record(folder)
    assert record is not None
    assert record.skipped == report.skipped
    assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == []


def test_a_dataset_of_which_nothing_can_be_read_is_not_read_to_its_end(folder: Path) -> None:
    rows = Rows([None] * (MAX_FAILURES + 5))
    with pytest.raises(ValueError, match=f"{MAX_FAILURES} rows one after the other"):
        fetch(rows, folder)


def test_captions_of_any_letters_keep_their_line(folder: Path) -> None:
    texts: list[str | None] = ["two\u2028lines\u0085and\nmore", None, "größer 図"]
    fetch(Rows([picture(n) for n in range(3)], texts=texts), folder)
    assert [item.caption for item in open_dataset(folder).items] == texts
    fetch(Rows([]), folder)  # reads the lines again


def test_pictures_alone(five: Rows, folder: Path) -> None:
    fetch(five, folder, text_column=NO_TEXT)
    assert {item.caption for item in open_dataset(folder).items} == {None}


def test_a_full_disk_is_told_before_and_midway(five: Rows, folder: Path, tmp_path: Path) -> None:
    five.num_bytes = 5_000_000_000
    with pytest.raises(ValueError, match=r"takes up to 5\.0 GB .* fetch fewer"):
        fetch(five, folder, free=SPARE_BYTES + 4_999_999_999)
    assert fetch(five, folder, free=SPARE_BYTES + 5_000_000_000, max_pictures=1).pictures == 1
    with pytest.raises(ValueError, match=r"is full.*what is here stays"):
        fetch(five, folder, free=SPARE_BYTES + 10)
    assert len(lines(folder)) == 1


def test_a_folder_holds_one_fetch(five: Rows, folder: Path, tmp_path: Path) -> None:
    fetch(five, folder, max_pictures=1)
    with pytest.raises(ValueError, match="dataset someone/pictures, and someone/else was asked for"):
        fetch(five, folder, source=HubSource(hub_id="someone/else"))
    with pytest.raises(ValueError, match="split train, and test was asked for"):
        fetch(five, folder, source=HubSource(hub_id="someone/pictures", split="test"))
    with pytest.raises(ValueError, match="text column text, and none was asked for"):
        fetch(five, folder, text_column=NO_TEXT)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no fetch"):
        fetch(five, tmp_path / "mine")
    (folder / "fetch.json").write_text('{"version": 1')
    with pytest.raises(ValueError, match=r"fetch\.json is damaged"):
        fetch(five, folder)


def test_missing_columns_are_told_with_those_there_are() -> None:
    def stream(images: tuple[str, ...], texts: tuple[str, ...]) -> Stream:
        return Stream(SOURCE, images, texts, (*images, *texts, "score"), None, None, Rows([]).rows)

    with pytest.raises(ValueError, match="no column of pictures, only text, score"):
        choose_columns(stream((), ("text",)), FetchSettings())
    with pytest.raises(ValueError, match="'pic'; name one of jpg, mask"):
        choose_columns(stream(("jpg", "mask"), ("text",)), FetchSettings(image_column="pic"))
    with pytest.raises(ValueError, match="its columns are image, alt, score; name one of alt, or none"):
        choose_columns(stream(("image",), ("alt",)), FetchSettings())
    with pytest.raises(ValueError, match=r"no text column .txt., .* name none to fetch"):
        choose_columns(stream(("image",), ()), FetchSettings(text_column="txt"))
    both = stream(("jpg", "mask"), ("alt", "prompt", "caption"))
    assert choose_columns(both, FetchSettings()) == ("jpg", "caption")
    assert choose_columns(both, FetchSettings(image_column="mask", text_column="alt")) == ("mask", "alt")
    assert choose_columns(both, FetchSettings(text_column=NO_TEXT)) == ("jpg", None)


@pytest.mark.parametrize(
    ("text", "hub_id", "revision"),
    [
        ("zhang0jhon/Aesthetic-4K", "zhang0jhon/Aesthetic-4K", None),
        (" a/b@v1.0 ", "a/b", "v1.0"),
        ("https://huggingface.co/datasets/a/b/", "a/b", None),
    ],
)
def test_an_id_is_read(text: str, hub_id: str, revision: str | None) -> None:
    source = HubSource.parse(text)
    assert (source.hub_id, source.revision) == (hub_id, revision)


@pytest.mark.parametrize("text", ["", "name", "a/b/c", "../b", "a/..", "a/b@", "-a/b", "a/b --x"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"owner/name|must be a word"):
        HubSource.parse(text)


def test_a_bound_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 picture"):
        FetchSettings(max_pictures=0)


def test_without_the_library_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"pip install diffusion-4k-studio\[hub\]"):
        load_split("anything")
