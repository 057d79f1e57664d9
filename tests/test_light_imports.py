"""The web process stays light: nothing that it imports, at its start or later, may bring in torch.

What it imports is found by walking the packages, so a new module is looked at without being named here.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest

from tests.test_architecture import OURS, ROOT, inside, modules

HEAVY = {"torch", "torchvision", "diffusers", "transformers", "accelerate", "peft", "open_clip"}
FILES = {module: file for package in OURS for module, file in modules(package)}
CROSSINGS = {
    ("app", "studio.work.in_place_worker"): "a Space of shared GPUs, where the web process draws itself",
    (
        "studio.memory.footprints",
        "*",
    ): "what is counted on the meta device, by tests and for the catalogue's file",
    ("studio.cli.score", "*"): "`d4k score`, which the page does not call",
    ("studio.cli.evaluate", "*"): "`d4k evaluate` and `d4k reference`, which the page does not call",
}
"""(module, what its functions import) that may be heavy, and who uses it."""


@cache
def imports(module: str) -> tuple[frozenset[str], frozenset[str]]:
    """What a module imports outside its functions, and inside them; not what only type checkers see."""
    found: tuple[set[str], set[str]] = set(), set()

    def walk(node: ast.AST, inner: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                found[inner].update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                found[inner].update(
                    {child.module or "", *(f"{child.module}.{alias.name}" for alias in child.names)}
                )
            elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
                walk(child, inner or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))

    walk(ast.parse(FILES[module].read_text(encoding="utf-8")), False)
    return frozenset(found[0]), frozenset(found[1])


def with_packages(name: str) -> Iterator[str]:
    """studio, studio.ui, studio.ui.page: all of them are run."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


@cache
def brings(module: str) -> frozenset[str]:
    """Everything that importing a module imports: ours by name, others by their package."""
    seen: set[str] = set()
    waiting = list(with_packages(module))
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in FILES:
            for imported in imports(name)[0]:
                ours = imported.partition(".")[0] in OURS
                waiting += with_packages(imported) if ours else [imported.partition(".")[0]]
    return frozenset(seen)


def of_the_web_process() -> set[str]:
    roots = {"app"} | {module for module in FILES if inside(module, "studio.ui")}
    return {name for root in roots for name in brings(root) if name in FILES}


def test_the_page_brings_in_nothing_heavy_at_its_start_or_later() -> None:
    web = of_the_web_process()
    assert len(web) > 150, "too few were found: the walk is broken"
    broken = [
        f"{module} imports {', '.join(sorted(HEAVY & brings(module)))}"
        for module in sorted(web)
        if HEAVY & brings(module)
    ]
    for module in sorted(web):
        for name in sorted(imports(module)[1]):
            allowed = (module, "*") in CROSSINGS or any(
                (module, part) in CROSSINGS for part in with_packages(name)
            )
            if HEAVY & brings(name) and not allowed:
                broken.append(f"{module} imports {name} in a function")
    assert not broken, "\n".join(broken)


@pytest.mark.process
def test_what_imports_nothing_heavy_is_light_in_a_fresh_process() -> None:
    """Also what other packages bring in by themselves."""
    light = sorted(
        module for module in FILES if not HEAVY & brings(module) and not module.endswith("__main__")
    )
    plain = [module for module in light if "gradio" not in brings(module)]
    assert len(plain) > 100, "too few were found: the walk is broken"
    code = (
        "import importlib, sys\n"
        f"for names, unwanted in (({plain!r}, {HEAVY | {'gradio'}!r}), ({light!r}, {HEAVY!r})):\n"
        "    for name in names:\n"
        "        importlib.import_module(name)\n"
        "        found = sorted(unwanted & set(sys.modules))\n"
        "        assert not found, f'{name} brings in {found}'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.process
def test_the_page_starts_without_a_compiler() -> None:
    """numba and scipy cost half a second, and nobody measures in the first one."""
    code = (
        "import sys, studio.ui.page\n"
        "found = sorted({'torch', 'numba', 'scipy', 'skimage', 'pywt'} & set(sys.modules))\n"
        "assert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
