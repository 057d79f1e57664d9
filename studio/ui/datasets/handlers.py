"""What the dataset room does: handlers over plain values. No widgets, no wiring, no pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from studio.datasets.caption_changes import count_matches, replaced, with_affixes, with_trigger
from studio.datasets.captioning import (
    KEY_VARIABLE,
    check_shared_endpoint,
    start_captioning,
    start_captioning_here,
)
from studio.datasets.fetching import Fetches
from studio.datasets.limits import Judging
from studio.datasets.open import Datasets
from studio.datasets.rows import PictureRow
from studio.datasets.watch import DatasetWatch
from studio.home.background import TaskState
from studio.ui.datasets.fetch import FetchHandlers
from studio.ui.datasets.grid import DatasetContent
from studio.ui.datasets.page import Shelf, page_content
from studio.ui.datasets.plots import size_plot
from studio.ui.messages import shows_errors

TASKS = (("scanning", "scanned"), ("captioning", "captioned"))


@dataclass(frozen=True, slots=True)
class DatasetHandlers:
    """The room over the datasets of a home."""

    datasets: Datasets
    environ: Mapping[str, str]
    """Where the endpoint's key is looked for."""

    shared: bool = False
    """Whether others than the machine's owner may use the page."""

    fetching: FetchHandlers = field(init=False)
    """Datasets of the hub."""

    def __post_init__(self) -> None:
        fetches = Fetches(self.datasets.workspace, self.environ)
        object.__setattr__(self, "fetching", FetchHandlers(fetches, self.datasets.hosted))

    # Choosing

    def offer(self, source: str) -> Any:
        """The home's datasets, the chosen one marked if it is among them."""
        choices = [(one.title, one.path) for one in self.datasets.listed()]
        is_ours = source in {path for _, path in choices}
        return gr.Dropdown(choices=choices, value=source if is_ours else None)

    @shows_errors
    def name_folder(self, folder: str) -> Any:
        """The path of a folder that was typed; nothing changes while the field is empty."""
        return str(self.datasets.open(folder).root) if folder.strip() else gr.skip()

    @shows_errors
    def add_zip(self, archive: str | None) -> tuple[Any, Any]:
        """(the emptied drop field, the path of the dataset that came out)"""
        if archive is None:
            return gr.skip(), gr.skip()
        return None, self.datasets.add_zip(Path(archive))

    # Showing

    def judge(
        self, source: str, model: str, resolution_px: float | None, square: bool, shelf: Shelf, search: str
    ) -> tuple[Any, int, Any]:
        """Scan for this resolution, in the background: (first page, its number, plot).

        A refusal stands in the grid.
        """
        if not source.strip():
            return DatasetContent(), 0, None
        try:
            watch = self.datasets.open(source)
        except ValueError as error:
            return DatasetContent(message=f"{error}.", nothing=""), 0, None
        try:
            watch.judge(judging_of(model, resolution_px, square))
        except ValueError as error:
            watch.refuse(f"{error}.")
        else:
            watch.refuse("")
        return page_content(watch, shelf=shelf, search=search, page=0), 0, plot_of(watch)

    def show(self, source: str, shelf: Shelf, search: str, page: int) -> tuple[Any, int]:
        """(page, its number) of what there is now, or nothing new where the dataset is not open."""
        watch = self.datasets.known(source)
        if watch is None:
            return gr.skip(), page
        content = page_content(watch, shelf=shelf, search=search, page=page)
        return content, content.page

    def turn_to(self, source: str, shelf: Shelf, search: str) -> tuple[Any, int]:
        """Another shelf or search starts at its first page."""
        return self.show(source, shelf, search, 0)

    def turn(self, source: str, shelf: Shelf, search: str, event: gr.EventData) -> tuple[Any, int]:
        return self.show(source, shelf, search, int(event.page))

    def news(
        self, source: str, shelf: Shelf, search: str, page: int, plotted: str
    ) -> tuple[Any, int, Any, str]:
        """(page, its number, plot, what the plot was made from); the plot only after another scan."""
        content, page = self.show(source, shelf, search, page)
        watch = self.datasets.known(source)
        if watch is None:
            return content, page, gr.skip(), plotted
        made_from = plotted_from(watch)
        return content, page, gr.skip() if made_from == plotted else plot_of(watch), made_from

    def stop_scan(self, source: str) -> None:
        watch = self.datasets.known(source)
        if watch is not None:
            watch.stop_scan()

    # What the grid's script asks for

    def look(self, source: str) -> dict[str, Any]:
        """How the dataset stands, in a few words."""
        watch = self.datasets.known(source)
        if watch is None:
            return {"version": "", "tasks": []}
        states = {"scanning": watch.scanning.state, "captioning": watch.captioning.state}
        return {
            "version": watch.version(),
            "tasks": [_task(name, verb, states[name]) for name, verb in TASKS],
        }

    def edit(self, wish: dict[str, Any]) -> dict[str, Any]:
        """{"error"}: the refusal in one sentence, or empty when it is done and on disk."""
        try:
            watch = self._watch(str(wish["source"]))
            action, ids = str(wish["action"]), [str(one) for one in wish["ids"]]
            if action == "write":
                watch.write_caption(ids[0], str(wish["text"]))
            elif action == "leave-out":
                watch.leave_out(ids)
            elif action == "keep":
                watch.keep(ids)
            elif action == "undo":
                watch.undo()
            else:
                raise ValueError(f"unknown action {action[:40]!r}; reload the page")
        except ValueError as error:
            return {"error": f"{error}."}
        return {"error": ""}

    # Many captions at once

    def count(self, source: str, find: str, match_case: bool) -> str:
        """How many captions hold the words, for the note beside the field."""
        watch = self.datasets.known(source)
        if watch is None or not find:
            return ""
        number = count_matches(watch.captions(), find, match_case=match_case)
        return f"{number} {'caption holds' if number == 1 else 'captions hold'} it"

    @shows_errors
    def replace(self, source: str, find: str, instead: str, match_case: bool) -> str:
        watch = self._watch(source)
        changed = replaced(watch.captions(), find, instead, match_case=match_case)
        return _changed(watch.write_captions(changed, words=f"“{find[:40]}” replaced"), watch)

    @shows_errors
    def add_affixes(self, source: str, prefix: str, suffix: str) -> str:
        watch = self._watch(source)
        changed = with_affixes(watch.captions(), prefix=prefix, suffix=suffix)
        return _changed(watch.write_captions(changed, words="prefix and suffix"), watch)

    @shows_errors
    def add_trigger(self, source: str, trigger: str) -> str:
        watch = self._watch(source)
        changed = with_trigger(watch.captions(), trigger)
        return _changed(
            watch.write_captions(changed, words=f"the trigger word {trigger.strip()[:40]}"), watch
        )

    # Captions by a model

    def key_note(self) -> str:
        """Whether the endpoint's key is there; never the key."""
        held = "is set" if self.environ.get(KEY_VARIABLE) else "is not set, and none is sent"
        return f"The key comes from the environment variable {KEY_VARIABLE} of the studio, which {held}."

    @shows_errors
    def caption(
        self, source: str, base_url: str, model: str, prompt: str, replace_others: bool, local: str = ""
    ) -> None:
        """Begin, in the background: the model `local` of this machine where one is named, else the endpoint.

        On a public host nobody may send the host's key anywhere, nor run a model on it.
        """
        if self.datasets.hosted:
            raise ValueError(
                "captions by a model can only be asked for on one's own machine; run the studio there"
            )
        watch = self._watch(source)
        if local.strip():
            begun = start_captioning_here(
                watch, model=local, prompt=prompt, replace_others=replace_others, environ=self.environ
            )
        else:
            if self.shared:
                check_shared_endpoint(base_url, self.environ)
            begun = start_captioning(
                watch,
                base_url=base_url,
                model=model,
                prompt=prompt,
                replace_others=replace_others,
                environ=self.environ,
            )
        if not begun:
            raise ValueError("captions are being written already; stop that first")

    def stop_captions(self, source: str) -> None:
        watch = self.datasets.known(source)
        if watch is not None:
            watch.captioning.stop()

    def _watch(self, source: str) -> DatasetWatch:
        """Raises ValueError where the page's dataset is not open any more: the studio was started anew, say."""
        return self.datasets.open(source)


def judging_of(model: str, resolution_px: float | None, square: bool) -> Judging:
    """Raises ValueError where the field is empty or holds a fraction."""
    if resolution_px is None or resolution_px != int(resolution_px):
        raise ValueError("the resolution must be a whole number of pixels; 512 is usual for Micro-4K")
    return Judging(model=model, resolution_px=int(resolution_px), square_only=square)


def plot_of(watch: DatasetWatch) -> Any:
    """Of the last scan and what was decided since; None before it."""
    judged = watch.judged
    if judged is None:
        return None
    known = [row for row in watch.rows() if row.facts is not None and row.facts.error is None]
    trained = [_short_side(row) for row in known if row.exclusion is None]
    left_out = [_short_side(row) for row in known if row.exclusion is not None]
    return size_plot(trained, left_out, resolution_px=judged.resolution_px)


def plotted_from(watch: DatasetWatch) -> str:
    """Another text where the plot is another one."""
    left_out = sorted(row.file_name for row in watch.rows() if row.exclusion is not None)
    return f"{watch.id} {watch.judged} {id(watch.report)} {hash(tuple(left_out))}"


def _short_side(row: PictureRow) -> int:
    assert row.facts is not None
    return min(row.facts.width_px, row.facts.height_px)


def _task(name: str, verb: str, state: TaskState) -> dict[str, Any]:
    """A line with a bar; a scan that went well says nothing more."""
    quiet = name == "scanning" and state.state in ("running", "done")
    return {
        "name": name,
        "verb": "stopping" if state.state == "stopping" else verb,
        "running": state.is_running,
        "failed": state.state == "failed",
        "done": state.done,
        "total": state.total,
        "words": "" if quiet else state.words,
    }


def _changed(number: int, watch: DatasetWatch) -> str:
    empty = sum(not text for text in watch.captions().values())
    words = f"{number} {'caption' if number == 1 else 'captions'} changed"
    return f"{words}; {empty} without a caption left alone" if empty else words
