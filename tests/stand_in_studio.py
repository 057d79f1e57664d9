"""The studio over the stand-in worker: `python -m tests.stand_in_studio`, told by the environment as `app.py` is."""

from __future__ import annotations

import sys

import app
from studio.home.settings import Settings
from studio.home.workspace import Workspace
from studio.work.supervisor import WorkerSupervisor


def supervisor(workspace: Workspace, settings: Settings) -> WorkerSupervisor:
    command = (sys.executable, "-u", "-m", "tests.stand_in_worker", "--home", str(workspace.root))
    return WorkerSupervisor(workspace, settings, command=command)


if __name__ == "__main__":
    app.new_worker = supervisor
    app.main()
