"""Cells, their measuring, and the table: resumable, truthful, each number in a column of its own protocol."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metrics.glcm import glcm_score
from metrics.pictures import read_picture
from metrics.protocol_scores import measure_picture
from metrics.weights import CLIP_B16, MICRO_CLIP
from studio.benchmark import scoring
from studio.benchmark.folder import BenchmarkFolder, create_benchmark
from studio.benchmark.markup import scores_markup
from studio.benchmark.plan import Prompt
from studio.benchmark.progress import SCORE, Standings, ask_for_benchmark, standings
from studio.benchmark.report import model_card
from studio.benchmark.scoring import measure_benchmark
from studio.benchmark.table import benchmark_table
from studio.benchmark.words import as_csv, as_json, as_text
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from tests.benchmark_home import pretend
from tests.studio.benchmark.conftest import NewPlan

Look = Callable[[], Standings]


def test_asking_queues_what_is_missing_and_the_measuring_last(
    folder: BenchmarkFolder, jobs: JobTable, gallery: Gallery, look: Look
) -> None:
    cells = folder.plan().cells()
    for cell in cells[:5]:
        pretend(gallery, cell)
    assert ask_for_benchmark(folder, jobs=jobs, gallery=gallery) == 19
    listed = jobs.jobs(states=("queued",))
    assert [job.kind for job in listed] == ["render"] * 19 + [SCORE]
    assert listed[-1].request == {"benchmark": "first"}
    assert look().counts() == {"done": 5, "queued": 19}
    assert ask_for_benchmark(folder, jobs=jobs, gallery=gallery) == 0
    assert len(jobs.jobs(states=("queued",))) == 20, "asked twice, queued once"


def test_a_failed_cell_is_named_and_asked_for_again(
    folder: BenchmarkFolder, jobs: JobTable, gallery: Gallery, look: Look
) -> None:
    ask_for_benchmark(folder, jobs=jobs, gallery=gallery)
    job = jobs.claim(1)
    assert job is not None
    jobs.fail(job.id, "no memory; choose a smaller size")
    (cell,) = look().troubles()
    assert look().troubles()[cell] == "no memory; choose a smaller size"
    table = benchmark_table(folder, look())
    assert table.troubles == ("rough, prompt 0, seed 1: no memory; choose a smaller size",)
    assert ask_for_benchmark(folder, jobs=jobs, gallery=gallery) == 1
    queued = jobs.jobs(states=("queued",))
    assert [one.kind for one in queued][-1] == SCORE, "measured after what was asked for again"
    assert [one.kind for one in queued].count(SCORE) == 1


def test_a_measured_benchmark_is_its_pictures_measured_one_by_one(
    folder: BenchmarkFolder, drawn: Standings
) -> None:
    assert measure_benchmark(folder, drawn)
    known = folder.scores()
    assert len(known) == 24
    for cell, standing in drawn.cells[:3]:
        assert standing.picture is not None
        pixels = read_picture(standing.picture.path).pixels
        wanted = measure_picture(pixels, "", drawn.plan.protocol_columns()).values
        assert known[standing.picture.id]["values"] == pytest.approx(dict(wanted)), cell
    table = benchmark_table(folder, drawn)
    rough, smooth = table.rows
    key = "as-published/glcm_score"
    mean = rough.cells[key].mean
    assert mean is not None
    assert (mean.num_prompts, mean.num_pictures, rough.num_pictures) == (6, 12, 12)
    assert mean.value == pytest.approx(
        np.mean([known[p.id]["values"][key] for _, p in drawn.pictures("rough")])
    )
    assert rough.cells[key].is_best
    assert not smooth.cells[key].is_best
    apart = smooth.cells[key].difference
    assert apart is not None
    assert apart.is_real
    assert apart.value < 0
    assert (
        rough.cells["ours/texture_frechet"].reason
        == "12 drawn and 0 real pictures; a distance of sets needs two of each"
    )


def test_a_sets_compression_ratio_is_a_ratio_of_sums(folder: BenchmarkFolder, drawn: Standings) -> None:
    measure_benchmark(folder, drawn)
    key = "as-published/compression_ratio"
    ratios = [folder.scores()[p.id]["values"][key] for _, p in drawn.pictures("smooth")]
    mean = benchmark_table(folder, drawn).rows[1].cells[key].mean
    assert mean is not None
    assert mean.value == pytest.approx(len(ratios) / sum(1 / ratio for ratio in ratios))


def test_stopped_at_any_moment_it_goes_on_and_ends_as_if_it_had_not(
    workspace: Workspace, folder: BenchmarkFolder, drawn: Standings, new_plan: NewPlan
) -> None:
    whole = create_benchmark(workspace, new_plan(name="whole"))
    plan = whole.plan()
    assert measure_benchmark(whole, replace(drawn, plan=plan))
    rng = np.random.default_rng(0)
    for _ in range(10):
        left = int(rng.integers(1, 5))
        measure_benchmark(folder, drawn, on_step=lambda _what, done, _total, left=left: done < left)  # type: ignore[misc]
        with (folder.path / "scores.jsonl").open("ab") as file:
            file.write(b'{"picture": "cut o')  # the kill came while a line was written
    assert measure_benchmark(folder, drawn)
    assert folder.scores() == whole.scores()
    assert as_csv(benchmark_table(folder, drawn)) == as_csv(benchmark_table(whole, drawn))


def test_what_is_measured_is_not_measured_again(
    folder: BenchmarkFolder, drawn: Standings, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_benchmark(folder, drawn)
    monkeypatch.setattr(scoring, "measure_picture", lambda *_a, **_k: pytest.fail("measured again"))
    assert measure_benchmark(folder, drawn)


def test_shares_of_two_processes_are_the_whole(folder: BenchmarkFolder, drawn: Standings) -> None:
    for which in (1, 0):
        assert measure_benchmark(folder, drawn, share=(which, 2))
    assert len(folder.scores()) == 24


def test_an_unreadable_picture_costs_its_own_cells_alone(folder: BenchmarkFolder, drawn: Standings) -> None:
    _, bad = drawn.pictures("rough")[0]
    bad.path.write_bytes(b"\x89PNG")
    assert measure_benchmark(folder, drawn)
    assert bad.path.name in folder.scores()[bad.id]["missing"]["ours/glcm_entropy"]
    mean = benchmark_table(folder, drawn).rows[0].cells["ours/glcm_entropy"].mean
    assert mean is not None
    assert mean.num_pictures == 11


def test_a_column_that_lacks_its_network_says_so_and_the_rest_is_measured(
    workspace: Workspace, new_plan: NewPlan, jobs: JobTable, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(workspace.cache / "empty"))
    plan = new_plan(columns=("as-published/clip_score", "ours/glcm_entropy"), prompts=new_plan().prompts[:2])
    folder = create_benchmark(workspace, plan)
    for cell in plan.cells():
        pretend(gallery, cell)
    found = standings(plan, jobs=jobs, gallery=gallery)
    assert measure_benchmark(folder, found)
    cells = benchmark_table(folder, found).rows[0].cells
    assert cells["ours/glcm_entropy"].mean is not None
    assert re.search("CLIP ViT-B/16|could not be opened", cells["as-published/clip_score"].reason)


def test_real_pictures_give_the_columns_of_sets(
    workspace: Workspace, new_plan: NewPlan, jobs: JobTable, gallery: Gallery, tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    listed = []
    for i in range(3):
        path = tmp_path / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)).save(path)
        listed.append(Prompt(name=str(i), text=f"a hill, number {i}", reference=str(path)))
    plan = new_plan(columns=("ours/texture_frechet",), prompts=tuple(listed))
    folder = create_benchmark(workspace, plan)
    for cell in plan.cells():
        pretend(gallery, cell)
    found = standings(plan, jobs=jobs, gallery=gallery)
    assert measure_benchmark(folder, found)
    rough, smooth = (row.cells["ours/texture_frechet"].mean for row in benchmark_table(folder, found).rows)
    assert rough is not None
    assert smooth is not None
    assert rough.value < smooth.value, "the real ones are noise"
    calls: list[str] = []
    assert measure_benchmark(folder, found, on_step=lambda what, _d, _t: bool(calls.append(what)) or True)
    assert calls == [], "sets that are the same are not measured again"


def test_published_numbers_compare_in_their_own_column_alone(
    folder: BenchmarkFolder, drawn: Standings
) -> None:
    table = benchmark_table(folder, drawn)
    assert table.published
    for row, cells in table.published:
        for key, cell in cells.items():
            if not cell.why_not:
                assert row.protocol == key.partition("/")[0]
        assert all(cell.why_not for cell in cells.values()), "of other prompts and another size"
    matching = replace(drawn.plan, width_px=4096, height_px=4096, prompt_set="Aesthetic-Eval@4096")
    compared = {
        (row.table, key)
        for row, cells in benchmark_table(folder, replace(drawn, plan=matching)).published
        for key, cell in cells.items()
        if not cell.why_not
    }
    assert compared == {
        ("Diffusion-4K, tables 7 and 8", "as-published/glcm_score"),
        ("Diffusion-4K, tables 7 and 8", "as-published/compression_ratio"),
    }


def test_the_same_table_as_text_csv_and_json(folder: BenchmarkFolder, drawn: Standings) -> None:
    measure_benchmark(folder, drawn)
    table = benchmark_table(folder, drawn)
    text = as_text(table)
    assert "24 pictures: 24 done" in text
    assert "*" in next(line for line in text.splitlines() if line.startswith("as-published/glcm_score"))
    rows = [row for row in csv.DictReader(io.StringIO(as_csv(table))) if row["contender"] == "rough"]
    told = json.loads(as_json(table))
    values = {row["contender"]: row["cells"] for row in told["rows"]}["rough"]
    for row in rows:
        cell = values[f"{row['protocol']}/{row['metric']}"]
        if row["mean"]:
            assert float(row["mean"]) == cell["mean"]
            assert row["best"] == ("yes" if cell["best"] else "")
        else:
            assert row["note"] == cell["missing"]


def test_the_published_column_is_of_the_picture_as_jpeg(drawn: Standings) -> None:
    """Against Pillow's file and OpenCV's grey, written out here."""
    _, picture = drawn.pictures("rough")[0]
    pixels = read_picture(picture.path).pixels
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)  # 4:2:0 by default
    decoded = np.asarray(Image.open(file).convert("RGB"))
    found = measure_picture(pixels, "", drawn.plan.protocol_columns()).values
    assert found["as-published/compression_ratio"] == pixels.nbytes / file.getbuffer().nbytes
    assert found["as-published/glcm_score"] == pytest.approx(glcm_score(decoded), rel=1e-12)
    assert found["as-published/glcm_score"] != pytest.approx(glcm_score(pixels), rel=1e-6)


def test_another_clip_than_the_published_one_is_named_wherever_its_numbers_stand(
    workspace: Workspace, new_plan: NewPlan, jobs: JobTable, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("D4K_CLIP_B16", str(MICRO_CLIP))
    plan = new_plan(columns=("ours/clip_score", "ours/glcm_entropy"), prompts=new_plan().prompts[:2])
    folder = create_benchmark(workspace, plan)
    for cell in plan.cells():
        pretend(gallery, cell)
    found = standings(plan, jobs=jobs, gallery=gallery)
    assert measure_benchmark(folder, found)
    monkeypatch.delenv("D4K_CLIP_B16")  # what was measured says by what
    table = benchmark_table(folder, found)
    words = f"by {MICRO_CLIP}, as D4K_CLIP_B16 says; published numbers are by openai/clip-vit-base-patch16"
    assert table.other_models == {"ours/clip_score": (words,)}
    assert f"CLIPScore: {words}." in scores_markup(table)
    for text in (as_text(table), as_json(table), model_card(table)):
        assert text.count(words) == 1


def test_the_published_clip_needs_no_word(workspace: Workspace, drawn: Standings, new_plan: NewPlan) -> None:
    plan = new_plan(name="by clip", columns=("ours/clip_score",))
    folder, found = create_benchmark(workspace, plan), replace(drawn, plan=plan)
    for place, others in ((CLIP_B16.hub_id, []), ("someone/another-clip", ["ours/clip_score"])):
        for _, picture in found.pictures("rough"):
            folder.add_scores(picture.id, {"ours/clip_score": 30.0}, {}, {"ours/clip_score": place})
        assert list(benchmark_table(folder, found).other_models) == others
