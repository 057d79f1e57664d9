"""The house plan, as a test: which room may import which, no circles, and how long a file may grow."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("metrics", "finetune", "studio", "app")

# Libraries that a package must not import at all, anywhere: (package, libraries, modules the law does not bind).
LIBRARIES: list[tuple[str, set[str], set[str]]] = [
    ("metrics", {"gradio", "diffusers"}, set()),
    ("finetune", {"gradio"}, set()),
    ("studio", {"gradio"}, {"studio.ui"}),
    ("studio.ui", {"torch", "diffusers", "accelerate", "transformers"}, set()),
]

FLOORS = """
metrics
finetune.weight_files finetune.whole_files finetune.whole_text
finetune.json_text finetune.named_paths
finetune.model_folder finetune.run_rows
finetune.run_status
finetune.config finetune.backbones finetune.processes finetune.locking finetune.checkpointing finetune.divergence
finetune.ema finetune.run_folder finetune.objectives finetune.drawing finetune.optimizers finetune.sharding
finetune.data finetune.reporting finetune.samples finetune.training_state finetune.checkpoint_adapter
finetune.captions finetune.lora finetune.preparing finetune.validation
finetune.memory
finetune.trained_model
finetune.learner
finetune.loop
finetune.dry_run
finetune.train
finetune.micro
studio.memory_rungs studio.init_image
studio.home
studio.render_request
studio.models studio.queue studio.comparison
studio.pipeline
studio.memory studio.pictures studio.visitors
studio.rendering studio.datasets studio.inspection
studio.training studio.benchmark
studio.work
studio.cli
studio.ui.scripts studio.ui.icons studio.ui.plot_look studio.ui.events studio.ui.startup
studio.ui.components studio.ui.theme
studio.ui.messages studio.ui.parts.pulse studio.ui.parts.refusal
studio.ui.lookup studio.ui.parts.details studio.ui.parts.grid studio.ui.parts.viewer studio.ui.visitors
studio.ui.parts.queue studio.ui.parts.cells
studio.ui.parts.header
studio.ui.gallery studio.ui.datasets studio.ui.models studio.ui.tools
studio.ui.agents studio.ui.inspect studio.ui.generate
studio.ui.benchmark
studio.ui.compare studio.ui.finetune
studio.ui.page
app
"""
"""From the ground up; a module imports its own room and rooms on floors below, never one beside or above it."""

# Entry points and tabs that nothing but the page or the user starts: what imports them would be upside down.
NOT_IMPORTED = {"studio.cli": ("studio.cli",), "studio.ui": ("studio.ui", "app")}

LONGEST_LINES = 300


def modules(package: str) -> list[tuple[str, Path]]:
    base = ROOT.joinpath(*package.split("."))
    files = [base.with_suffix(".py"), *base.rglob("*.py")]
    return [(module_name(file), file) for file in files if file.is_file()]


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imported(file: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write the full module name instead of a relative import"
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@cache
def all_modules() -> dict[str, Path]:
    return {module: file for package in OURS for module, file in modules(package)}


def imports_of_ours(module: str) -> set[str]:
    """Modules of ours that it imports: of `a.b` and `a.b.name`, the longest that is a module."""
    known = all_modules()
    names = {name for name in imported(known[module]) if name in known and name != module}
    return {name for name in names if not any(inside(other, name) and other != name for other in names)}


@cache
def rooms() -> dict[str, int]:
    return {room: floor for floor, line in enumerate(FLOORS.strip().splitlines()) for room in line.split()}


def room_of(module: str) -> str:
    return max((room for room in rooms() if inside(module, room)), key=len, default="")


@pytest.mark.parametrize(("package", "forbidden", "exempt"), LIBRARIES, ids=[law[0] for law in LIBRARIES])
def test_libraries_are_imported_where_they_belong(
    package: str, forbidden: set[str], exempt: set[str]
) -> None:
    checked = [(m, f) for m, f in modules(package) if not any(inside(m, e) for e in exempt)]
    assert checked, f"no module of {package} was found: the law checks nothing"
    broken = [
        f"{module} imports {name}"
        for module, file in checked
        for name in sorted(imported(file))
        if any(inside(name, f) for f in forbidden)
    ]
    assert not broken, "\n".join(broken)


def test_every_module_stands_in_a_room_and_every_room_has_modules() -> None:
    packages = {"finetune", "studio", "studio.ui", "studio.ui.parts"}  # only their first lines
    homeless = [module for module in all_modules() if not room_of(module) and module not in packages]
    assert not homeless, homeless
    assert {room_of(module) for module in all_modules()} - {""} == set(rooms())


def upward(imports: Mapping[str, set[str]]) -> list[str]:
    """Every import, by module, that does not point to a room below."""
    return sorted(
        f"{module} ({room_of(module)}) imports {name} ({room_of(name)}), which is not below it"
        for module, names in imports.items()
        for name in names
        if room_of(name) and room_of(name) != room_of(module)
        if rooms()[room_of(name)] >= rooms().get(room_of(module), -1)
    )


def test_imports_point_down() -> None:
    found = upward({module: imports_of_ours(module) for module in all_modules()})
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("metrics.glcm", "finetune.whole_text"),
        ("finetune.train", "studio.home.disk"),
        ("studio.queue.table", "studio.work.worker"),
        ("studio.models.lookup", "studio.queue.table"),  # beside each other
        ("studio.ui.gallery.tab", "studio.ui.page"),
    ],
)
def test_an_import_that_points_up_is_told_of(module: str, name: str) -> None:
    (line,) = upward({module: {"metrics.catalogue", name}} if module != "metrics.glcm" else {module: {name}})
    assert line.startswith(module)
    assert name in line


def test_the_page_and_the_command_line_do_not_lean_on_each_other() -> None:
    broken = [
        f"{module} imports {name}"
        for module in all_modules()
        for name in imports_of_ours(module)
        for room, allowed in NOT_IMPORTED.items()
        if inside(name, room) and not any(inside(module, a) for a in allowed)
    ]
    assert not broken, "\n".join(broken)


def test_a_circle_is_told_of() -> None:
    graph = {module: imports_of_ours(module) for module in all_modules()}
    graph["studio.home.database"] |= {"studio.queue.table"}
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


def test_no_module_imports_itself_by_way_of_others() -> None:
    order = list(
        TopologicalSorter({m: imports_of_ours(m) for m in all_modules()}).static_order()
    )  # or CycleError
    assert set(order) == set(all_modules())


def test_files_have_one_purpose_and_their_length_shows_it() -> None:
    long = {
        module: lines
        for module, file in [*all_modules().items(), *modules("tests")]
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > LONGEST_LINES
    }
    assert not long, long


def test_every_source_module_says_what_it_is() -> None:
    silent = [
        module
        for module, file in all_modules().items()
        if ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) is None
    ]
    assert not silent, silent


_NAMED = re.compile(r"`((?:metrics|finetune|studio|tests|)(?:\.[A-Za-z_]\w*)+)(?:\(\))?`")
"""A dotted name between backticks: a module, or a name in one, from the ground or from where it is written."""


def test_texts_name_only_what_there_is() -> None:
    """A module that was moved takes its name along in every docstring and comment."""
    tests = dict(modules("tests"))
    wrong = [
        f"{file.relative_to(ROOT)} names {name}"
        for module, file in [*all_modules().items(), *tests.items()]
        for name in _NAMED.findall(file.read_text(encoding="utf-8"))
        if not _is_there(f"{module.rpartition('.')[0]}{name}" if name.startswith(".") else name, tests)
    ]
    assert not wrong, "\n".join(wrong)


def _is_there(name: str, tests: dict[str, Path]) -> bool:
    files = {**all_modules(), **tests}
    if name in files or ROOT.joinpath(*name.split(".")).is_dir():
        return True
    parts = name.split(".")
    module = next((m for i in range(len(parts), 0, -1) if (m := ".".join(parts[:i])) in files), None)
    if module is None:
        return False
    inside_it = name[len(module) + 1 :].split(".")
    return all(re.search(rf"\b{part}\b", files[module].read_text(encoding="utf-8")) for part in inside_it)
