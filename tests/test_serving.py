"""What `serve` starts and stops around the page, with stand-ins for the page and the worker: no port is opened."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import app
from studio.home import uploads
from studio.home.settings import Settings

DAY_S = 24 * 3600.0


@pytest.mark.parametrize(("hosted", "kept_s"), [(True, DAY_S), (False, 7 * DAY_S)])
def test_uploads_are_swept_while_it_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hosted: bool, kept_s: float
) -> None:
    happened: list[Any] = []

    class Sweep:
        def __init__(self, folder: Path, *, older_s: float, init_images_of: Path | None) -> None:
            happened.append((folder, older_s, init_images_of))

        def start(self) -> None:
            happened.append("swept")

        def stop(self) -> None:
            happened.append("swept no more")

    worker = SimpleNamespace(
        start=lambda: happened.append("worker"), stop=lambda: happened.append("no worker")
    )
    page = SimpleNamespace(
        launch=lambda **_: None,
        server=SimpleNamespace(force_exit=False),
        block_thread=lambda: happened.append("served"),
    )
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(logging.Logger, "addFilter", lambda *_: None)
    monkeypatch.setattr(uploads, "UploadSweep", Sweep)
    monkeypatch.setattr(app, "new_worker", lambda *_: worker)
    monkeypatch.setattr(app, "build_in", lambda *_: (page, {}))
    home = tmp_path / "home"
    app.serve(Settings(home=home, hosted=hosted))
    assert happened == [
        "worker",
        (home / "cache" / "uploads", kept_s, home if hosted else None),
        *("swept", "served", "swept no more", "no worker"),
    ]
