"""The web process stays light: none of what it imports may bring in torch, and the page no compiler at its start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

TORCH_SIDE = {
    *(
        "adapter_stack",
        "catalogue_footprints",
        "dataset_encoding",
        "denoising",
        "fitting",
        "in_place_worker",
        "ladder",
        "pace",
        "pipelines",
    ),
    *("probe", "probe_models", "prompt_cache", "records", "render_in_place", "render_jobs", "rendering"),
    *("rungs", "saved_latents", "speed_report"),
}
"""Every other module of `studio` is the web process's."""


def test_the_torch_side_is_there() -> None:
    assert {path.stem for path in (ROOT / "studio").glob("*.py")} >= TORCH_SIDE


def test_the_web_side_imports_no_torch() -> None:
    web_side = sorted({path.stem for path in (ROOT / "studio").glob("*.py")} - {"__init__"} - TORCH_SIDE)
    code = (
        "import importlib, sys\n"
        f"for name in {web_side!r}:\n"
        "    importlib.import_module(f'studio.{name}')\n"
        "    found = sorted({'torch', 'diffusers', 'gradio'} & set(sys.modules))\n"
        "    assert not found, f'studio.{name} brings in {found}'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_page_starts_without_a_compiler() -> None:
    """numba and scipy cost half a second, and nobody measures in the first one."""
    code = (
        "import sys, studio.ui.layout\n"
        "found = sorted({'torch', 'numba', 'scipy', 'skimage', 'pywt'} & set(sys.modules))\n"
        "assert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
