"""A studio that serves: the process, the home it serves, and waiting for what can be seen from outside the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from studio.benchmark.folder import benchmarks_of
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from tests.served_app import free_port
from tests.stand_in_worker import Brake

ROOT = Path(__file__).parents[2]
HANG_S = 90.0
"""What takes longer hangs. Nothing here is a promise about time."""


@dataclass
class Server:
    """`python app.py` on a free port, and the home it serves."""

    home: Path
    port: int
    environment: dict[str, str]
    command: tuple[str, ...] = ("app.py",)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def workspace(self) -> Workspace:
        return Workspace.open(self.home)

    @property
    def gallery(self) -> Gallery:
        return Gallery(self.workspace)

    @property
    def jobs(self) -> JobTable:
        return JobTable(self.workspace.database)

    def start(self) -> None:
        started = time.monotonic()
        with (self.home.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.command],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=5).read()
                break
            except OSError:
                assert self.process.poll() is None, (self.home.parent / "server.log").read_text()
                assert time.monotonic() - started < HANG_S, "the server does not answer"
                time.sleep(0.05)

    def stop(self) -> None:
        """End the web process alone; the worker lives on."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(timeout=HANG_S)

    def workers(self) -> list[psutil.Process]:
        """The worker processes of this home."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if {"studio.work.worker", "tests.stand_in_worker"} & set(words) and str(self.home) in words:
                found.append(process)
        return found

    def end(self) -> None:
        self.stop()
        for worker in self.workers():
            worker.kill()
            worker.wait(timeout=HANG_S)

    @property
    def brake(self) -> Brake:
        """Of the stand-in worker."""
        return Brake(self.home)

    def told(self) -> str:
        """For whoever looks for the cause of a failure: every job, and what server and worker wrote last."""
        lines = [
            f"{job.id} {job.state} cancel_requested={job.cancel_requested} {job.progress}"
            for job in self.jobs.jobs()
        ]
        for log in (self.home.parent / "server.log", *sorted(self.workspace.logs.glob("*.log"))):
            lines += [f"-- {log.name}", *log.read_text(errors="replace").splitlines()[-20:]]
        return "\n".join(lines)

    def empty(self) -> None:
        """No job and no picture, nothing held: as a home that was just made."""
        self.brake.release()
        jobs, gallery = self.jobs, self.gallery
        jobs.cancel_all()
        wait_until(lambda: not jobs.jobs(states=("running",)))
        jobs.clear_finished()
        gallery.trash([picture.id for picture in gallery.pictures(limit=1000)])
        gallery.empty_trash()
        for folder in (self.workspace.runs, self.workspace.datasets, benchmarks_of(self.workspace)):
            for made in folder.glob("*"):
                shutil.rmtree(made, ignore_errors=True)


def wait_until(condition: Callable[[], bool]) -> None:
    """For what can be seen from outside the page alone."""
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


@contextmanager
def serving(folder: Path, *command: str, **settings: str) -> Iterator[Server]:
    """A studio whose home is in `folder`, on a port of its own."""
    home = folder / "home"
    environment = {
        **os.environ,
        "STUDIO_HOME": str(home),
        "STUDIO_PORT": str(free_port()),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        **settings,
    }
    served = Server(home, int(environment["STUDIO_PORT"]), environment, command)
    served.start()
    yield served
    served.end()
