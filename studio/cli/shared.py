"""What the commands of `d4k` share: the home they work in, and bad input told in one sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from studio.home.settings import Settings
from studio.home.workspace import Workspace

BAD_INPUT_EXIT_CODE, SKIPPED_EXIT_CODE = 2, 3

Home = Annotated[Path | None, typer.Option(help="Root folder of the studio; STUDIO_HOME sets it too.")]


def settings_of(home: Path | None) -> Settings:
    """The environment's, with the home that `--home` names."""
    given = {} if home is None else {"STUDIO_HOME": str(home)}
    return Settings.from_environment({**os.environ, **given})


def open_home(home: Path | None) -> Workspace:
    """The workspace of `--home`, else of the environment."""
    return Workspace.open(settings_of(home).home)


@contextmanager
def one_sentence() -> Iterator[None]:
    """Bad input ends in its own sentence on stderr and exit code 2, without a traceback."""
    try:
        yield
    except ValueError as error:
        typer.echo(f"d4k: {error}", err=True)
        raise typer.Exit(BAD_INPUT_EXIT_CODE) from error
