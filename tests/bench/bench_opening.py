"""How soon the web process answers, against a process that imports Gradio and nothing else:

    python -m tests.bench.bench_opening [--runs 5]

Both in CPU seconds and in turn, each in a fresh process, so that other work on the machine moves the ratio little.
What keeps it low is that the web process imports no torch (`tests/test_light_imports.py`).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from tests.browser.studio_server import serving

GRADIO_ALONE = "import gradio, psutil; spent = psutil.Process().cpu_times(); print(spent.user + spent.system)"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="how often each is started")
    kinds: dict[str, dict[str, str]] = {"studio": {}, "studio, to draw only": {"STUDIO_TRAINING": "0"}}
    seconds: dict[str, list[float]] = {"gradio alone": [], **{kind: [] for kind in kinds}}
    for _ in range(parser.parse_args().runs):
        seconds["gradio alone"].append(_gradio_alone())
        for kind, settings in kinds.items():
            seconds[kind].append(_until_answer(settings))
    alone = statistics.median(seconds["gradio alone"])
    for kind, each in seconds.items():
        middle = statistics.median(each)
        print(f"{kind:24} {middle:5.2f} s of CPU, {middle / alone:4.2f} times gradio alone")


def _gradio_alone() -> float:
    done = subprocess.run([sys.executable, "-c", GRADIO_ALONE], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _until_answer(settings: dict[str, str]) -> float:
    """CPU seconds of the web process alone, from its start to its first page."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "app.py", **settings) as server:
        assert server.process is not None
        spent = psutil.Process(server.process.pid).cpu_times()
        return float(spent.user + spent.system)


if __name__ == "__main__":
    main()
