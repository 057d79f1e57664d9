"""The web process stays light: none of what it imports may bring in torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WEB_SIDE = (
    *("database", "disk", "gallery", "jobs", "metadata", "model_files", "models", "parameters"),
    *("picture_views", "processes", "render_destination", "requests", "settings", "supervisor"),
    *("worker", "worker_log", "workspace", "cli"),
)
TORCH_SIDE = ("pace", "pipelines", "records", "render_in_place", "render_jobs", "rendering", "saved_latents")


def test_every_module_is_on_one_side() -> None:
    found = {path.stem for path in (ROOT / "studio").glob("*.py")} - {"__init__"}
    assert found == {*WEB_SIDE, *TORCH_SIDE}


@pytest.mark.parametrize("module", WEB_SIDE)
def test_imports_no_torch(module: str) -> None:
    code = (
        f"import sys, studio.{module}; print(sorted({{'torch', 'diffusers', 'gradio'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
