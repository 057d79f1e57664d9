"""What is printed: prompts and paths hold letters that not every terminal and file takes. Standard library only."""

from __future__ import annotations

import sys
from io import TextIOWrapper


def print_any_letter(*, encoding: str | None = None) -> None:
    """From now on a letter that the output has no sign for is printed as its number, and ends no process.

    `encoding` None leaves each output its own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding=encoding, errors="backslashreplace")
