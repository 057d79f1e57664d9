"""Progress of the command line: rewritten in a terminal, a line now and then in a log."""

from __future__ import annotations

import io
import sys

import pytest

from studio.cli.bars import DownloadBar, RenderBar
from studio.queue.job import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_has_a_line_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with RenderBar() as bar:
        for progress in (
            Progress("loading model", 0, 1, None, None),
            *(Progress("denoising", step, 3, 1.0, 2.0) for step in range(4)),
            Progress("decoding", 0, 1, None, 4.0),
        ):
            assert bar.show(progress)
            bar.clear()
    assert capsys.readouterr().err == "loading model\ndenoising\ndecoding\n"


def test_a_terminal_has_one_line_that_is_gone_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with RenderBar() as bar:
        bar.show(Progress("denoising", 5, 16, 1.44, 15.8))
        shown = terminal.getvalue()
        bar.show(Progress("decoding", 0, 1, None, None))
    assert "denoising" in shown
    assert "5/16" in shown
    assert "1.44 s/step  16 s left" in shown
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")


def test_a_download_in_a_log_tells_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with DownloadBar(total_bytes=2_000_000_000, here_bytes=0) as bar:
        for here in range(0, 2_000_000_001, 50_000_000):
            assert bar.show(here)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[0] == "  0 %  0.00 of 2.00 GB"
    assert lines[-1] == "100 %  2.00 of 2.00 GB"


def test_a_download_in_a_terminal_goes_on_from_what_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with DownloadBar(total_bytes=4_000_000_000, here_bytes=1_000_000_000) as bar:
        bar.show(3_000_000_000)
        assert bar._bar.n == 3_000_000_000
        assert "25%" in terminal.getvalue()
