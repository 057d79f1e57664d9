"""What the Fine-tune form does: handlers over plain values. The form and its TOML say the same at all times.

Not here: the runs beside it (`studio.ui.finetune.runs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.home.database import DatabaseTrouble
from studio.training.form import (
    FIELDS,
    FinetuneConfig,
    WrongSetting,
    config_of,
    config_of_toml,
    keeping,
    recipe,
    shown_values,
    silent_keys,
    toml_of,
)
from studio.training.needs import Check
from studio.training.preflight import check_all
from studio.training.runs import Trainings
from studio.training.weights import curves_of
from studio.ui.finetune.checks import ChecksContent, checks_content, forecast_sentence
from studio.ui.finetune.form import FormSightContent
from studio.ui.finetune.plots import weights_plot
from studio.ui.messages import shows_errors

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class FinetuneHandlers:
    """The form over the runs of a home."""

    trainings: Trainings

    # The form and its TOML

    def edited(self, charted: str, *values: Any) -> Values:
        """A field was changed: (toml, sight, chart, verdict, what is charted). A wrong value leaves the TOML."""
        shown = _by_key(values)
        silent = tuple(sorted(silent_keys(shown)))
        try:
            config = config_of(shown)
        except WrongSetting as error:
            sight = FormSightContent(silent=silent, problem=str(error), key=error.key)
            return (gr.skip(), sight, gr.skip(), gr.skip(), gr.skip())
        return (toml_of(config), FormSightContent(silent=silent), *chart(config, charted))

    def sourced(self, given: str, charted: str, *values: Any) -> Values:
        """The room shows another dataset: as `edited`, and what it is. Nothing where it was `given` to the room by the
        TOML, which may have been written on since and says it first."""
        source = _by_key(values)["data.source"]
        if source == given:
            return (gr.skip(),) * 6
        return (*self.edited(charted, *values), source)

    def typed(self, toml: str | None, charted: str, given: str) -> Values:
        """The TOML was changed: (sight, chart, verdict, what is charted, every field, the dataset). A wrong one leaves
        the form. The dataset is left to the room where the TOML names the one that was `given` to it before: another
        may have been chosen there since."""
        try:
            config = config_of_toml(written(toml))
        except WrongSetting as error:
            untouched = (gr.skip(),) * (4 + len(FIELDS))
            return (FormSightContent(problem=str(error), key=error.key), *untouched)
        fields = shown_values(config)
        if fields["data.source"] == given:
            fields |= {"data.source": gr.skip()}
        return (sight_of(config), *chart(config, charted), *fields.values(), fields["data.source"])

    def open_page(self, toml: str | None) -> Values:
        """A page was loaded: the form as this browser left it: (toml, sight, chart, verdict, charted, every field, the
        dataset). Skips fields that are as they were built: the page walks over all of itself for each that is told."""
        try:
            config = config_of_toml(written(toml))
        except WrongSetting:  # remembered by an older studio
            config = FinetuneConfig()
        *told, source = filled(config)
        built = shown_values(FinetuneConfig()).values()
        first = len(told) - len(built)
        fields = [
            gr.skip() if value == as_built else value
            for value, as_built in zip(told[first:], built, strict=True)
        ]
        return (*told[:first], *fields, source)

    @shows_errors
    def choose_recipe(self, name: str | None, *values: Any) -> Values:
        """A recipe, with the dataset and the name that the form holds."""
        if name is None:
            return (gr.skip(),) * (6 + len(FIELDS))
        shown = {key: value for key, value in _by_key(values).items() if key.startswith(("data.", "output."))}
        try:
            before = config_of(shown)
        except WrongSetting:
            before = FinetuneConfig()
        return filled(keeping(recipe(name), before))

    @shows_errors
    def copy(self, event: gr.EventData) -> Values:
        """A run's settings, for a new run that names it as its parent."""
        return filled(self.trainings.duplicate(str(event.name)))

    # Before and at the start

    def check(self, toml: str | None, trial: str | None) -> Any:
        """The checks of settings that are right in themselves, and what their dry run foresaw."""
        try:
            config = config_of_toml(written(toml))
        except WrongSetting:
            return ChecksContent()
        return self.checked(config, trial)

    def checked(self, config: FinetuneConfig, trial: str | None) -> Any:
        """The same of a configuration; skipped while the database cannot tell of the dry run."""
        forecast = words = None
        if trial:
            try:
                line = self.trainings.line(trial)
            except DatabaseTrouble:
                return gr.skip()
            except ValueError:  # deleted meanwhile
                return checks_content(check_all(config, self.trainings))
            if self.is_of(trial, config):
                forecast = self.trainings.forecast(trial)
                words = _trial_words(line.state, line.sentence, line.stage)
            else:
                words = "The settings have changed since the dry run"
        found = check_all(config, self.trainings, forecast=forecast)
        if forecast is not None:
            return checks_content(found, forecast_sentence(forecast))
        return checks_content(found, words or "")

    def is_of(self, trial: str, config: FinetuneConfig) -> bool:
        """Whether a dry run was made of these settings."""
        try:
            return self.trainings.run(trial).config() == self.trainings.prepared(config)
        except ValueError:
            return False

    @shows_errors
    def dry_run(self, trial: str | None, toml: str | None, *values: Any) -> tuple[str, Any]:
        """(its folder's name, the checks)"""
        config = self.ready(toml, values)
        name = self.trainings.dry_run(config, trial=trial)
        return name, self.checked(config, name)

    @shows_errors
    def start(self, trial: str | None, toml: str | None, *values: Any) -> tuple[Any, str]:
        """(no dry run any more, the new run's name)"""
        return None, self.trainings.start(self.ready(toml, values), trial=trial)

    def ready(self, toml: str | None, values: Values) -> FinetuneConfig:
        """Raises ValueError, with every problem that the checks found, and where the form and its TOML differ: one of
        them was just changed, and nobody can say which is meant."""
        config = config_of(_by_key(values))
        if config_of(shown_values(config_of_toml(written(toml)))) != config:
            raise ValueError("the form and its TOML do not say the same yet; press again in a moment")
        wrong = [one for one in check_all(config, self.trainings) if one.level == "problem"]
        if wrong:
            raise ValueError("; ".join(_said(one) for one in wrong))
        return config


def written(toml: str | None) -> str:
    """What the editor holds; an empty one holds nothing."""
    return "" if toml is None else toml


def filled(config: FinetuneConfig) -> Values:
    """(toml, sight, chart, verdict, what is charted, every field, the dataset)"""
    fields = shown_values(config)
    return (toml_of(config), sight_of(config), *chart(config, ""), *fields.values(), fields["data.source"])


def sight_of(config: FinetuneConfig) -> FormSightContent:
    return FormSightContent(silent=tuple(sorted(silent_keys(shown_values(config)))))


def chart(config: FinetuneConfig, charted: str) -> Values:
    """(figure, verdict, what is charted); skips what the page has already."""
    wanted = f"{config.objective} {config.timesteps} {config.model} {config.data.resolution_px}"
    if wanted == charted:
        return (gr.skip(), gr.skip(), gr.skip())
    curves = curves_of(config)
    return (weights_plot(curves), curves.verdict, wanted)


def _trial_words(state: str, sentence: str, stage: str) -> str:
    if state == "trial":
        return sentence
    return f"Dry run: {stage if state == 'running' and stage else state}" + (
        f", {sentence}" if state == "failed" else ""
    )


def _said(check: Check) -> str:
    return f"{check.name}: {check.words}"


def _by_key(values: Values) -> dict[str, Any]:
    return dict(zip(FIELDS, values, strict=True))
