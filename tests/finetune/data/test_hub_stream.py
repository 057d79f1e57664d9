"""The library's own streams, over files of this machine: parquet, a folder with metadata, tar."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.data.dataset import open_dataset
from finetune.data.hub_dataset import FetchReport, FetchSettings, fetch_dataset
from finetune.data.hub_stream import HubSource, Stream, load_split, stream_of

pytestmark = pytest.mark.process

datasets = pytest.importorskip("datasets", reason="the extra `hub` is not installed")

SOURCE = HubSource(hub_id="someone/pictures", revision="b" * 40, split="train")
ROOT = Path(__file__).parents[3]


def picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG" if number % 2 else "PNG")
    return stream.getvalue()


PICTURES = [picture(n) for n in range(7)]


def parquet(folder: Path, *, column: str = "image", split: str = "train") -> Path:
    """Two shards, as the hub has them: the file's bytes and its name in each row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = datasets.Features({column: datasets.Image(), "text": datasets.Value("string")})
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for shard, numbers in enumerate((range(4), range(4, 7))):
        pictures = pa.array([{"bytes": PICTURES[n], "path": f"p{n}"} for n in numbers], type=kind)
        table = pa.table({column: pictures, "text": [f"caption {n}" for n in numbers]})
        about = {"info": {"features": features.to_dict()}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
        pq.write_table(table, folder / "data" / f"{split}-{shard:05d}-of-00002.parquet", row_group_size=2)
    return folder


def picture_folder(folder: Path) -> Path:
    """The Aesthetic-4K layout."""
    place = folder / "train"
    place.mkdir(parents=True)
    lines = []
    for n, content in enumerate(PICTURES):
        (place / f"p{n}.png").write_bytes(content)
        lines.append(json.dumps({"file_name": f"p{n}.png", "text": f"caption {n}"}))
    (place / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def tar(folder: Path) -> Path:
    folder.mkdir()
    with tarfile.open(folder / "train-000.tar", "w") as archive:
        for n, content in enumerate(PICTURES):
            for name, body in ((f"p{n}.png", content), (f"p{n}.txt", f"caption {n}".encode())):
                about = tarfile.TarInfo(name)
                about.size = len(body)
                archive.addfile(about, io.BytesIO(body))
    return folder


LAYOUTS = {"parquet": parquet, "folder": picture_folder, "tar": tar}


def stream(folder: Path) -> Stream:
    opened, _ = load_split(str(folder))
    return stream_of(SOURCE, opened, datasets=datasets, num_bytes=None)


def fetch(folder: Path, target: Path, stop_at: int | None = None) -> FetchReport:
    return fetch_dataset(
        HubSource(hub_id="someone/pictures"),
        target,
        FetchSettings(),
        on_progress=lambda done, _: done != stop_at,
        opener=lambda _: stream(folder),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_uploaded_bytes_and_their_captions(layout: str, tmp_path: Path) -> None:
    source = LAYOUTS[layout](tmp_path / "hub")
    report = fetch(source, tmp_path / "here")
    assert (report.pictures, report.skipped, report.whole) == (len(PICTURES), (), True)
    dataset = open_dataset(tmp_path / "here")
    assert [dataset.path(item).read_bytes() for item in dataset.items] == PICTURES
    assert [item.caption for item in dataset.items] == [f"caption {n}" for n in range(len(PICTURES))]


@pytest.mark.parametrize(("layout", "stop_at"), [("parquet", 1), ("parquet", 5), ("folder", 3), ("tar", 3)])
def test_a_stream_goes_on_behind_any_row(layout: str, stop_at: int, tmp_path: Path) -> None:
    """In a process of its own, since stopping a parquet stream may abort the one it is in."""
    source, here = LAYOUTS[layout](tmp_path / "hub"), tmp_path / "here"
    code = (
        "import os; from pathlib import Path; from tests.finetune.data.test_hub_stream import fetch\n"
        f"report = fetch(Path({str(source)!r}), Path({str(here)!r}), stop_at={stop_at})\n"
        "os._exit(0 if report.stopped else 1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(list(here.glob("0*"))) == stop_at
    assert fetch(source, here).pictures == len(PICTURES)
    dataset = open_dataset(here)
    assert [dataset.path(item).read_bytes() for item in dataset.items] == PICTURES


def test_columns_are_told_by_their_kind(tmp_path: Path) -> None:
    read = stream(parquet(tmp_path / "hub", column="photo"))
    assert (read.image_columns, read.text_columns, read.columns) == (("photo",), ("text",), ("photo", "text"))


def test_a_split_is_named_or_chosen(tmp_path: Path) -> None:
    only = parquet(tmp_path / "only", split="validation")
    assert load_split(str(only))[1] == "validation"
    with pytest.raises(ValueError, match=r"has no split 'test'; name one of validation"):
        load_split(str(only), split="test")
    two = parquet(parquet(tmp_path / "two", split="test"), split="validation")
    with pytest.raises(ValueError, match=r"none called train; name one of .*validation"):
        load_split(str(two))
    assert load_split(str(parquet(two)))[1] == "train"


def test_a_dataset_without_pictures_shows_its_columns(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "train.jsonl").write_text('{"question": "why", "score": 1}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="no column of pictures, only question, score"):
        fetch(tmp_path / "hub", tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_what_the_library_cannot_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.bin").write_bytes(b"1")
    with pytest.raises(ValueError, match="cannot be read as a dataset of pictures"):
        load_split(str(tmp_path / "empty"))
    with pytest.raises(ValueError, match="cannot be read as a dataset of pictures"):
        load_split(str(parquet(tmp_path / "hub")), subset="nightly")


def test_no_foreign_code_runs(tmp_path: Path) -> None:
    script = tmp_path / "scripted" / "scripted.py"
    script.parent.mkdir()
    mark = tmp_path / "mark"
    script.write_text(f"from pathlib import Path\nPath({str(mark)!r}).write_text('ran')\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"no foreign code is run here|cannot be read"):
        load_split(str(script.parent))
    assert not mark.exists()
