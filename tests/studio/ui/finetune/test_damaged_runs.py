"""One damaged run among whole ones: it is in the list with what is wrong, and nothing else suffers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finetune.run_folder import RunFolder, list_runs
from finetune.run_rows import LARGEST
from studio.cli.main import app
from studio.home.workspace import Workspace
from studio.training.runs import Trainings
from studio.ui.finetune.runs import RunsHandlers
from tests.studio.ui.finetune.test_runs import event, look, write_run

Damage = Callable[[RunFolder], object]


def _write(name: str, content: bytes) -> Damage:
    return lambda run: (run.path / name).write_bytes(content)


def _said(**values: object) -> Damage:
    """status.json as it is, with other values."""

    def spoil(run: RunFolder) -> None:
        path = run.path / "status.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return spoil


def _instead(name: str, make: Callable[[Path], object]) -> Damage:
    def spoil(run: RunFolder) -> None:
        (run.path / name).unlink()
        make(run.path / name)

    return spoil


def _is_gone(path: Path) -> None:
    """Nothing in its place."""


def _config(**sections: object) -> bytes:
    return json.dumps({"version": 1, "config": sections}).encode()


NAMED: dict[str, Damage] = {
    "settings gone": _instead("config.json", _is_gone),
    "settings empty": _write("config.json", b""),
    "settings cut off": _write("config.json", b'{"version": 1, "config": {"da'),
    "settings null": _write("config.json", b"null"),
    "settings a list": _write("config.json", b"[]"),
    "settings of bytes": _write("config.json", b"\xff\xfe\x00\x01" * 9),
    "settings bottomless": _write("config.json", b"[" * 100_000),
    "settings of a newer studio": _write("config.json", b'{"version": 99, "config": {}}'),
    "settings of version infinity": _write("config.json", b'{"version": Infinity, "config": {}}'),
    "settings without sections": _write("config.json", b'{"version": 1}'),
    "settings with a section of text": _write("config.json", _config(data="x")),
    "settings with an unknown key": _write("config.json", _config(data={"colour": 1})),
    "settings of wrong types": _write("config.json", _config(schedule={"num_steps": "many"})),
    "settings a folder": _instead("config.json", Path.mkdir),
    "settings a link to nowhere": _instead("config.json", lambda path: path.symlink_to(path.parent / "gone")),
    "settings a link to itself": _instead("config.json", lambda path: path.symlink_to(path)),
    "settings huge": _write("config.json", _config(data={"x" * 5_000_000: 1})),
    "state empty": _write("status.json", b""),
    "state null": _write("status.json", b"null"),
    "state a list": _write("status.json", b"[1]"),
    "state of bytes": _write("status.json", b"\xff\xfe"),
    "state bottomless": _write("status.json", b"[" * 100_000),
    "state of nothing": _write("status.json", b"{}"),
    "state unknown": _said(state="resting"),
    "state a number": _said(state=3),
    "state of a step in words": _said(state="running", step="many"),
    "state of endless steps": _said(step=10**400),
    "state of no number": _said(state="running", heartbeat_at=float("nan")),
    "state of null": _said(state="running", message=None, host=None),
    "state a folder": _instead("status.json", Path.mkdir),
}
"""What makes it no run that can be gone on with."""

ROW = '{"step": 13, "loss": %s}\n'
HALF_LETTER = (
    b'{"step": 0, "index": 0, "seed": 7, "prompt": "a \\ud83d hill", "file": null, "error": "\\udc00"}\n'
)


def _line(text: str, name: str = "steps.jsonl") -> Damage:
    def spoil(run: RunFolder) -> None:
        with (run.path / name).open("a") as file:
            file.write(text)

    return spoil


ODD: dict[str, Damage] = {
    "a loss in words": _line(ROW % '"low"'),
    "a loss of null": _line(ROW % "null"),
    "a loss that is no number": _line(ROW % "NaN"),
    "a loss without end": _line(ROW % f"1{'0' * 400}"),
    "a line of a list": _line("[1, 2]\n"),
    "a line bottomless": _line("[" * 100_000 + "\n"),
    "a line without a step": _line('{"loss": 0.1}\n'),
    "a step in words": _line('{"step": "first", "loss": 0.1}\n'),
    "a step beyond counting": _line(f'{{"step": {LARGEST}, "loss": 0.1}}\n'),
    "a mark of null": _line('{"restart": null}\n'),
    "a mark that is a loss too": _line('{"restart": 4, "loss": 0.5}\n'),
    "bands of a list": _line('{"step": 13, "loss": 0.1, "bands": [1]}\n'),
    "a band in words": _line('{"step": 13, "loss": 0.1, "bands": {"ll": "x"}}\n'),
    "levels of numbers": _line('{"step": 13, "loss": 0.1, "sigmas": [0.5]}\n', "validation.jsonl"),
    "a level that is no number": _line(
        '{"step": 13, "loss": 0.1, "sigmas": [{"sigma": NaN, "loss": 1}]}\n', "validation.jsonl"
    ),
    "steps of bytes": _write("steps.jsonl", os.urandom(9_000)),
    "steps a folder": _instead("steps.jsonl", Path.mkdir),
    "a sample without a prompt": _line('{"step": 0, "index": 0, "seed": 7, "file": null}\n', "samples.jsonl"),
    "a sample of half a letter": _write("samples.jsonl", HALF_LETTER),
    "a sample elsewhere": _line(
        '{"step": 0, "index": 0, "seed": 7, "prompt": "a", "file": "../../x.png"}\n', "samples.jsonl"
    ),
    "a sample of a name too long": _line(
        '{"step": 0, "index": 0, "seed": 7, "prompt": "a", "file": "samples/' + "x" * 5_000 + '"}\n',
        "samples.jsonl",
    ),
    "notes of bytes": _write("notes.txt", b"\xff\xfe hill"),
    "notes a folder": lambda run: (run.path / "notes.txt").mkdir(),
    "a log a folder": _instead("log.txt", Path.mkdir),
    "a log of bytes": _write("log.txt", os.urandom(40_000)),
    "a forecast of words": _write(
        "dry_run.json",
        b'{"seconds_per_step": "x", "peak_bytes": 1, "device": "cpu", "num_steps": 1, "seconds_forecast": 1,'
        b' "bytes_forecast": 1}',
    ),
    "a forecast of a list": _write("dry_run.json", b"[]"),
    "checkpoints a file": _write("checkpoints", b""),
    "a message of half a letter": _said(state="failed", message="no \ud83d room"),
}
"""What costs a line, a sample or a note, and not the run."""


@pytest.mark.parametrize("spoil", [*NAMED.values(), *ODD.values()], ids=[*NAMED, *ODD])
def test_the_others_are_as_before_and_it_can_be_thrown_away(
    runs_desk: RunsHandlers, trainings: Trainings, workspace: Workspace, spoil: Damage
) -> None:
    write_run(workspace.runs, "older", "done")
    bad = write_run(workspace.runs, "bad", "stopped")
    write_run(workspace.runs, "newer", "failed")
    whole = {line.name: line for line in trainings.listed()}
    spoil(bad)
    listed = {line.name: line for line in trainings.listed()}
    assert set(listed) == set(whole)
    for name in ("older", "newer"):
        assert listed[name] == whole[name]
    runs_desk.version(["bad", "older"])
    shown = look(runs_desk, "bad", {}, others=["older"])
    for part in ("list", "view", "log", "samples"):
        shown[part].model_dump_json()  # what a browser gets
    runs_desk.choose("bad")
    assert runs_desk.act(event(action="delete", name="bad"), "")[1]
    assert {line.name for line in trainings.listed()} == {"older", "newer"}


@pytest.mark.parametrize("spoil", NAMED.values(), ids=list(NAMED))
def test_it_says_what_is_wrong(trainings: Trainings, workspace: Workspace, spoil: Damage) -> None:
    bad = write_run(workspace.runs, "bad", "stopped")
    spoil(bad)
    (line,) = trainings.listed()
    assert line.state == "failed"
    assert str(bad.path) in line.sentence
    assert len(line.sentence) < 1_000


@pytest.mark.parametrize("spoil", ODD.values(), ids=list(ODD))
def test_a_line_costs_a_line(trainings: Trainings, workspace: Workspace, spoil: Damage) -> None:
    bad = write_run(workspace.runs, "bad", "stopped")
    spoil(bad)
    (line,) = trainings.listed()
    assert (line.name, line.state in ("stopped", "failed"), line.num_steps) == ("bad", True, 40)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_the_command_line_lists_all(workspace: Workspace, more: tuple[str, ...]) -> None:
    names = [f"run{number}" for number in range(len(NAMED) + len(ODD))]
    for name, spoil in zip(names, (*NAMED.values(), *ODD.values()), strict=True):
        spoil(write_run(workspace.runs, name, "stopped"))
    done = CliRunner().invoke(app, ["runs", "--home", str(workspace.root), *more])
    assert done.exit_code == 0, done.output
    assert set(names) <= {word.strip('",') for word in done.stdout.split()}


def test_a_folder_whose_name_is_no_text(
    runs_desk: RunsHandlers, trainings: Trainings, workspace: Workspace
) -> None:
    run = write_run(workspace.runs, "older", "done")
    run.path.rename(os.fsdecode(os.fsencode(workspace.runs) + b"/hill-\xff"))
    (line,) = trainings.listed()
    assert line.name == "hill-\ufffd"
    look(runs_desk, line.name, {})["view"].model_dump_json()
    runs_desk.act(event(action="delete", name=line.name), "")
    assert list_runs(workspace.runs) == []


def test_what_is_no_run_is_not_listed(trainings: Trainings, workspace: Workspace) -> None:
    (workspace.runs / "empty").mkdir()
    (workspace.runs / "a file").write_text("")
    (workspace.runs / "nowhere").symlink_to(workspace.runs / "gone")
    (workspace.runs / "round").symlink_to(workspace.runs / "round")
    assert trainings.listed() == []
    assert trainings.changes().count("\n") == 0


def test_damaged_lines_are_counted(
    trainings: Trainings, workspace: Workspace, runs_desk: RunsHandlers
) -> None:
    run = write_run(workspace.runs, "bad", "stopped")
    assert "damaged" not in {chip.name for chip in look(runs_desk, "bad", {})["view"].chips}
    with (run.path / "steps.jsonl").open("a") as file:
        file.write("[]\n{\n" + ROW % "0.5" + '{"step": 14, "lo')  # the last one a crash cut short
    chips = {chip.name: chip.value for chip in look(runs_desk, "bad", {})["view"].chips}
    assert chips["damaged"] == "2"
    assert trainings.line("bad").loss == 0.5
