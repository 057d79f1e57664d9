"""Letters that an output has no sign for: printed as their numbers, or in UTF-8 where the output is a file of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import app
from studio.home.console import print_any_letter
from studio.home.settings import Settings
from studio.home.worker_log import last_lines
from studio.work import worker

ROOT = Path(__file__).parents[3]
LABEL = "山の城, a castle 🏰"


def printed(code: str, log: Path) -> bytes:
    """What a process of code page 1252 leads into a file, errors too."""
    code = f"from studio.home.console import print_any_letter\nlabel = {LABEL!a}\n{code}"
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
    assert done.returncode == 0, log.read_bytes()
    return log.read_bytes()


@pytest.mark.process
def test_a_log_holds_the_letters_of_every_prompt(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    said = printed(
        "from studio.home.worker_log import say\n"
        "import sys\n"
        "print_any_letter(encoding='utf-8')\n"
        "say(f'job 1: render {label!r}, attempt 1')\n"
        "print(label, file=sys.stderr, flush=True)\n"
        "say('job 1: done, \\udcff')",
        log,
    )
    assert f"job 1: render '{LABEL}', attempt 1".encode() in said
    assert last_lines(log, num_lines=2).startswith(f"{LABEL} / ")
    assert said.rstrip().endswith(rb"job 1: done, \udcff")


@pytest.mark.process
def test_a_terminal_keeps_its_encoding_and_goes_on(tmp_path: Path) -> None:
    said = printed("print_any_letter()\nprint(label, 'für', flush=True)", tmp_path / "said")
    assert said.split() == [rb"\u5c71\u306e\u57ce,", b"a", b"castle", rb"\U0001f3f0", b"f\xfcr"]


def test_an_output_that_is_none_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        print_any_letter(encoding="utf-8")
    print(LABEL)
    assert LABEL in capsys.readouterr().out


class Order(list[str]):
    """What was called, in which order."""

    def note(self, name: str, *, then: Exception | None = None) -> Any:
        def call(*given: Any, **named: Any) -> None:
            self.append(f"{name} {named['encoding']}" if "encoding" in named else name)
            if then is not None:
                raise then

        return call


def test_the_worker_begins_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called = Order()
    monkeypatch.setattr(sys, "argv", ["worker", "--home", str(tmp_path)])
    monkeypatch.setattr(worker, "print_any_letter", called.note("letters"))
    monkeypatch.setattr(worker.Workspace, "open", called.note("home", then=ValueError("no home")))
    with pytest.raises(SystemExit, match="no home"):
        worker.main()
    assert called == ["letters utf-8", "home"]


def test_the_server_begins_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    called = Order()
    for name in app.SECRETS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(app, "print_any_letter", called.note("letters"))
    monkeypatch.setattr(Settings, "from_environment", called.note("settings", then=ValueError("no port")))
    with pytest.raises(SystemExit, match="no port"):
        app.main()
    assert called == ["letters", "settings"]
