"""A reference set in a file: it compares as its pictures do, and says what it cannot be compared with."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metrics.catalogue import card
from metrics.learned_sets import learned_distances
from metrics.reference_set import KeptFeatures, MeasuredSet, NotKept, ReferenceSet
from metrics.set_features import kept_features
from tests.metrics.test_learned_sets import Tiny
from tests.metrics.test_learned_sets import folders as folders

Folders = tuple[list[Path], list[Path]]


def kept(pictures: list[Path], *metrics: str, side_px: int | None = None) -> ReferenceSet:
    both = {"inception": Tiny(), "clip": Tiny()}
    features, side, left_out = kept_features(pictures, metrics, side_px, {}, extractors=both)
    assert left_out == {}
    return ReferenceSet(MeasuredSet(), features, side)


def read_back(found: ReferenceSet, folder: Path) -> ReferenceSet:
    found.save(folder / "set.npz")
    return ReferenceSet.load(folder / "set.npz")


def test_distances_to_a_file_are_those_to_its_pictures(folders: Folders, tmp_path: Path) -> None:
    ours, theirs = folders
    given = {"inception": Tiny(), "clip": Tiny()}
    asked = ["fid", "kid", "cmmd"]
    of_pictures = learned_distances(ours, theirs, metrics=asked, extractors=given)
    file = read_back(kept(theirs, *asked), tmp_path)
    for path in theirs:
        path.unlink()
    assert learned_distances(ours, file, metrics=asked, extractors=given) == of_pictures


def test_plain_numbers_come_back_as_they_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texture = [rng.normal(size=(rows, 16)) for rows in (1, 4)]
    plain = MeasuredSet({"glcm_score": [1 / 3, 2 / 3]}, [10, 20], texture, ["a", "ä"])
    versions = {"glcm_score": card("glcm_score").version, "texture_frechet": "0"}
    found = read_back(ReferenceSet(plain, {}, 7, versions), tmp_path)
    assert (found.plain.scores, found.plain.raw_bytes) == (plain.scores, plain.raw_bytes)
    assert (found.plain.names, found.short_side_px) == (plain.names, 7)
    assert all(np.array_equal(one, other) for one, other in zip(found.plain.texture, texture, strict=True))
    found.require("glcm_score")
    with pytest.raises(NotKept, match="by version 0 of it, here is version 1; measure its pictures again"):
        found.require("texture_frechet")
    with pytest.raises(NotKept, match=r"without it; .*--metric compression_ratio"):
        found.require("compression_ratio")


def test_features_of_networks_take_half_of_the_room(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 500))
    single = values.astype(np.float32).astype(np.float64)
    sizes = []
    for one in (values, single):
        found = ReferenceSet(MeasuredSet(), {"whole": KeptFeatures("net", "views", [one])})
        assert np.array_equal(read_back(found, tmp_path).features["whole"].rows[0], one)
        sizes.append((tmp_path / "set.npz").stat().st_size)
    assert sizes[1] < 0.6 * sizes[0]


def test_what_does_not_compare_is_left_out_with_the_reason(folders: Folders) -> None:
    ours, theirs = folders
    given = {"inception": Tiny(), "clip": Tiny()}
    found = kept(theirs, "fid")
    values, _, _, left_out = learned_distances(ours, found, metrics=["fid", "cmmd"], extractors=given)
    assert values.keys() == {"fid"}
    assert "measured without it" in left_out["cmmd"]
    given["inception"].name = "another"
    _, _, _, left_out = learned_distances(ours, found, metrics=["fid"], extractors=given)
    assert (
        "holds features of tiny (short side 40), which do not compare with another (short side 40)"
        in (left_out["fid"])
    )


def test_pictures_are_never_enlarged_to_the_reference_s_size(folders: Folders) -> None:
    ours, theirs = folders
    with pytest.raises(ValueError, match="40 px at its short side, and none is enlarged"):
        kept(theirs, "fid", side_px=41)
    smaller = kept(theirs, "fid", side_px=32)
    assert smaller.features["whole"].views == "short side 32"
    values, notes, *_ = learned_distances(ours, smaller, metrics=["fid"], extractors={"inception": Tiny()})
    assert values["fid"] > 0
    assert any("brought to 32 px" in note for note in notes)
    larger = ReferenceSet(MeasuredSet(), kept(theirs, "fid").features, short_side_px=64)
    with pytest.raises(
        ValueError, match="is 40 px at its short side, the reference set was measured at 64 px"
    ):
        learned_distances(ours, larger, metrics=["fid"], extractors={"inception": Tiny()})


def rewritten(path: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    with path.open("wb") as out:
        np.savez(out, **arrays)


def headed(**changes: object) -> Callable[[dict[str, np.ndarray]], object]:
    def change(arrays: dict[str, np.ndarray]) -> None:
        header = json.loads(arrays["header"].tobytes()) | changes
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)

    return change


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "no archive": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-60]),
    "a picture": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"),
    "no header": lambda path: rewritten(path, lambda arrays: arrays.pop("header")),
    "header of another kind": lambda path: rewritten(
        path, lambda arrays: arrays.update(header=np.frombuffer(b"[]", np.uint8))
    ),
    "of a newer version": lambda path: rewritten(path, headed(format=9)),
    "names that are none": lambda path: rewritten(path, headed(names=None)),
    "features that are none": lambda path: rewritten(path, headed(features={"whole": None})),
    "features that are not there": lambda path: rewritten(path, lambda arrays: arrays.pop("features whole")),
    "rows that do not add up": lambda path: rewritten(
        path, lambda arrays: arrays.update({"rows whole": np.array([1])})
    ),
    "not a number": lambda path: rewritten(
        path, lambda arrays: arrays["features whole"].__setitem__((0, 0), np.nan)
    ),
    "scores of other pictures": lambda path: rewritten(
        path, lambda arrays: arrays.update({"score glcm_score": np.zeros(5)})
    ),
    "objects": lambda path: rewritten(
        path, lambda arrays: arrays.update({"score glcm_score": np.array([{}, {}], object)})
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_gets_a_sentence(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    path = tmp_path / "set.npz"
    plain = MeasuredSet({"glcm_score": [1.0, 2.0]}, [1, 2], [], ["a", "b"])
    rows = [np.ones((1, 3)), np.zeros((2, 3))]
    ReferenceSet(plain, {"whole": KeptFeatures("net", "views", rows)}, 5).save(path)
    ReferenceSet.load(path)
    damage(path)
    with pytest.raises(
        ValueError, match=r"set\.npz is no reference set .* d4k reference DIR --out FILE\.npz"
    ):
        ReferenceSet.load(path)


def test_a_file_that_would_fill_the_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "set.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", bytes(2_000_000))
    monkeypatch.setattr("metrics.reference_set._LIMIT_BYTES", 1_000_000)
    with pytest.raises(ValueError, match="unpacks to 0 GiB, at most 0 are read"):
        ReferenceSet.load(path)
