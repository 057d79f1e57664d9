"""A process of ours that says JSON objects, one a line, heard as it speaks and ended when nobody listens any more.

What it is to do goes to its stdin as one line of JSON, and its stdin stays open for as long as it is wanted: a process
whose parent died sees the end of it (`end_with_stdin`). For work whose libraries the web process must not import.
Not here: which work (`studio.datasets.fetch_child`, `studio.datasets.caption_child`).
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Mapping
from typing import IO, Any

from studio.home.settings import ROOT

QUIET_S = 0.25
"""After so long without a line, an empty entry is given, so that the listener can think of stopping."""

EXIT = "exit"

_END_S = 5.0


def said_by(
    module: str, order: Mapping[str, Any], *, environ: Mapping[str, str]
) -> Generator[dict[str, Any]]:
    """Start `python -m module` and give what it says; {} after each quarter second of silence.

    The last entry is {"exit": its exit code, "last": the last line of its stderr}. Closing the iterator ends the
    process within moments: wrap it in `contextlib.closing`.
    """
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, "-u", "-m", module],
            cwd=ROOT,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            said = _lines(child.stdout)
            child.stdin.write(json.dumps(dict(order)) + "\n")
            child.stdin.flush()
            while True:
                try:
                    line = said.get(timeout=QUIET_S)
                except queue.Empty:
                    yield {}
                    continue
                if line is None:
                    break
                yield json.loads(line)
            code = child.wait(_END_S)
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().rpartition("\n")[2][-200:]
            yield {EXIT: code, "last": last}
        finally:
            _end(child)


def read_order() -> dict[str, Any]:
    """In the process itself: what it is to do; from now on it ends with its stdin."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, name="end with stdin", daemon=True).start()
    return order


def say(what: Mapping[str, Any]) -> None:
    """In the process itself: one line."""
    print(json.dumps(dict(what)), flush=True)


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


def _end(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()


def _lines(stream: IO[str]) -> queue.Queue[str | None]:
    """Line by line as they come; None at the end."""
    said: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        try:
            for line in stream:
                said.put(line)
        except ValueError:  # closed under us: nobody listens any more
            pass
        said.put(None)

    threading.Thread(target=read, name="child lines", daemon=True).start()
    return said
