"""Every kind of job that is submitted anywhere is known, has a handler, and says what it is."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

from studio.home.workspace import Workspace
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.work.handlers import make_handlers
from studio.work.kinds import KINDS, detail_of, drawing_of
from tests.studio.ui.conftest import a_request
from tests.test_light_imports import FILES


def submitted_kinds() -> set[str]:
    """The first words of all calls of `….submit("kind", …)` in the sources, also where a module has a name for one."""
    found = set()
    for module, file in FILES.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "submit"
            ):
                found |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
                named = [one.id for one in node.args[:1] if isinstance(one, ast.Name) and one.id.isupper()]
                found |= {getattr(import_module(module), name) for name in named}
    return found


def test_what_is_submitted_is_known_and_done(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "home")
    who_does, _ = make_handlers(workspace, JobTable(workspace.database))
    assert submitted_kinds() == set(KINDS) == set(who_does)


def test_what_a_row_says(tmp_path: Path) -> None:
    jobs = JobTable(tmp_path / "studio.db")

    def made(kind: str, request: dict[str, object]) -> Job:
        return jobs.get(jobs.submit(kind, request, label="a"))

    render = made("render", a_request(seed=7, side_px=512).to_dict())
    assert (detail_of(render), drawing_of(render)) == ("512 × 512 · seed 7", a_request(seed=7, side_px=512))
    train = made("train", {"run": "fox"})
    assert (detail_of(train), drawing_of(train)) == ("training · fox", None)
    assert detail_of(made("train", {})) == "train"
    assert detail_of(made("upscale", {"factor": 2})) == "upscale"
