"""Names that the system will not look up, given to a command: one sentence and exit code 2, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from studio.cli.main import app
from studio.cli.shared import BAD_INPUT_EXIT_CODE, SKIPPED_EXIT_CODE
from tests.studio.odd_names import ODD_NAMES
from tests.studio.odd_names import no_way_in as no_way_in

pytestmark = pytest.mark.usefixtures("no_way_in")

COMMANDS = {
    "train": ("train", "{}"),
    "train with it as the dataset": ("train", "settings of {}"),
    "export a run": ("export", "{}"),
    "export a file": ("export", "{}.safetensors"),
    "push": ("push", "{}", "ada/oil"),
    "grid": ("grid", "{}"),
    "render with a model": ("render", "sea", "--model", "{}"),
    "render with a LoRA": ("render", "sea", "--lora", "{}.safetensors"),
    "benchmark": ("benchmark", "pair", "--model", "micro-4k", "--model", "a={}"),
    "prompts": ("benchmark", "pair", "--model", "micro-4k", "--model", "a=micro-4k", "--prompts", "{}"),
    "scan": ("dataset", "scan", "{}"),
    "caption": ("dataset", "caption", "{}", "--local", "{}"),
    "evaluate": ("evaluate", "--generated", "{}", "--reference", "{}"),
}


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_says_it_in_one_sentence(
    words: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "home"))
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[data]\nsource = "{name}"\n[model]\nbase = "micro-4k"\n')
    given = [str(settings) if word.startswith("settings") else word.format(name) for word in words]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == BAD_INPUT_EXIT_CODE, (done.output, done.exception)
    (sentence,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert name[:60] in sentence


@pytest.mark.parametrize("command", ["settings", "score"])
def test_a_picture_that_cannot_be_looked_at_keeps_no_other(command: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [command, "x" * 300, str(tmp_path / "gone.png")])
    assert done.exit_code == SKIPPED_EXIT_CODE, (done.output, done.exception)
    assert "xxx cannot be read (" in done.stderr
    assert "gone.png is missing" in done.stderr
