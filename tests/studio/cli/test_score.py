"""`d4k score` and `d4k evaluate` as a shell sees them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from metrics.compression import set_compression_ratio
from metrics.glcm import glcm_score
from metrics.weights import MICRO_CLIP
from studio.cli.main import app

RUN = CliRunner()


def picture(path: Path, seed: int, *, strength: float = 40) -> np.ndarray:
    pixels = (
        (128 + strength * np.random.default_rng(seed).standard_normal((280, 300, 3)))
        .clip(0, 255)
        .astype(np.uint8)
    )
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def test_scores_as_json_are_the_functions_own(tmp_path: Path) -> None:
    pixels = picture(tmp_path / "a.png", 0)
    done = RUN.invoke(app, ["score", str(tmp_path / "a.png"), "--metric", "glcm_score", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"][0]["scores"]["glcm_score"] == pytest.approx(glcm_score(pixels))


def test_bad_files_are_named_and_the_others_scored(tmp_path: Path) -> None:
    picture(tmp_path / "set" / "a.png", 0)
    (tmp_path / "set" / "b.png").write_bytes(b"no picture")
    arguments = [
        "score",
        str(tmp_path / "set"),
        str(tmp_path / "gone.png"),
        "--metric",
        "glcm_score",
        "--csv",
    ]
    done = RUN.invoke(app, arguments)
    assert done.exit_code == 3
    assert [row[0] for row in csv.reader(io.StringIO(done.stdout))] == [
        "name",
        str(tmp_path / "set" / "a.png"),
    ]
    assert "b.png is no PNG" in done.stderr
    assert "gone.png is missing" in done.stderr


def test_an_unknown_metric_is_told_its_neighbour(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["score", str(tmp_path), "--metric", "glcm_scor"])
    assert done.exit_code == 2
    assert "did you mean glcm_score" in done.stderr
    done = RUN.invoke(app, ["score", str(tmp_path), "--metric", "texture_frechet"])
    assert done.exit_code == 2
    assert "is of a set" in done.stderr


def test_two_folders_are_compared_with_intervals(tmp_path: Path) -> None:
    ours = [picture(tmp_path / "ours" / f"{i}.png", i, strength=12) for i in range(4)]
    for i in range(4):
        picture(tmp_path / "real" / f"{i}.png", 10 + i)
    names = ["glcm_score", "compression_ratio", "texture_frechet"]
    arguments = [part for name in names for part in ("--metric", name)]
    folders = ["--generated", str(tmp_path / "ours"), "--reference", str(tmp_path / "real")]
    done = RUN.invoke(app, ["evaluate", *folders, *arguments, "--json"])
    assert done.exit_code == 0, done.output
    generated, reference = (row["scores"] for row in json.loads(done.stdout)["rows"])
    assert generated["compression_ratio"] == pytest.approx(set_compression_ratio(ours))
    assert generated["glcm_score"] < reference["glcm_score"]
    assert generated["texture_frechet"] > 1
    assert "texture_frechet" not in reference
    assert "glcm_score: generated 95 % interval" in done.stderr
    assert "a real difference (in pairs)" in done.stderr
    same = RUN.invoke(
        app, ["evaluate", folders[0], folders[1], "--reference", folders[1], *arguments, "--json"]
    )
    assert json.loads(same.stdout)["rows"][0]["scores"]["texture_frechet"] == pytest.approx(0, abs=1e-6)
    assert "no real difference" in same.stderr


def test_a_kept_reference_compares_as_its_pictures_do(tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / "ours" / f"{i}.png", i, strength=12)
        picture(tmp_path / "real" / f"{i}.png", 10 + i)
    metrics = ["--metric", "compression_ratio", "--metric", "texture_frechet"]
    file = tmp_path / "real.npz"
    made = RUN.invoke(app, ["reference", str(tmp_path / "real"), "--out", str(file), *metrics])
    assert made.exit_code == 0, made.output
    assert "3 pictures, 2 metrics" in made.stderr
    ours = ["evaluate", "--generated", str(tmp_path / "ours"), *metrics, "--json", "--reference"]
    of_pictures, of_file = (RUN.invoke(app, [*ours, str(place)]) for place in (tmp_path / "real", file))
    assert of_file.exit_code == 0, of_file.output
    assert json.loads(of_file.stdout) == json.loads(of_pictures.stdout)
    assert "compression_ratio: generated 95 % interval" in of_file.stderr
    more = RUN.invoke(app, [*ours, str(file), "--metric", "glcm_score"])
    assert more.exit_code == 3
    assert "left out: glcm_score: glcm_score: the reference set was measured without it" in more.stderr


@pytest.mark.parametrize(
    ("out", "words"),
    [("set.json", "must end in .npz, got 'set.json'"), ("file.txt/set.npz", "file.txt")],
)
def test_a_reference_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, out: str, words: str
) -> None:
    picture(tmp_path / "real" / "0.png", 0)
    (tmp_path / "file.txt").write_text("a file")
    done = RUN.invoke(app, ["reference", str(tmp_path / "real"), "--out", str(tmp_path / out)])
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_folders_that_cannot_be_compared_get_a_sentence(tmp_path: Path) -> None:
    picture(tmp_path / "one" / "a.png", 0)
    (tmp_path / "none").mkdir()
    for generated, reference, words in (
        ("missing", "one", "is no folder"),
        ("none", "one", "holds no PNG"),
        ("one", "one", "two are the least"),
    ):
        done = RUN.invoke(
            app,
            ["evaluate", "--generated", str(tmp_path / generated), "--reference", str(tmp_path / reference)],
        )
        assert done.exit_code == 2
        assert words in done.stderr


def test_the_bundled_clip_reads_the_prompt_beside_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    picture(path, 0)
    asked = ["score", str(path), "--metric", "clip_score[micro]", "--json"]
    lacking = RUN.invoke(app, asked)
    assert lacking.exit_code == 3
    assert "pass --prompt" in lacking.output
    path.with_suffix(".txt").write_text("the sea at night", encoding="utf-8")
    beside, given = RUN.invoke(app, asked), RUN.invoke(app, [*asked, "--prompt", "the sea at night"])
    values = [json.loads(one.stdout)["rows"][0]["scores"]["clip_score[micro]"] for one in (beside, given)]
    assert values[0] == values[1]
    assert 0 <= values[0] <= 100


def test_another_clip_than_the_published_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("D4K_CLIP_B16", str(MICRO_CLIP))
    picture(tmp_path / "one.png", 0)
    asked = ["score", str(tmp_path / "one.png"), "--prompt", "the sea", "--json"]
    found = RUN.invoke(app, [*asked, "--metric", "clip_score"])
    assert f"note: clip_score: by {MICRO_CLIP}, as D4K_CLIP_B16 says" in found.stderr
    (row,) = json.loads(found.stdout)["rows"]
    assert [note for note in row["notes"] if "D4K_CLIP_B16" in note]
    assert "note:" not in RUN.invoke(app, [*asked, "--metric", "clip_score[micro]"]).stderr


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("clip_score", "openai/clip-vit-base-patch16"),
        ("aesthetics", "sac+logos"),
        ("fid", "weights-inception"),
    ],
)
def test_missing_weights_are_told_before_the_first_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metric: str, words: str
) -> None:
    for variable in ("D4K_CLIP_B16", "D4K_AESTHETIC_HEAD", "D4K_INCEPTION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(2):
        picture(folder / f"{index}.png", index)
    both = ["evaluate", "--generated", str(folder), "--reference", str(folder)]
    command = both if metric == "fid" else ["score", str(folder)]
    found = RUN.invoke(app, [*command, "--metric", metric])
    assert found.exit_code == 2
    assert words in found.output


def test_everything_else_runs_where_weights_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("D4K_CLIP_B16", "D4K_INCEPTION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for index in range(2):
        picture(tmp_path / "set" / f"{index}.png", index)
    one = ["score", str(tmp_path / "set"), "--metric", "clip_score", "--metric", "glcm_score", "--json"]
    both = ["--generated", str(tmp_path / "set"), "--reference", str(tmp_path / "set")]
    for arguments, lacking in (
        (one, "clip_score"),
        (["evaluate", *both, "--metric", "fid", *one[4:]], "fid"),
    ):
        found = RUN.invoke(app, arguments)
        assert found.exit_code == 3, found.output
        told = json.loads(found.stdout)
        assert list(told["metrics"]) == ["glcm_score"]
        assert all(row["scores"].keys() == {"glcm_score"} for row in told["rows"])
        assert list(told["left_out"]) == [lacking]
        assert f"left out: {lacking}" in found.stderr


def test_a_small_picture_has_the_scores_that_fit(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)).save(tmp_path / "s.png")
    found = RUN.invoke(app, ["score", str(tmp_path / "s.png"), "--json"])
    assert found.exit_code == 0, found.output
    (row,) = json.loads(found.stdout)["rows"]
    assert {"compression_ratio", "spectrum_slope", "energy_hh_3"} <= set(row["scores"])
    assert not {"glcm_score", "seam"} & set(row["scores"])
    assert any("64 x 64" in note for note in row["notes"])
    alone = RUN.invoke(app, ["score", str(tmp_path / "s.png"), "--metric", "glcm_score"])
    assert alone.exit_code == 3
    assert "s.png" in alone.stderr


def test_a_folder_without_pictures_and_a_device_that_is_none_get_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    found = RUN.invoke(app, ["score", str(tmp_path / "none")])
    assert (found.exit_code, "there are no PNG" in found.stderr) == (2, True)
    picture(tmp_path / "a.png", 0)
    asked = ["score", str(tmp_path / "a.png"), "--metric", "clip_score[micro]", "--prompt", "the sea"]
    found = RUN.invoke(app, [*asked, "--device", "abacus"])
    assert (found.exit_code, "choose auto, cpu or cuda" in found.stderr) == (2, True)
    assert RUN.invoke(app, [*asked, "--half", "--device", "cpu"]).exit_code == 0
