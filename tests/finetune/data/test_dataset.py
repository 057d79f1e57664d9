"""Dataset folders and zips: both layouts, what is missing on either side, and names that lead out."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from finetune.data.archives import unpack_zip
from finetune.data.captions import CaptionStore
from finetune.data.dataset import open_dataset


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def lines(*entries: object) -> str:
    return "\n".join(json.dumps(entry) for entry in entries)


def captions(root: Path) -> dict[str, str | None]:
    return {item.file_name: item.caption for item in open_dataset(root).items}


def test_the_published_layout(tmp_path: Path) -> None:
    listed = lines({"file_name": "b.jpg", "text": " a lake "}, {"file_name": "gone.jpg", "text": "a hill"})
    root = put(tmp_path, {"metadata.jsonl": listed, "b.jpg": "", "a.png": ""})
    dataset = open_dataset(root)
    assert dataset.layout == "metadata"
    assert [(i.file_name, i.caption, i.caption_by) for i in dataset.items] == [
        ("a.png", None, None),
        ("b.jpg", "a lake", "original"),
    ]
    assert dataset.captions_without_picture == ("gone.jpg",)


def test_text_files_beside_and_in_folders(tmp_path: Path) -> None:
    files = {"x/a.webp": "", "x/a.txt": "\ufeffsnow\n", "b.TIFF": "", "lone.txt": "nobody", ".hidden.png": ""}
    dataset = open_dataset(put(tmp_path, files))
    assert dataset.layout == "txt"
    assert captions(tmp_path) == {"b.TIFF": None, "x/a.webp": "snow"}
    assert dataset.captions_without_picture == ("lone.txt",)


def test_every_bad_line_is_named_and_the_good_ones_count(tmp_path: Path) -> None:
    listed = "\n".join(
        [
            "{broken",
            lines({"text": "no name"}),
            lines({"file_name": "../out.png", "text": "t"}),
            lines({"file_name": "a.png", "text": 3}),
            lines({"file_name": "a.png", "text": "first"}, {"file_name": "a.png", "text": "second"}),
        ]
    )
    dataset = open_dataset(put(tmp_path, {"metadata.jsonl": listed, "a.png": ""}))
    assert dataset.items[0].caption == "first"
    told = [
        "line 1 is no JSON",
        "line 2 is no JSON",
        "line 3: '../out.png'",
        "line 4:",
        "line 6: a.png was listed",
    ]
    assert len(dataset.problems) == len(told)
    for problem, words in zip(dataset.problems, told, strict=True):
        assert words in problem


def test_a_caption_may_hold_unicodes_own_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    line = json.dumps({"file_name": "a.png", "text": "a\u2028hill\x85b"}, ensure_ascii=False)
    (tmp_path / "metadata.jsonl").write_bytes(f"{line}\r\n".encode())
    found = open_dataset(tmp_path)
    assert (found.problems, found.items[0].caption) == ((), "a\u2028hill\x85b")


def test_a_caption_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    put(tmp_path, {"a.png": ""})
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    dataset = open_dataset(tmp_path)
    assert dataset.items[0].caption is None
    assert "a.txt cannot be read as UTF-8" in dataset.problems[0]


def test_the_studios_captions_go_first_and_can_be_withdrawn(tmp_path: Path) -> None:
    put(tmp_path, {"a.png": "", "a.txt": "theirs"})
    store = CaptionStore(tmp_path)
    store.write_by_hand([("a.png", "ours")])
    item = open_dataset(tmp_path).items[0]
    assert (item.caption, item.caption_by) == ("ours", "hand")
    assert (tmp_path / "a.txt").read_text() == "theirs"
    store.withdraw("a.png")
    assert captions(tmp_path) == {"a.png": "theirs"}


def test_a_folder_above_the_dataset_says_where_it_is(tmp_path: Path) -> None:
    put(tmp_path, {"train/metadata.jsonl": "{}"})
    with pytest.raises(ValueError, match=r"holds no pictures.*give .*train"):
        open_dataset(tmp_path)
    with pytest.raises(ValueError, match="is missing"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="neither a folder nor a zip"):
        open_dataset(tmp_path / "train" / "metadata.jsonl")


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    outside, root = put(tmp_path / "out", {"secret.png": ""}), put(tmp_path / "in", {"a.png": ""})
    (root / "b.png").symlink_to(outside / "secret.png")
    assert captions(root) == {"a.png": None}


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_a_zip_is_unpacked_and_its_only_folder_entered(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "d.zip", {"set/a.png": "", "set/a.txt": "sea", "__MACOSX/set/a.png": ""})
    dataset = open_dataset(archive, unpack_to=tmp_path / "new")
    assert dataset.root == tmp_path / "new" / "set"
    assert dataset.items[0].caption == "sea"
    with pytest.raises(ValueError, match="say into which folder"):
        open_dataset(archive)
    with pytest.raises(ValueError, match="is not empty"):
        open_dataset(archive, unpack_to=tmp_path / "new")


@pytest.mark.parametrize(
    "name", ["../out.png", "/tmp/out.png", "a/../../out.png", "..\\out.png", "C:\\out.png"]
)
def test_zip_slip_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "d.zip", {"good.png": "", name: "evil"})
    with pytest.raises(ValueError, match="leads out of its folder"):
        unpack_zip(archive, tmp_path / "new")
    assert [p.name for p in tmp_path.rglob("*")] == ["d.zip"]


def test_links_bombs_and_damage_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match=r"the link 'a\.png'"):
        unpack_zip(tmp_path / "link.zip", tmp_path / "new")
    bomb = zipped(tmp_path / "bomb.zip", {"a.png": "\0" * (65 * 2**20)})
    with pytest.raises(ValueError, match="times its size"):
        unpack_zip(bomb, tmp_path / "new")
    with pytest.raises(ValueError, match="more than 0"):
        unpack_zip(bomb, tmp_path / "new", max_gib=0.01)
    whole = zipped(tmp_path / "d.zip", {"a.png": "x" * 999, "b.png": "y" * 999})
    damaged = whole.read_bytes().replace(b"b.png", b"c.png", 1)  # local and central names differ
    (tmp_path / "damaged.zip").write_bytes(damaged)
    with pytest.raises(ValueError, match="no zip that can be unpacked"):
        unpack_zip(tmp_path / "damaged.zip", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_model_never_replaces_a_hand(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path)
    assert store.write("a.png", "a machine's", by="m")
    store.write_by_hand([("a.png", "a hand's")])
    assert not store.write("a.png", "a machine's again", by="m")
    assert store.current()["a.png"].text == "a hand's"
    with store.path.open("a") as file:  # written by another process that had not seen the hand's
        file.write(json.dumps({"file_name": "a.png", "text": "late", "by": "m", "at": 1.0}) + "\n")
    assert store.current()["a.png"].text == "a hand's"
    assert len(store.history()) == 3


def test_a_cut_off_last_line_is_dropped_and_any_other_damage_named(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path)
    store.write_by_hand([("a.png", "one"), ("b.png", "zwei äöü")])
    store.path.write_bytes(store.path.read_bytes() + b'{"file_name": "c.p')
    assert sorted(store.current()) == ["a.png", "b.png"]
    store.write_by_hand([("c.png", "three")])
    assert {name: c.text for name, c in store.current().items()} == {
        "a.png": "one",
        "b.png": "zwei äöü",
        "c.png": "three",
    }
    store.path.write_text("{\n" + store.path.read_text())
    with pytest.raises(ValueError, match="line 1 is damaged"):
        store.current()
