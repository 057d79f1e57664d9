"""What a benchmark asks for, where its prompts come from, and that it is kept whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.benchmark.folder import PLAN, BenchmarkFolder, create_benchmark, find_benchmark, list_benchmarks
from studio.benchmark.plan import BenchmarkPlan, all_columns
from studio.benchmark.prompts import OWN, read_prompts
from studio.cli.benchmark import parse_contender
from studio.home.workspace import Workspace
from studio.models.lookup import find_model
from studio.render_request import AdapterUse
from tests.benchmark_home import contender, prompts
from tests.studio.benchmark.conftest import NewPlan


def test_every_contender_draws_every_prompt_with_every_seed(new_plan: NewPlan) -> None:
    cells = new_plan().cells()
    assert len(cells) == new_plan().num_cells == 2 * 6 * 2
    assert [cell.contender for cell in cells] == ["rough"] * 12 + ["smooth"] * 12, "each model is opened once"
    assert {(cell.prompt, cell.seed) for cell in cells} == {
        (str(i), seed) for i in range(6) for seed in (1, 2)
    }
    assert all(cell.request.prompt == f"a hill, number {cell.prompt}" for cell in cells)


def test_a_model_of_the_command_line_draws_as_generate_would() -> None:
    entry = find_model("micro-4k")
    found = parse_contender("oil=micro-4k", steps=None, guidance=None)
    assert (found.name, found.model) == ("oil", entry.id)
    assert (found.num_inference_steps, found.guidance_scale, found.coarse_first) == (
        entry.default_steps,
        entry.default_guidance_scale,
        entry.default_coarse_first,
    )
    assert found.coarse_first > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "../up"}, "a benchmark's name is letters"),
        ({"name": ""}, "a benchmark's name is letters"),
        ({"contenders": ()}, "at least one contender"),
        ({"contenders": (contender("a"), contender("a"))}, "the contender 'a' is named twice"),
        ({"prompts": ()}, "at least one prompt"),
        ({"prompts": prompts(1) * 2}, "the prompt '0' is named twice"),
        ({"seeds": ()}, "at least one seed"),
        ({"seeds": (1, 1)}, "the seed '1' is named twice"),
        ({"seeds": (-1,)}, "rough, prompt 0: the seed must lie"),
        ({"columns": ()}, "at least one column"),
        ({"columns": ("theirs/fid",)}, "there is no protocol 'theirs'"),
        ({"columns": ("ours/psnr",)}, "has no column 'psnr'"),
        ({"width_px": 250}, "must be a multiple of 32"),
        ({"contenders": (contender("a", num_inference_steps=0),)}, "a, prompt 0: steps must lie"),
        ({"prompts": prompts(900), "seeds": tuple(range(12))}, "21600 pictures were asked for"),
        ({"contenders": tuple(contender(str(i)) for i in range(13))}, "at most 12 contenders"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_drawn(
    new_plan: NewPlan, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        new_plan(**changes)


def test_a_plan_comes_back_from_its_file(workspace: Workspace, new_plan: NewPlan) -> None:
    worn = contender("oil", adapters=(AdapterUse("loras/oil.safetensors", 0.5),))
    plan = new_plan(contenders=(contender("base"), worn), columns=all_columns())
    assert BenchmarkPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    folder = create_benchmark(workspace, plan)
    assert folder.plan() == plan
    assert create_benchmark(workspace, plan) == folder
    with pytest.raises(ValueError, match="there is a benchmark first already"):
        create_benchmark(workspace, new_plan(seeds=(3,)))
    assert find_benchmark(workspace, "first") == folder
    with pytest.raises(ValueError, match="there is no benchmark 'second'; there are first"):
        find_benchmark(workspace, "second")
    with pytest.raises(ValueError, match="there is no benchmark"):
        find_benchmark(workspace, "../runs/first")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'{"version": 1}',
        b'{"version": 2}',
        b'{"version": 1, "name": 3}',
        b"\xff\xfe",
        b"[" * 90_000,
    ],
)
def test_a_damaged_plan_is_named_and_listed(workspace: Workspace, new_plan: NewPlan, content: bytes) -> None:
    create_benchmark(workspace, new_plan())
    bad = create_benchmark(workspace, new_plan(name="bad"))
    (bad.path / PLAN).write_bytes(content)
    assert {one.name for one in list_benchmarks(workspace)} == {"first", "bad"}
    with pytest.raises(ValueError, match=r"bad/plan.json cannot be read"):
        bad.plan()


def test_scores_add_up_and_damaged_lines_cost_themselves_alone(folder: BenchmarkFolder) -> None:
    folder.add_scores("a", {"x": 1.0}, {"y": "too small"})
    with (folder.path / "scores.jsonl").open("ab") as file:
        file.write(b'{"picture": "a", "val')  # a kill in the middle of a line
    folder.add_scores("a", {"y": 2.0}, {})
    folder.add_scores("b", {}, {"x": "damaged"})
    with (folder.path / "scores.jsonl").open("ab") as file:
        file.write(b'null\n[]\n{"picture": 3}\n{"picture": "c", "values": [], "missing": {}}\n')
    assert folder.scores() == {
        "a": {"values": {"x": 1.0, "y": 2.0}, "missing": {}},
        "b": {"values": {}, "missing": {"x": "damaged"}},
    }


def test_prompts_of_our_own_are_understood_by_the_bundled_model() -> None:
    found = read_prompts(OWN)
    assert len(found.prompts) == 24
    assert len({prompt.text for prompt in found.prompts}) == 24
    assert len(read_prompts(OWN, limit=5).prompts) == 5
    with pytest.raises(ValueError, match="at least one prompt"):
        read_prompts(OWN, limit=0)


def test_prompts_of_a_text_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("\ufeffa sea\n\n  a hill  \na sea\n", encoding="utf-8")
    found = read_prompts(str(file))
    assert (found.name, [prompt.text for prompt in found.prompts]) == ("mine.txt", ["a sea", "a hill"])
    file.write_text("\n \n")
    with pytest.raises(ValueError, match="holds no prompt"):
        read_prompts(str(file))
    file.write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match="cannot be read as UTF-8"):
        read_prompts(str(file))


def test_prompts_of_the_published_layout(tmp_path: Path) -> None:
    """Captions with their pictures; stray files, captions alone and pictures alone are named and cost nothing."""
    root = tmp_path / "eval" / "size_2048"
    root.mkdir(parents=True)
    lines = [{"file_name": f"{i}.png", "text": f"hill {i}"} for i in range(3)]
    lines += [{"file_name": "gone.png", "text": "nothing"}, {"file_name": "0.png", "text": "again"}]
    (root / "metadata.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n{broken\n")
    for i in range(4):
        Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(root / f"{i}.png")
    (root / "notes.md").write_text("stray")
    found = read_prompts(str(root))
    assert found.name == "Aesthetic-Eval@2048"
    assert [(p.name, p.text) for p in found.prompts] == [(f"{i}.png", f"hill {i}") for i in range(3)]
    assert all(Path(prompt.reference).is_file() for prompt in found.prompts)
    said = " ".join(found.left_out)
    for words in (
        "3.png has no caption",
        "gone.png has a caption and no picture",
        "0.png was listed before",
        "line 6",
    ):
        assert words in said
    with pytest.raises(ValueError, match="is missing"):
        read_prompts(str(tmp_path / "nowhere"))
