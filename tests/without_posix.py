"""What Windows lacks is gone before anything of ours is imported. A pytest plugin too: `-p tests.without_posix`."""

from __future__ import annotations

import os
import signal
import sys

import filelock  # noqa: F401  # these two have ways of their own there, which this system cannot show
import psutil  # noqa: F401

for _name in ("fcntl", "resource"):
    sys.modules[_name] = None  # type: ignore[assignment]  # importing it raises ImportError
for _name in (
    "SIGKILL",
    "SIGHUP",
    "SIGUSR1",
    "SIGUSR2",
    "SIGQUIT",
    "SIGALRM",
    "SIGCHLD",
    "SIGSTOP",
    "SIGCONT",
):
    delattr(signal, _name)
for _name in ("fork", "killpg", "getpgid", "setsid", "sched_getaffinity", "mkfifo"):
    delattr(os, _name)
