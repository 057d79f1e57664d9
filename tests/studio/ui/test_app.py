"""app.py: quiet on import, light in the web process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]


def run_python(code: str, home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"STUDIO_HOME": str(home), "PATH": "/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nothing_happens_on_import(tmp_path: Path) -> None:
    home = tmp_path / "home"
    loaded = run_python("import sys, app; print('gradio' in sys.modules)", home)
    assert loaded == "False"
    assert not home.exists()


def test_the_web_process_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import os, sys, app\n"
        "from studio.home.settings import Settings\n"
        "demo, launch = app.build(Settings.from_environment(os.environ))\n"
        "print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)), launch['ssr_mode'])"
    )
    assert run_python(code, tmp_path / "home") == "[] False"


def test_what_an_event_costs_does_not_grow_with_those_before(tmp_path: Path) -> None:
    """Gradio would sum up the times of all of them after each."""
    code = (
        "import os, app\n"
        "from studio.home.settings import Settings\n"
        "demo, _ = app.build(Settings.from_environment(os.environ))\n"
        "demo._queue.events_recorded = 5000\n"
        "event = {'function': 'draw', 'status': 'success', 'process_time': 1.0}\n"
        "print(demo._queue.compute_analytics_summary([event]))"
    )
    assert run_python(code, tmp_path / "home") == "{'functions': {}}"


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    in_the_way = tmp_path / "home"
    in_the_way.write_text("a file")
    with pytest.raises(AssertionError, match="home"):
        run_python("import app; app.main()", in_the_way)


def test_a_server_that_nobody_uses_rests(tmp_path: Path) -> None:
    """Times in five seconds that one of its threads slept; a busy machine makes them fewer."""
    pytest.importorskip("resource")
    code = (
        "import os, resource, time, app\n"
        "from studio.home.settings import Settings\n"
        "demo, launch = app.build(Settings.from_environment(os.environ))\n"
        "demo.launch(**{**launch, 'quiet': True}, prevent_thread_lock=True)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw\n"
        "time.sleep(5)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before)"
    )
    assert int(run_python(code, tmp_path / "home").splitlines()[-1]) < 1200
