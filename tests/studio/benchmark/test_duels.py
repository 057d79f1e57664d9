"""Pairs that are shown blind, votes that are kept, and what they say; the report that shows all of it."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from studio.benchmark.duels import cast, duels, judged_of, next_duel, reveal, take_back, votes_csv
from studio.benchmark.folder import BenchmarkFolder
from studio.benchmark.progress import Standings
from studio.benchmark.report import NAMES, write_report
from studio.benchmark.report_pictures import crops
from studio.benchmark.scoring import measure_benchmark
from studio.benchmark.verdict import verdict


def test_every_pair_once_sides_shuffled_and_the_same_again(drawn: Standings) -> None:
    listed = duels(drawn, order_seed=3)
    assert len({duel.key for duel in listed}) == len(listed) == 12
    assert {(duel.prompt, duel.seed) for duel in listed} == {
        (str(i), seed) for i in range(6) for seed in (1, 2)
    }
    sides = Counter(duel.left for duel in listed)
    assert set(sides) == {"rough", "smooth"}
    assert min(sides.values()) >= 2
    assert duels(drawn, order_seed=3) == listed
    assert [duel.key for duel in duels(drawn, order_seed=4)] != [duel.key for duel in listed]
    for duel in listed:
        shown = {picture.id for _, picture in drawn.pictures(duel.left)}
        assert duel.left_picture.id in shown


def test_votes_are_kept_and_taken_back(folder: BenchmarkFolder, drawn: Standings) -> None:
    first = next_duel(drawn, folder)
    assert first is not None
    cast(folder, first, "left")
    second = next_duel(drawn, folder)
    assert second is not None
    assert second.key != first.key
    cast(folder, second, "tie")
    assert [one.choice for one in judged_of(folder)] == ["left", "tie"]
    back = take_back(folder)
    assert back is not None
    assert back.key == second.key
    assert next_duel(drawn, folder) == second
    reveal(folder, second)
    cast(folder, second, "right")
    assert [one.key for one in judged_of(folder)] == [first.key], "a vote with the names in sight is void"
    third = next_duel(drawn, folder)
    assert third is not None
    assert third.key not in {first.key, second.key}, "what was shown is not asked again"
    cast(folder, first, "neither")
    assert [one.choice for one in judged_of(folder)] == ["neither"], "the later of two counts"
    with pytest.raises(ValueError, match="a vote is left, right, tie, neither"):
        cast(folder, first, "best")  # type: ignore[arg-type]


def test_damaged_votes_cost_themselves_alone(folder: BenchmarkFolder, drawn: Standings) -> None:
    duel = next_duel(drawn, folder)
    assert duel is not None
    cast(folder, duel, "left")
    with (folder.path / "votes.jsonl").open("ab") as file:
        file.write(
            b'{"key": 3}\nnull\n{"key": "x", "left": "a", "right": "b", "choice": "best"}\n{"undo": []}\n{"ke'
        )
    assert len(judged_of(folder)) == 1
    cast(folder, duels(drawn)[1], "right")
    assert len(judged_of(folder)) == 2


def test_what_the_votes_say(folder: BenchmarkFolder, drawn: Standings) -> None:
    measure_benchmark(folder, drawn)
    for number, duel in enumerate(duels(drawn)):
        rough = "left" if duel.left == "rough" else "right"
        cast(folder, duel, "tie" if number == 5 else rough)
    said = verdict(folder, drawn.plan.protocol_columns())
    assert said.num_votes == 12
    assert list(said.strengths) == ["rough", "smooth"]
    assert said.win_rates["rough"] == pytest.approx(11.5 / 12)
    assert said.agreements["as-published/glcm_score"].plcc > 0.8
    assert said.agreements["as-published/compression_ratio"].plcc > 0.8, (
        "less is more detail: the sign is turned"
    )
    assert "ours/texture_frechet" not in said.agreements
    lines = list(csv.DictReader(io.StringIO(votes_csv(folder, drawn))))
    assert len(lines) == 12
    assert Counter(line["choice"] for line in lines)["tie"] == 1
    assert {line["prompt"] for line in lines} == {f"a hill, number {i}" for i in range(6)}


def test_crops_are_the_same_place_of_both() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (512, 640, 3), dtype=np.uint8)
    second = first.copy()
    second[448:512, 576:640] = 128
    left, right = crops(first, second, "glcm_score", side_px=128)
    np.testing.assert_array_equal(left, first[384:512, 512:640])
    np.testing.assert_array_equal(right, second[384:512, 512:640])


def test_the_report_is_one_file_that_asks_nobody(
    folder: BenchmarkFolder, drawn: Standings, tmp_path: Path
) -> None:
    measure_benchmark(folder, drawn)
    for duel in duels(drawn)[:4]:
        cast(folder, duel, "left")
    page = write_report(folder, drawn, into=tmp_path / "out")
    assert sorted(path.name for path in page.parent.iterdir()) == sorted(NAMES)
    text = page.read_text(encoding="utf-8")
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", markup), "nothing outside the file"
    assert text.count("data:image/jpeg") == 24 + 2 * 6
    for words in (
        "a hill, number 3",
        "Bradley",
        "as-published/glcm_score",
        "arXiv 2503.18352",
        "do not compare",
    ):
        assert words in text
    assert len(text) < 12e6
    card = (page.parent / "model-card.md").read_text(encoding="utf-8")
    assert card.count("\n|") == 4


def test_a_report_of_nothing_drawn_yet(folder: BenchmarkFolder, look: object, tmp_path: Path) -> None:
    found = look()  # type: ignore[operator]
    assert "nothing is drawn yet" in write_report(folder, found, into=tmp_path).read_text(encoding="utf-8")


def test_names_are_text_and_no_markup(folder: BenchmarkFolder, drawn: Standings, tmp_path: Path) -> None:
    from dataclasses import replace

    prompts = tuple(replace(one, text="<script>alert(1)</script> & 'x'") for one in drawn.plan.prompts)
    found = replace(drawn, plan=replace(drawn.plan, prompts=prompts))
    page = write_report(folder, found, into=tmp_path).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
