"""`d4k settings` as a shell sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from studio.cli.main import app
from studio.pictures.png import write_png
from studio.pictures.record import PictureRecord
from studio.render_request import RenderRequest
from tests.studio.pictures.pictures_of_others import TEXT, exif, in_container, png, text_chunk, user_comment

RUN = CliRunner()
ROOT = Path(__file__).parents[3]


def test_each_picture_of_a_folder_whoever_made_it(
    tmp_path: Path, noise: np.ndarray, new_request: Callable[..., RenderRequest]
) -> None:
    write_png(tmp_path / "a.png", noise, PictureRecord(settings=new_request(prompt="our sea")))
    (tmp_path / "b.jpg").write_bytes(in_container("JPEG", exif(user_comment(TEXT, "unsaid"))))
    (tmp_path / "c.png").write_bytes(png())
    (tmp_path / "notes.txt").write_text("not a picture")
    done = RUN.invoke(app, ["settings", str(tmp_path), "--json"])
    assert done.exit_code == 3
    ours, theirs, refused = (json.loads(line) for line in done.stdout.splitlines())
    assert (ours["tool"], ours["settings"]) == (
        "Diffusion-4K Studio",
        new_request(prompt="our sea").to_dict(),
    )
    assert (theirs["tool"], theirs["settings"]["seed"]) == ("AUTOMATIC1111", 5)
    assert theirs["left_out"]["Sampler"] == "Euler a"
    assert theirs["file"] == {"width_px": 96, "height_px": 64}
    assert refused == {"path": str(tmp_path / "c.png"), "error": refused["error"]}
    assert "c.png holds no settings" in refused["error"]


def test_for_people(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(png(text_chunk("parameters", TEXT, "iTXt")))
    done = RUN.invoke(app, ["settings", str(tmp_path / "b.png")])
    assert done.exit_code == 0, done.output
    assert f"{tmp_path / 'b.png'}  (AUTOMATIC1111)" in done.stdout
    assert "\n  seed: 5\n" in done.stdout
    assert "\n  left out: Sampler: Euler a\n" in done.stdout
    done = RUN.invoke(app, ["settings", str(tmp_path / "gone.png"), str(tmp_path / "b.png")])
    assert done.exit_code == 3
    assert "gone.png is missing" in done.stderr
    assert "seed: 5" in done.stdout


def test_a_terminal_of_another_encoding(tmp_path: Path) -> None:
    """Its letters are not enough for the prompt: they are spelled out, and the command goes on."""
    (tmp_path / "b.png").write_bytes(png(text_chunk("parameters", TEXT, "iTXt")))
    command = [sys.executable, "-m", "studio.cli.main", "settings", str(tmp_path / "b.png")]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert rb"\u5c71\u306e\u57ce, a castle \U0001f3f0" in done.stdout
