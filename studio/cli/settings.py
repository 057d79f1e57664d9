"""`d4k settings`: what each picture says of its making, whichever tool wrote it, and what of that has no use here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from metrics.pictures import pictures_in
from studio.cli.shared import SKIPPED_EXIT_CODE

_READ = frozenset({".png", ".jpg", ".jpeg", ".webp"})


def add_commands(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(settings)


def settings(
    files: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each, one a line.")
    ] = False,
) -> None:
    """Print the settings inside pictures: ours, A1111, Forge, SD.Next, ComfyUI, InvokeAI, SwarmUI and others.

    A file without settings that can be read is named, with the reason, and makes the exit code 3; the others are
    printed all the same.
    """
    from studio.pictures.settings_reader import PictureSettings, read_settings

    def printed(path: Path, found: PictureSettings) -> str:
        if as_json:
            return json.dumps({"path": str(path), "tool": found.source, **_values(found)}, ensure_ascii=False)
        lines = [f"{path}  ({found.source})", *(f"  {name}: {value}" for name, value in found.values.items())]
        return "\n".join(
            [*lines, *(f"  left out: {name}: {value}" for name, value in found.left_out.items())]
        )

    def _values(found: PictureSettings) -> dict[str, Any]:
        size = {"width_px": found.width_px, "height_px": found.height_px}
        return {"settings": found.values, "file": size, "left_out": found.left_out}

    skipped = 0
    for path in (path for given in files for path in pictures_in(given) if _is_read(path, given)):
        try:
            print(printed(path, read_settings(path)), flush=True)
        except ValueError as error:
            skipped += 1
            if as_json:
                print(json.dumps({"path": str(path), "error": str(error)}, ensure_ascii=False), flush=True)
            else:
                print(f"{path}\n  {error}", file=sys.stderr, flush=True)
    raise typer.Exit(SKIPPED_EXIT_CODE if skipped else 0)


def _is_read(path: Path, given: Path) -> bool:
    """Of a folder, only formats that carry settings; a file that was named itself is always tried."""
    return path == given or path.suffix.lower() in _READ
