"""What the Inspect tab does: handlers over plain values. No widgets, no wiring, no arithmetic on pixels."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from studio.home.database import DatabaseTrouble
from studio.home.disk import whole_file
from studio.inspection.parts import (
    ANGLES_DEG,
    DISTANCES,
    Box,
    PartReport,
    clamped,
    measure_part,
    patch_at,
)
from studio.inspection.warming import warm_once
from studio.ui.inspect.board import UPLOADED, Boards, Part, checked_at, checked_part, checked_view
from studio.ui.inspect.plots import (
    energy_plot,
    histogram_plot,
    matrix_plot,
    part_spectrum_plot,
    spectrum_plot,
)
from studio.ui.inspect.settings import MAX_PANES, InspectSettings
from studio.ui.inspect.stage import Board
from studio.ui.messages import shows_errors
from studio.ui.parts.details.metric_chips import ChipsContent, chip_of, chips_of
from studio.ui.parts.refusal import refusal

HEADLINES = (
    *("glcm_score", "glcm_entropy", "compression_ratio", "effective_resolution", "spectrum_slope"),
    *("glcm_contrast", "glcm_homogeneity", "glcm_correlation", "glcm_energy"),
)
PART_CHIPS = (
    *("glcm_score", "glcm_entropy", "glcm_contrast", "glcm_homogeneity", "glcm_correlation"),
    *("energy_hh_1", "spectrum_slope", "mean", "deviation"),
)
HINT = "Click the picture to measure a patch of 64 px; Shift and drag to measure a region."


@dataclass(frozen=True, slots=True)
class InspectHandlers:
    """The tab over opened pictures. `asked` is what the page calls the state it asks for; its board says it back."""

    boards: Boards

    @shows_errors
    def choose(self, asked: str, keys: list[str], part: str, *values: Any) -> tuple[str, Board]:
        """Other pictures on the stage: (the part, if its picture is still there, the stage)."""
        kept = checked_part(Part.of(part), self.boards.subjects(keys or ()))
        board = self.boards.board(keys or (), InspectSettings.of(values), part=kept, asked=asked)
        return str(kept or ""), board

    @shows_errors
    def redraw(self, asked: str, keys: list[str], part: str, *values: Any) -> Board:
        """A setting changed."""
        return self.boards.board(keys or (), InspectSettings.of(values), part=Part.of(part), asked=asked)

    def drop(self, paths: list[str] | None, keys: list[str]) -> tuple[Any, str, Any]:
        """Dropped files join the pictures on the stage: (the drop zone emptied, what was refused, the list).

        One that cannot be opened keeps no other from it, nor does a picture of the stage that is gone. Of more than
        the stage holds the last ones stay, and the others are told of.
        """
        refused, subjects = [], []
        for path in paths or []:
            try:
                subjects.append(self.boards.opened.open(Path(path)))
            except ValueError as error:
                refused.append(str(error))
        for subject in subjects:
            for note in subject.notes:
                gr.Info(f"{subject.title}: {note}", duration=6)
        try:
            chosen, gone = self.boards.still_there(keys or (), subjects)
            chosen += [f"{UPLOADED}{subject.id}" for subject in subjects]
            chosen = list(dict.fromkeys(chosen))
            for key in chosen[:-MAX_PANES]:
                title = self.boards.subject(key).title
                gone.append(
                    f"taken off the stage: {title}; it holds {MAX_PANES} pictures, the last that came"
                )
            chosen = chosen[-MAX_PANES:]
            choices = self.boards.choices(chosen)
        except DatabaseTrouble as error:  # the stage stays as it is, the files can be dropped again
            return None, refusal(*refused, str(error)), gr.skip()
        return None, refusal(*refused, *gone), gr.Dropdown(multiselect=True, choices=choices, value=chosen)

    @shows_errors
    def offer(self, keys: list[str] | None) -> Any:
        """The list of pictures as it is now."""
        return gr.Dropdown(choices=self.boards.choices(keys or ()))

    @shows_errors
    def measure(self, keys: list[str]) -> tuple[Any, ...]:
        """(rail, chips, artefact chips, spectrum plot, energy plot): the first picture, and spectra of all."""
        if not keys:
            return gr.Column(visible=False), gr.skip(), gr.skip(), gr.skip(), gr.skip()
        subjects = self.boards.subjects(keys)
        first, *others = (self.boards.numbers.of(subject) for subject in subjects)
        resolution = first.resolution
        chips = ChipsContent(
            heading=subjects[0].title,
            chips=chips_of(first.scores, HEADLINES),
            note="" if resolution is None else resolution.evidence,
        )
        verdict = ChipsContent(
            heading="Artefacts",
            chips=tuple(
                chip_of(one.kind, one.score, mood="warn" if one.found else "") for one in first.artefacts
            ),
            note=" ".join(one.sentence for one in first.artefacts if one.found) or "None found.",
        )
        spectra = [
            (subject.title, found.spectrum)
            for subject, found in zip(subjects, (first, *others), strict=True)
            if found.spectrum is not None
        ]
        plots = spectrum_plot(spectra), energy_plot(first.energies)
        return gr.Column(visible=True), chips, verdict, *plots

    @shows_errors
    def numbers_file(self, keys: list[str], part: str, *values: Any) -> Any:
        """All numbers of what is on the stage, as a JSON file to download."""
        if not keys:
            return gr.DownloadButton(visible=False)
        subjects = self.boards.subjects(keys)
        asked = Part.of(part)
        told: dict[str, Any] = {
            "settings": asdict(InspectSettings.of(values)),
            "pictures": [
                {
                    "title": subject.title,
                    "file": subject.path.name,
                    "width_px": subject.width_px,
                    "height_px": subject.height_px,
                    "notes": list(subject.notes),
                    **self.boards.numbers.of(subject).to_json(),
                }
                for subject in subjects
            ],
        }
        if asked is not None and (owner := self.boards.of_part(keys, asked)) is not None:
            found = measure_part(self.boards.opened.pixels(owner), asked.box)
            told["part"] = {
                "of": owner.title,
                **asdict(asked.box),
                "scores": found.scores,
                "histogram": found.histogram.tolist(),
            }
        path = self.boards.opened.folder_of(subjects[0]) / f"{subjects[0].path.stem[:60]}-numbers.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as unfinished:
            unfinished.write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
        return gr.DownloadButton(value=str(path), visible=True)

    @shows_errors
    def pick(
        self, event: gr.EventData, asked: str, keys: list[str], distance: int, angle: int, *values: Any
    ) -> tuple[Any, ...]:
        """A click: the 64 px patch under it. (part, stage, group, chips, matrix, histogram, spectrum)"""
        x, y, subject_id = int(event.x), int(event.y), str(event.pane)
        for subject in self.boards.subjects(keys):
            if subject.id == subject_id:
                part = Part(subject_id, patch_at(x, y, subject.width_px, subject.height_px))
                return self._measured(asked, keys, part, distance, angle, values)
        return (gr.skip(),) * 7  # the picture left the stage while the click was on its way

    @shows_errors
    def region(
        self, event: gr.EventData, asked: str, keys: list[str], distance: int, angle: int, *values: Any
    ) -> tuple[Any, ...]:
        """A dragged rectangle, measured; as for `pick`."""
        drawn = Box(int(event.x), int(event.y), int(event.width), int(event.height))
        for subject in self.boards.subjects(keys):
            if subject.id == str(event.pane):
                part = Part(subject.id, clamped(drawn, subject.width_px, subject.height_px))
                return self._measured(asked, keys, part, distance, angle, values)
        return (gr.skip(),) * 7

    @shows_errors
    def whole(self, asked: str, keys: list[str], *values: Any) -> tuple[Any, ...]:
        """Back to the whole picture: (part, stage, group, chips)"""
        board = self.boards.board(keys or (), InspectSettings.of(values), asked=asked)
        return "", board, gr.Column(visible=False), ChipsContent(note=HINT if keys else "")

    @shows_errors
    def turn_matrix(self, part: str, keys: list[str], distance: int, angle: int) -> Any:
        """Another distance or angle of the part that is measured."""
        report = self._report(part, keys)
        return gr.skip() if report is None else _matrix(report[1], distance, angle)

    @shows_errors
    def show_part(self, part: str, keys: list[str], distance: int, angle: int) -> tuple[Any, ...]:
        """The part as it stands: (group, chips, matrix, histogram, spectrum)"""
        report = self._report(part, keys)
        if report is None:
            hint = ChipsContent(note=HINT if keys else "")
            return gr.Column(visible=False), hint, gr.skip(), gr.skip(), gr.skip()
        title, found = report
        box = found.box
        chips = ChipsContent(
            heading=f"{box.width} × {box.height} px at {box.x}, {box.y}",
            note=title,
            chips=chips_of(found.scores, PART_CHIPS),
        )
        spectrum = part_spectrum_plot(found.frequency, found.power) if found.frequency.size else None
        plots = _matrix(found, distance, angle), histogram_plot(found.histogram), spectrum
        return gr.Column(visible=True), chips, *plots

    @shows_errors
    def restore(self, request: gr.Request) -> tuple[Any, ...]:
        """An address that was shared: (tabs, list, *settings, part, stage)"""
        query = dict(request.query_params)
        keys = list(request.query_params.getlist("p"))[:MAX_PANES]
        if query.get("tab") != "inspect":
            return (gr.skip(),) * (4 + len(InspectSettings().values()))
        settings = InspectSettings.from_query(query)
        part = checked_part(Part.of(query.get("part", "")), self.boards.subjects(keys))
        return (
            gr.Tabs(selected="inspect"),
            gr.Dropdown(multiselect=True, choices=self.boards.choices(keys), value=keys),
            *settings.values(),
            str(part or ""),
            self.boards.board(
                keys,
                settings,
                part=part,
                view=checked_view(query.get("view", "")),
                at=checked_at(query.get("at", "")),
            ),
        )

    @shows_errors
    def inspect(self, event: gr.EventData) -> tuple[Any, Any]:
        """Pictures of the gallery, asked for by a button, side by side: (tabs, list)"""
        keys = [str(key) for key in event.ids]
        if len(keys) > MAX_PANES:
            raise ValueError(
                f"at most {MAX_PANES} pictures stand side by side, {len(keys)} are selected; select fewer"
            )
        listed = gr.Dropdown(multiselect=True, choices=self.boards.choices(keys), value=keys)
        return gr.Tabs(selected="inspect"), listed

    def swap(self, keys: list[str]) -> list[str]:
        """The C key: the first picture goes last."""
        return [*keys[1:], *keys[:1]] if keys else []

    def follow_mode(self, event: gr.EventData) -> str:
        """The M key: the list follows what the stage does."""
        return str(event.mode)

    def warm(self) -> None:
        """Compile what the first layers need, off the page's way, once."""
        warm_once()

    def _measured(
        self, asked: str, keys: list[str], part: Part, distance: int, angle: int, values: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        board = self.boards.board(keys, InspectSettings.of(values), part=part, asked=asked)
        return str(part), board, *self.show_part(str(part), keys, distance, angle)

    def _report(self, text: str, keys: list[str]) -> tuple[str, PartReport] | None:
        part = Part.of(text)
        subject = None if part is None else self.boards.of_part(keys or (), part)
        if part is None or subject is None:
            return None
        return subject.title, measure_part(self.boards.opened.pixels(subject), part.box)


def _matrix(found: PartReport, distance: int, angle: int) -> Any:
    matrix = found.matrices[DISTANCES.index(int(distance)), ANGLES_DEG.index(int(angle))]
    return matrix_plot(matrix, title=f"Co-occurrence, distance {distance}, {angle}°")
