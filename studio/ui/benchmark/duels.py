"""Blind duels on the page: what is shown, and what a vote does. Names leave the server only when they are asked for.

Not here: which pair is next (`studio.benchmark.duels`), what votes say (`studio.benchmark.verdict`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.data_classes import GradioModel

from studio.benchmark.duels import Duel, cast, duels, judged_of, next_duel, reveal, revealed_of, take_back
from studio.benchmark.folder import BenchmarkFolder, find_benchmark
from studio.benchmark.markup import verdict_markup
from studio.benchmark.progress import Standings, standings
from studio.benchmark.verdict import verdict
from studio.comparison.differences import where_they_differ
from studio.inspection.opened import Opened
from studio.pictures.gallery import Gallery
from studio.queue.table import JobTable
from studio.ui.components import Drawn
from studio.ui.inspect.stage import Board, Look, pane_of
from studio.ui.messages import shows_errors
from studio.ui.parts.viewer.viewer import now_ms

PLACES = [("Where they differ most", "differ"), ("At random", "random")]
_DETAIL = "energy_hh_1"
"""What decides where two pictures differ: the finest detail, which no model's size or colours decide."""


class DuelContent(GradioModel):
    key: str = ""
    """Of the pair on the stage; empty for none."""

    prompt: str = ""
    done: int = 0
    total: int = 0
    names: tuple[str, ...] = ()
    """(left, right), only where they were asked for."""

    message: str = ""
    ended: bool = False
    """Whether the strengths are shown."""


class DuelBar(Drawn):
    """Events: vote (key, choice), act (what: undo, reveal, next or end; key)."""

    data_model = DuelContent
    scripts = ("duel_bar.js",)
    markup = """
<section class="duel-bar" aria-label="Blind duel">
  <p class="duel-prompt"></p>
  <div class="duel-buttons" role="group" aria-label="Which is better?">
    <button type="button" data-choice="left"><kbd>A</kbd> Left</button>
    <button type="button" data-choice="tie"><kbd>W</kbd> As good</button>
    <button type="button" data-choice="neither"><kbd>X</kbd> Both bad</button>
    <button type="button" data-choice="right"><kbd>D</kbd> Right</button>
  </div>
  <div class="duel-buttons duel-more">
    <button type="button" data-act="undo"><kbd>U</kbd> Undo</button>
    <button type="button" data-act="reveal"><kbd>N</kbd> Show names</button>
    <button type="button" data-act="next"><kbd>N</kbd> Next pair</button>
    <button type="button" data-act="end">End and show the result</button>
  </div>
  <div class="duel-state">
    <div class="duel-progress" hidden><i></i></div>
    <span class="duel-count" role="status"></span>
    <span class="duel-names" role="status"></span>
    <span class="duel-message" role="status"></span>
  </div>
</section>
"""


@dataclass(frozen=True, slots=True)
class DuelHandlers:
    """Handlers over plain values. Each answers (stage, bar, what the votes say)."""

    jobs: JobTable
    gallery: Gallery
    opened: Opened

    @shows_errors
    def show(self, name: str | None, places: str) -> tuple[Any, DuelContent, str]:
        """The next pair of a benchmark."""
        if not name:
            return Board(message="Choose a benchmark, or make one"), DuelContent(), ""
        folder, found = self._of(name)
        return self._next(folder, found, places)

    @shows_errors
    def look(self, name: str | None, places: str, shown: DuelContent) -> tuple[Any, Any, Any]:
        """A first pair as soon as there is one; a pair that is being judged stays."""
        if not name or shown.key or shown.names:
            return (gr.skip(),) * 3
        folder, found = self._of(name)
        if next_duel(found, folder) is None:
            return (gr.skip(),) * 3
        return self._next(folder, found, places)

    @shows_errors
    def vote(self, event: gr.EventData, name: str, places: str) -> tuple[Any, DuelContent, str]:
        """Keep it and show the next pair; a pair that has its vote already, from another page, keeps that."""
        folder, found = self._of(name)
        duel = _duel(found, str(event.key))
        if duel is not None and duel.key not in {one.key for one in judged_of(folder)}:
            cast(folder, duel, event.choice)
        return self._next(folder, found, places)

    @shows_errors
    def act(self, event: gr.EventData, name: str, places: str) -> tuple[Any, DuelContent, str]:
        """Take the last vote back, show names, go on, or end."""
        folder, found = self._of(name)
        if event.what == "undo":
            back = take_back(folder)
            duel = None if back is None else _duel(found, back.key)
            if duel is not None:
                return self._shown(folder, found, duel, places)
        if event.what == "reveal":
            duel = _duel(found, str(event.key))
            if duel is not None:
                reveal(folder, duel)
                content = self._content(folder, found, duel)
                content.names = duel.left, duel.right
                return gr.skip(), content, self._said(folder, found, named=False)
        if event.what == "end":
            duel = next_duel(found, folder)
            content = self._content(folder, found, duel)
            content.ended = True
            return gr.skip(), content, self._said(folder, found, named=True)
        return self._next(folder, found, places)

    def _of(self, name: str) -> tuple[BenchmarkFolder, Standings]:
        folder = find_benchmark(self.gallery.workspace, name)
        return folder, standings(folder.plan(), jobs=self.jobs, gallery=self.gallery)

    def _next(self, folder: BenchmarkFolder, found: Standings, places: str) -> tuple[Any, DuelContent, str]:
        duel = next_duel(found, folder)
        if duel is not None:
            return self._shown(folder, found, duel, places)
        content = self._content(folder, found, None)
        if not content.total:
            few = len(found.plan.contenders) < 2
            words = (
                "a duel needs two models"
                if few
                else "nothing to judge yet: two models' pictures of one prompt"
            )
            return Board(message=words), content, ""
        content.ended, content.message = True, "Every pair is judged"
        return Board(message="Every pair is judged"), content, self._said(folder, found, named=True)

    def _shown(
        self, folder: BenchmarkFolder, found: Standings, duel: Duel, places: str
    ) -> tuple[Any, DuelContent, str]:
        board = self.board(duel, places)
        return board, self._content(folder, found, duel), self._said(folder, found, named=False)

    def board(self, duel: Duel, places: str) -> Board:
        """Both pictures under one view at 1:1, without a word of whose they are."""
        subjects = [
            self.opened.open_master(
                picture.path,
                title="",
                preview=picture.preview_path,
                thumbnail=picture.thumbnail_path,
                width_px=picture.width_px,
                height_px=picture.height_px,
            )
            for picture in (duel.left_picture, duel.right_picture)
        ]
        panes = tuple(pane_of(subject) for subject in subjects)
        for pane, side in zip(panes, ("left", "right"), strict=True):
            pane.title = side  # on a phone one stands above the other
        width, height = subjects[0].width_px, subjects[0].height_px
        if places == "random":
            rng = random.Random(f"place {duel.key}")
            x, y = width * rng.uniform(0.1, 0.9), height * rng.uniform(0.1, 0.9)
        else:
            first, second = (self.opened.pixels(one) for one in subjects)
            place = where_they_differ(first, second, _DETAIL)
            x, y = place.x + place.width / 2, place.y + place.height / 2
        return Board(panes=panes, look=Look(mode="side"), view=f"{x:.0f},{y:.0f},1", demand=now_ms())

    def _content(self, folder: BenchmarkFolder, found: Standings, duel: Duel | None) -> DuelContent:
        total = len(duels(found)) - len(revealed_of(folder))
        done = len(judged_of(folder))
        if duel is None:
            return DuelContent(done=done, total=total)
        words = next(prompt.text for prompt in found.plan.prompts if prompt.name == duel.prompt)
        return DuelContent(key=duel.key, prompt=words, done=done, total=total)

    def _said(self, folder: BenchmarkFolder, found: Standings, *, named: bool) -> str:
        return verdict_markup(verdict(folder, found.plan.protocol_columns()), named=named)


def _duel(found: Standings, key: str) -> Duel | None:
    return next((duel for duel in duels(found) if duel.key == key), None)
