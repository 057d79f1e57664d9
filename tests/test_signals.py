"""The server ends soon when it is told to, with a page open and a render at work; the render goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from studio.home.locks import lock_note
from studio.home.workspace import Workspace
from studio.queue.table import JobTable
from tests.served_app import free_port
from tests.stand_in_worker import Brake
from tests.studio.ui.conftest import submit

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[1]
HANG_S = 60.0


def ignore_interrupts() -> None:
    """As a shell without job control starts what it puts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace.open(tmp_path / "home")
    yield workspace
    pid = lock_note(workspace.worker_lock).get("pid")
    if isinstance(pid, int) and psutil.pid_exists(pid):
        psutil.Process(pid).kill()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "ignored"),
    [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGINT, True)],
    ids=["sigterm", "sigint", "sigint, ignored at the start"],
)
def test_it_ends_with_an_open_page_and_the_render_goes_on(
    workspace: Workspace, number: signal.Signals, ignored: bool
) -> None:
    jobs, brake = JobTable(workspace.database), Brake(workspace.root)
    brake.hold(2)
    job = submit(jobs)
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.stand_in_studio"],
        cwd=ROOT,
        env={
            **os.environ,
            "STUDIO_HOME": str(workspace.root),
            "STUDIO_PORT": str(port),
            "PYTHONPATH": str(ROOT),
        },
        preexec_fn=ignore_interrupts if ignored else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for(lambda: jobs.get(job).progress.step == 2)
        url = f"http://127.0.0.1:{port}/gradio_api/heartbeat/a-page"
        with urllib.request.urlopen(url, timeout=HANG_S) as page:
            assert page.readline().strip().startswith(b"data")
            server.send_signal(number)
            server.wait(timeout=HANG_S)
        assert server.stdout is not None
        said = server.stdout.read().decode()
        assert server.returncode == 0, said
        assert "Traceback" not in said
        assert jobs.get(job).state == "running"
        brake.release()
        wait_for(lambda: jobs.get(job).state == "done")
    finally:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()
