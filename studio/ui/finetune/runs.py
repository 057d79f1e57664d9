"""What the runs beside the form do: handlers over plain values. Everything shown is read from the run's folder.

Not here: the form (`studio.ui.finetune.handlers`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from studio.training.curves import RunCurves, log_tail, read_curves, written
from studio.training.run_lines import RunLine
from studio.training.runs import Trainings
from studio.ui.finetune.plots import band_plot, loss_plot, validation_plot
from studio.ui.finetune.run_list import RunRows, run_rows
from studio.ui.finetune.run_samples import SamplesContent, samples_content
from studio.ui.finetune.run_view import LogContent, RunContent, run_content
from studio.ui.generate.lora_stack import LoraContent, beside_the_base
from studio.ui.messages import shows_errors
from studio.ui.parts.details.settings_table import SettingLine, SettingsContent
from studio.ui.parts.pulse.run_pulse import Watched

Seen = dict[str, str]
"""Part of the page -> what it shows, so that only news is sent."""

MAX_OTHERS = 5
PLOTS = 3


@dataclass(frozen=True, slots=True)
class CurvesShelf:
    """Curves that were read last, while their files stay as they are."""

    kept: dict[str, tuple[str, RunCurves]] = field(default_factory=dict)

    def of(self, trainings: Trainings, name: str) -> RunCurves:
        run = trainings.run(name)
        stamp = written(run)
        known = self.kept.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        if len(self.kept) > 4 * MAX_OTHERS:
            self.kept.clear()
        curves = read_curves(run)
        self.kept[name] = (stamp, curves)
        return curves


@dataclass(frozen=True, slots=True)
class RunsHandlers:
    """The runs of a home as one page watches them."""

    trainings: Trainings
    shelf: CurvesShelf = field(default_factory=CurvesShelf)

    @shows_errors
    def draw_with(self, event: gr.EventData) -> tuple[Any, LoraContent]:
        """Generate with a run's LoRA: (the tabs, its stack)."""
        name = str(event.name)
        path = self.trainings.adapter(name)
        if path is None:
            raise ValueError(f"{name} has left no LoRA yet; it is written when a LoRA run ends or is stopped")
        return gr.Tabs(selected="generate"), beside_the_base(path)

    def version(self, watched: list[str]) -> str:
        """Another text whenever the page might show something else."""
        found = [self.trainings.changes()]
        for name in watched[: 1 + MAX_OTHERS]:
            try:
                run = self.trainings.run(name)
                found.append(f"{written(run)} {run.log.stat().st_size if run.log.exists() else 0}")
            except ValueError as error:
                found.append(str(error))
        return "\n".join(found)

    def news(
        self, chosen: str | None, others: list[str] | None, log: bool, trashed: str, seen: Seen
    ) -> tuple[Any, ...]:
        """(list, view, log, samples, loss, bands, validation, choices of others, choices to compare with, pulse, seen),
        each skipped where the page shows it already."""
        lines = self.trainings.listed()
        name = chosen if any(line.name == chosen for line in lines) else None
        laid_over = [one for one in (others or []) if one != name and any(x.name == one for x in lines)]
        fresh: dict[str, Any] = {"list": run_rows(lines, name or "", trashed)}
        fresh |= self._of_run(next((line for line in lines if line.name == name), None))
        names = [line.name for line in lines if line.name != name]
        fresh["others"], fresh["compare"] = (names, laid_over), names
        fresh["pulse"] = Watched(runs=tuple(one for one in (name, *laid_over) if one is not None))
        stamps = {part: _stamp(value) for part, value in fresh.items()}
        stamps["plots"] = self._plots_stamp(name, laid_over, log)
        answer = [
            _widget(part, value) if stamps[part] != seen.get(part) else gr.skip()
            for part, value in fresh.items()
        ]
        plots: tuple[Any, ...] = (gr.skip(),) * PLOTS
        if stamps["plots"] != seen.get("plots"):
            plots = self.plots(name, laid_over, log)
        return (*answer[:4], *plots, *answer[4:], stamps)

    def plots(self, name: str | None, others: list[str], log: bool) -> tuple[Any, ...]:
        """Loss, bands, validation; hidden where there is nothing to draw."""
        if name is None:
            return (gr.update(value=None, visible=False),) * PLOTS
        main = self.shelf.of(self.trainings, name)
        more = [self.shelf.of(self.trainings, one) for one in others[:MAX_OTHERS]]
        any_loss = len(main.loss.steps) or any(len(one.loss.steps) for one in more)
        any_validation = len(main.validation.steps) or any(len(one.validation.steps) for one in more)
        return (
            _plot(loss_plot(main, more, log=log) if any_loss else None),
            _plot(band_plot(main, log=log) if main.bands else None),
            _plot(validation_plot(main, more, log=log) if any_validation else None),
        )

    @shows_errors
    def pick(self, event: gr.EventData) -> tuple[str, str, Any]:
        """(chosen, its notes, no table of settings)"""
        return self.choose(str(event.name))

    def choose(self, name: str) -> tuple[str, str, Any]:
        return name, self.trainings.notes(name), SettingsContent()

    @shows_errors
    def act(self, event: gr.EventData, trashed: str) -> tuple[str | None, str]:
        """A button of the chosen run: (chosen, what can be brought back)."""
        action, name = str(event.action), str(event.name)
        trainings = self.trainings
        if action == "stop":
            trainings.stop(name)
        elif action == "stop_now":
            trainings.stop_now(name)
        elif action in ("save", "sample"):
            trainings.ask(name, "SAVE" if action == "save" else "SAMPLE")
        elif action == "resume":
            trainings.resume(name)
        elif action == "continue":
            trainings.resume(name, from_step=int(event.step))
        elif action == "delete":
            return None, trainings.delete(name)
        else:
            raise ValueError(f"unknown action {action!r}; reload the page")
        return name, trashed

    @shows_errors
    def restore(self, event: gr.EventData) -> tuple[str, str]:
        """Bring the run that was deleted last back: (chosen, nothing in the trash to speak of)."""
        return self.trainings.restore(str(event.name)), ""

    @shows_errors
    def write_notes(self, chosen: str | None, text: str) -> None:
        if chosen is not None and text != self.trainings.notes(chosen):
            self.trainings.write_notes(chosen, text)

    def open_notes(self, chosen: str | None) -> str:
        """Of the run that this browser had chosen; nothing where it is gone."""
        try:
            return "" if chosen is None else self.trainings.notes(chosen)
        except ValueError:
            return ""

    @shows_errors
    def compare(self, chosen: str | None, other: str | None) -> SettingsContent:
        """Settings of two runs side by side."""
        if chosen is None or other is None:
            return SettingsContent()
        rows = self.trainings.compared([chosen, other])
        same = "The settings are the same." if not any(differs for _, _, differs in rows) else ""
        return SettingsContent(
            titles=(chosen, other),
            lines=tuple(
                SettingLine(name=key, values=tuple(_written(value) for value in values), differs=differs)
                for key, values, differs in rows
            ),
            place=same,
        )

    def _of_run(self, line: RunLine | None) -> dict[str, Any]:
        if line is None:
            return {"view": RunContent(), "log": LogContent(), "samples": SamplesContent()}
        curves = self.shelf.of(self.trainings, line.name)
        return {
            "view": run_content(self.trainings, line, curves),
            "log": LogContent(text=log_tail(self.trainings.run(line.name))),
            "samples": samples_content(self.trainings, line.name),
        }

    def _plots_stamp(self, name: str | None, others: list[str], log: bool) -> str:
        """What the charts show: the curves' own files."""
        stamps = [written(self.trainings.run(one)) for one in (name, *others) if one is not None]
        return f"{log} {stamps}"


def _widget(part: str, value: Any) -> Any:
    if part == "others":
        names, chosen = value
        return gr.update(choices=names, value=chosen, visible=bool(names))
    if part == "compare":
        return gr.update(choices=value, visible=bool(value))
    return value


def _plot(figure: Any) -> Any:
    return gr.update(value=figure, visible=figure is not None)


def _stamp(value: Any) -> str:
    if isinstance(value, RunRows | RunContent | LogContent | SamplesContent | Watched):
        return value.model_dump_json()
    return repr(value)


def _written(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return ", ".join(str(one) for one in value)
    return str(value)
