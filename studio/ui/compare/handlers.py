"""What the Compare tab does: handlers over plain values. No widgets, no arithmetic on pixels."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from metrics.pictures import FORMATS
from metrics.score_table import Row, ScoreTable
from studio.comparison.differences import settings_difference, where_they_differ, words_that_differ
from studio.comparison.score_cache import ScoreCache
from studio.home.disk import whole_file
from studio.inspection.opened import Opened, Subject
from studio.pictures.gallery import Gallery
from studio.ui.compare.items import (
    Found,
    Item,
    chosen_items,
    farthest_pair,
    folder_sets,
    record_of,
    scored_sets,
    set_names,
    thumbnail_of,
    title_of,
)
from studio.ui.compare.table import TableContent, TableRow, columns_of, picture_cells, set_cells
from studio.ui.inspect.stage import Board, Look, Mark, pane_of
from studio.ui.messages import shows_errors
from studio.ui.parts.details.settings_table import SettingLine, SettingsContent
from studio.ui.parts.refusal import refusal
from studio.ui.parts.viewer.viewer import now_ms

USUAL_METRICS = (
    "glcm_score",
    "glcm_entropy",
    "compression_ratio",
    "effective_resolution",
    "energy_hh_1",
    "spectrum_slope",
)
TELL_EVERY_S = 0.5
SET_PREFIX = "set-"


@dataclass(frozen=True, slots=True)
class CompareHandlers:
    """The tab over the gallery, dropped files and, on one's own machine, folders."""

    gallery: Gallery
    opened: Opened
    cache: ScoreCache
    folders_allowed: bool

    def offer(self) -> Any:
        """The newest pictures of the gallery."""
        return gr.Dropdown(choices=[(title_of(p), p.id) for p in self.gallery.pictures(limit=200)])

    def compare(
        self, keys: list[str], files: list[str] | None, first: str, second: str, metrics: list[str]
    ) -> Iterator[tuple[str, Any, Any]]:
        """Score what is asked for, row by row: (what was refused, table, CSV button). Stops when the page asks.

        A refusal takes nothing else from the page; a picture that is gone does not keep the others.
        """
        try:
            if not metrics:
                raise ValueError("no metric is chosen; choose at least one")
            sets = folder_sets(self._home(), first, second)
            items, gone = ([], []) if sets else chosen_items(self.gallery, keys, files)
            every = [item for one in sets for item in one] or items
            if not every:
                raise ValueError(
                    " ".join(gone) or "nothing to compare; choose pictures, drop files, or name two folders"
                )
        except ValueError as error:
            yield refusal(str(error)), gr.skip(), gr.skip()
            return
        refused, found = refusal(*gone), Found()
        told = -TELL_EVERY_S
        for item in every:
            if time.monotonic() - told >= TELL_EVERY_S:
                yield refused, self.content(items, sets, found, metrics, total=len(every)), gr.skip()
                told = time.monotonic()
            try:
                found.scores[item.key] = self.score(item, tuple(metrics), found)
            except ValueError as error:
                found.failed.append(str(error))
                found.scores[item.key] = {}
        content = self.content(items, sets, found, metrics, total=len(every))
        # Two folders often hold files of the same names.
        rows = tuple(Row(str(item.path) if sets else item.name, found.scores[item.key]) for item in every)
        yield (
            refused,
            content,
            gr.DownloadButton(value=str(self.write_csv(ScoreTable(tuple(metrics), rows))), visible=True),
        )

    def content(
        self,
        items: Sequence[Item],
        sets: Sequence[Sequence[Item]],
        found: Found,
        metrics: Sequence[str],
        *,
        total: int,
    ) -> TableContent:
        """The table as far as it is."""
        if sets:
            paired = [item.path.stem for item in sets[0]] == [item.path.stem for item in sets[1]]
            names = set_names(sets)
            done = len(found.scores) == total
            cells = set_cells(
                scored_sets(sets, found, paired=paired and done), metrics, paired=paired, done=done
            )
            rows = tuple(
                TableRow(
                    key=f"{SET_PREFIX}{index}",
                    name=names[index],
                    note=f"{len(one)} pictures{', in pairs' if paired else ''}",
                    cells=cells[index],
                )
                for index, one in enumerate(sets)
            )
        else:
            rows = tuple(
                TableRow(
                    key=item.key,
                    name=item.name,
                    thumbnail=thumbnail_of(item),
                    cells=picture_cells(found.scores.get(item.key, {}), metrics),
                )
                for item in items
            )
        return TableContent(
            columns=columns_of(metrics),
            rows=rows,
            done=len(found.scores),
            total=total,
            message=" ".join(found.failed),
        )

    def score(self, item: Item, metrics: tuple[str, ...], found: Found) -> dict[str, float]:
        """From the cache, or computed on the master; `found` takes the size, and why a metric is missing.

        Raises ValueError for a file that cannot be read.
        """
        from metrics.evaluate import score_what_fits
        from metrics.pictures import read_picture

        known = self.cache.get(item.path, metrics)
        missing = tuple(name for name in metrics if name not in known)
        if missing:
            pixels = read_picture(item.path, max_megapixels=self.opened.max_megapixels).pixels
            scores, reasons = score_what_fits(pixels, metrics=missing)
            self.cache.put(item.path, {name: score.value for name, score in scores.items()})
            known |= {name: score.value for name, score in scores.items()}
            found.failed += [f"{item.name}: {reason}." for reason in dict.fromkeys(reasons.values())]
            found.raw_bytes[item.key] = float(pixels.nbytes)
        else:
            with Image.open(
                item.path, formats=FORMATS
            ) as image:  # its header; it was read whole when it was scored
                found.raw_bytes[item.key] = 3.0 * image.width * image.height
        return {name: known[name] for name in metrics if name in known}

    @shows_errors
    def open(
        self,
        event: gr.EventData,
        keys: list[str],
        files: list[str] | None,
        first: str,
        second: str,
        metrics: list[str],
    ) -> tuple[Board, SettingsContent]:
        """One or two rows in linked panes, at the patch where they differ most in the sorted metric."""
        chosen, metric = [str(key) for key in event.keys], str(event.metric) or metrics[0]
        if any(key.startswith(SET_PREFIX) for key in chosen):
            sets = folder_sets(self._home(), first, second)
            known = {item.key: self.cache.get(item.path, (metric,)) for one in sets for item in one}
            items = (
                farthest_pair(sets, {key: one[metric] for key, one in known.items() if one}) if sets else []
            )
        else:
            listed = {item.key: item for item in chosen_items(self.gallery, keys, files)[0]}
            items = [listed[key] for key in chosen if key in listed]
        if not items:
            raise ValueError("these rows are no longer compared; press Compare again")
        subjects = [self.subject(item) for item in items]
        board = Board(
            panes=tuple(pane_of(subject) for subject in subjects), look=Look(mode="side"), demand=now_ms()
        )
        if len(subjects) < 2:
            return board, self.settings(items, "")
        return self.at_the_difference(board, subjects, metric), self.settings(
            items, self.words(subjects, metric)
        )

    def subject(self, item: Item) -> Subject:
        if item.picture is None:
            return self.opened.open(item.path)
        return self.opened.open_master(
            item.path,
            title=item.name,
            preview=item.picture.preview_path,
            thumbnail=item.picture.thumbnail_path,
            width_px=item.picture.width_px,
            height_px=item.picture.height_px,
        )

    def at_the_difference(self, board: Board, subjects: Sequence[Subject], metric: str) -> Board:
        first, second = (self.opened.pixels(one) for one in subjects)
        place = where_they_differ(first, second, metric)
        marks = (
            Mark(x=place.x, y=place.y, width=place.width, height=place.height, kind="patch", text=metric),
        )
        for pane in board.panes:
            pane.marks = marks
        scale = 2.0 if subjects[0].width_px > 512 else 1.0
        board.view = f"{place.x + place.width / 2},{place.y + place.height / 2},{scale}"
        return board

    def words(self, subjects: Sequence[Subject], metric: str) -> str:
        first, second = (self.opened.pixels(one) for one in subjects)
        place = where_they_differ(first, second, metric)
        kind = metric if metric.startswith(("glcm", "energy")) else "fine detail (log energy)"
        return (
            f"They differ most at x {place.x}, y {place.y}: {kind} {place.first:.3g} against {place.second:.3g} "
            "in that 64 px patch."
        )

    def settings(self, items: Sequence[Item], place: str) -> SettingsContent:
        records = [record_of(item) for item in items]
        rows = settings_difference(records)
        prompts = [str(record.get("settings", {}).get("prompt", "")) for record in records]
        words = words_that_differ(*prompts) if len(prompts) == 2 and prompts[0] != prompts[1] else ()
        return SettingsContent(
            titles=tuple(item.name for item in items),
            lines=tuple(SettingLine(name=row.name, values=row.values, differs=row.differs) for row in rows),
            words=words,
            place=place,
        )

    def _home(self) -> Path | None:
        """Whose folders may be compared; None where none may."""
        return self.gallery.workspace.root if self.folders_allowed else None

    def write_csv(self, table: ScoreTable) -> Path:
        text = table.to_csv()
        # Under its content: two readers must not get each other's table.
        path = self.cache.folder / hashlib.sha256(text.encode()).hexdigest()[:32] / "compare.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.write_text(text, encoding="utf-8")
        return path
