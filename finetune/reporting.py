"""What a training process says of itself: status.json with a heartbeat, log.txt, and requests it is left.

Only the first process of a run speaks; the others hold a reporter that is silent.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from finetune.run_folder import Request, RunFolder
from finetune.run_status import State, Status

HEARTBEAT_S = 2.0


class RunStopped(Exception):
    """It was asked to stop before its first step."""


class Reporter:
    """The voice of one process."""

    def __init__(self, run: RunFolder, num_steps: int, *, speaks: bool) -> None:
        self.run, self.speaks = run, speaks
        self._status = Status("running", num_steps=num_steps, started_at=time.time())
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """Into log.txt and onto stderr."""
        if self.speaks:
            stamped = f"{time.strftime('%H:%M:%S')} {line}"
            try:
                with self.run.log.open("a", encoding="utf-8") as file:
                    file.write(stamped + "\n")
            except OSError as error:  # a full disk must not hide what is to be said
                print(f"log.txt cannot be written ({error})", file=sys.stderr, flush=True)
            print(stamped, file=sys.stderr, flush=True)

    def stage(self, stage: str, message: str = "") -> None:
        """What it does now; raises RunStopped where it is asked to stop. For what comes before the steps."""
        self.now(stage=stage, message=message)
        if self.speaks and self.run.asked("STOP"):
            raise RunStopped

    def now(
        self,
        *,
        stage: str | None = None,
        message: str | None = None,
        step: int | None = None,
        checkpoint_step: int | None = None,
    ) -> None:
        """Change what is said and leave the rest."""
        with self._lock:
            before = self._status
            kept = before.message if stage in (None, before.stage) else ""  # words of one stage end with it
            self._status = replace(
                before,
                stage=before.stage if stage is None else stage,
                message=kept if message is None else message,
                step=before.step if step is None else step,
                checkpoint_step=before.checkpoint_step if checkpoint_step is None else checkpoint_step,
            )
        if stage is not None and stage != before.stage:
            self._tell()
            self.say(f"{stage} {message}".rstrip() if message else stage)

    def end(self, state: State, message: str) -> None:
        """The last word."""
        with self._lock:
            self._status = replace(self._status, state=state, stage="", message=message)
        self._tell()
        self.say(f"{state}: {message}")

    def grant(self, request: Request) -> bool:
        """Whether it was asked for, which takes the request away."""
        if not self.speaks or not self.run.asked(request):
            return False
        self.run.granted(request)
        return True

    @contextmanager
    def beating(self) -> Iterator[None]:
        """A heartbeat every 2 s; SIGTERM and Ctrl-C ask to stop, and a second one ends the process at once."""
        if not self.speaks:
            yield
            return
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(HEARTBEAT_S):
                self._tell()

        def stop(number: int, _: FrameType | None) -> None:
            self.run.ask("STOP")
            for each in (signal.SIGTERM, signal.SIGINT):
                signal.signal(each, signal.SIG_DFL)

        before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        self._tell()
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            for each, handler in before.items():
                signal.signal(each, handler)

    def _tell(self) -> None:
        if not self.speaks:
            return
        with self._lock:
            try:
                self.run.say(self._status)
            except OSError as error:  # a full disk: the run itself says so where it matters
                print(f"status.json cannot be written ({error})", file=sys.stderr, flush=True)
