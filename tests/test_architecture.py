"""The house plan, as a test: who may import whom, and how long a file may grow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("metrics", "finetune", "studio", "app")

# (package, what it must not import, modules the law does not bind)
LAWS: list[tuple[str, set[str], set[str]]] = [
    ("metrics", {"finetune", "studio", "app", "gradio", "diffusers"}, set()),
    ("finetune", {"studio", "app", "gradio"}, set()),
    ("studio", {"gradio", "app"}, {"studio.ui"}),
    ("studio.ui", {"torch", "diffusers", "accelerate", "transformers", "finetune", "app"}, set()),
]
LONGEST_LINES = 400


def modules(package: str) -> list[tuple[str, Path]]:
    base = ROOT.joinpath(*package.split("."))
    files = [base.with_suffix(".py"), *base.rglob("*.py")]
    return [(module_name(file), file) for file in files if file.is_file()]


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write the full module name instead of a relative import"
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize(("package", "forbidden", "exempt"), LAWS, ids=[law[0] for law in LAWS])
def test_imports_point_one_way(package: str, forbidden: set[str], exempt: set[str]) -> None:
    checked = [(m, f) for m, f in modules(package) if not any(inside(m, e) for e in exempt)]
    assert checked, f"no module of {package} was found: the law checks nothing"
    broken = [
        f"{module} imports {name}"
        for module, file in checked
        for name in sorted(imported(file))
        if any(inside(name, f) for f in forbidden)
    ]
    assert not broken, "\n".join(broken)


def test_files_have_one_purpose_and_their_length_shows_it() -> None:
    long = {
        module: lines
        for package in OURS
        for module, file in modules(package)
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > LONGEST_LINES
    }
    assert not long, long


def test_every_source_module_says_what_it_is() -> None:
    silent = [
        module
        for package in OURS
        for module, file in modules(package)
        if file.stat().st_size and ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) is None
    ]
    assert not silent, silent
