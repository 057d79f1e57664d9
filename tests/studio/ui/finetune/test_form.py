"""The form of the Fine-tune tab: a widget for each setting, and the handlers that keep it, its TOML and its chart in
step."""

from __future__ import annotations

import json
import os
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from studio.home.workspace import Workspace
from studio.queue.table import JobTable
from studio.training.form import FIELDS, FinetuneConfig, config_of, config_of_toml, shown_values, toml_of
from studio.training.runs import Trainings
from studio.training.weights import curves_of
from studio.ui.finetune.checks import ChecksContent
from studio.ui.finetune.form import IN_THE_ROOM, FormSightContent, build_form, field_id
from studio.ui.finetune.handlers import FinetuneHandlers, filled
from studio.ui.finetune.plots import weights_plot

SKIP = gr.skip()


@pytest.fixture
def handlers(trainings: Trainings) -> FinetuneHandlers:
    return FinetuneHandlers(trainings)


@pytest.fixture
def source(workspace: Workspace) -> str:
    folder = workspace.datasets / "hills"
    folder.mkdir()
    for i in range(6):
        Image.fromarray(np.full((130, 140, 3), 30 * i, np.uint8)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text("a hill")
    return str(folder)


def values(**changes: Any) -> list[Any]:
    """The form's values, in order; keys with "__" for the dot."""
    shown = shown_values(FinetuneConfig()) | {key.replace("__", "."): v for key, v in changes.items()}
    return [shown[key] for key in FIELDS]


def ready(source: str, **changes: Any) -> list[Any]:
    return values(
        data__source=source,
        data__resolution_px=128,
        resources__precision="fp32",
        output__name="oil",
        **changes,
    )


def said_by(fields: list[Any]) -> str:
    """The TOML of the form's values."""
    return toml_of(config_of(dict(zip(FIELDS, fields, strict=True))))


def event(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def test_a_widget_for_each_setting_with_its_help() -> None:
    with gr.Blocks():
        form = build_form()
    assert list(form.fields) == list(FIELDS)
    kinds = {"integer": gr.Number, "number": gr.Number, "switch": gr.Checkbox}
    for key, field in FIELDS.items():
        widget = form.fields[key]
        if key in IN_THE_ROOM:
            continue
        assert (widget.label, widget.info, widget.elem_id) == (field.title, field.help, field_id(key))
        assert widget.value == field.default
        assert isinstance(widget, kinds.get(field.kind, (gr.Textbox, gr.Radio, gr.Dropdown)))
        if field.kind == "choice":
            assert [choice for _, choice in widget.choices] == list(field.choices)
    ids = {widget.elem_id for widget in form.fields.values()}
    assert len(ids) == len(FIELDS)


def test_an_edit_reaches_toml_sight_and_chart(handlers: FinetuneHandlers) -> None:
    toml, sight, figure, verdict, charted = handlers.edited("", *values(method__rank=4))
    assert config_of_toml(toml).method.rank == 4
    assert "objective.huber_c" in sight.silent
    assert "objective.kind" not in sight.silent
    assert sight.problem == ""
    assert verdict.startswith("This is plain MSE")
    assert figure.data
    _, _, *chart = handlers.edited(charted, *values(method__rank=8))
    assert chart == [SKIP] * 3, "a rank weighs nothing"
    _, _, _, verdict, _ = handlers.edited(charted, *values(objective__kind="wlf"))
    assert "sigma^2-weighted" in verdict


def test_a_wrong_edit_is_told_and_leaves_the_toml(handlers: FinetuneHandlers) -> None:
    toml, sight, *chart = handlers.edited("", *values(method__rank=0))
    assert [toml, *chart] == [SKIP] * 4
    assert (sight.key, "at least 1" in sight.problem) == ("method.rank", True)


def test_a_dataset_chosen_in_the_room_reaches_the_toml(handlers: FinetuneHandlers, source: str) -> None:
    toml, *_, given = handlers.sourced("", "", *values(data__source=source))
    assert config_of_toml(toml).data.source == given == source


def test_a_dataset_that_the_toml_named_leaves_what_is_typed_since(
    handlers: FinetuneHandlers, source: str
) -> None:
    *_, given = handlers.typed(f'[data]\nsource = "{source}"', "", "")
    assert given == source
    assert handlers.sourced(given, "", *values(data__source=source)) == (SKIP,) * 6


@pytest.mark.parametrize("named", [True, False])
def test_a_dataset_chosen_while_toml_was_read_stays(
    handlers: FinetuneHandlers, source: str, named: bool
) -> None:
    """What the TOML names it has named before: the room may show another one by now."""
    toml, before = (f'[data]\nsource = "{source}"', source) if named else ("[data]\nresolution_px = 128", "")
    _, _, _, _, *fields, given = handlers.typed(toml, "", before)
    assert (dict(zip(FIELDS, fields, strict=True))["data.source"], given) == (SKIP, SKIP)
    _, _, _, _, *fields, given = handlers.typed(toml, "", "/another")
    assert (dict(zip(FIELDS, fields, strict=True))["data.source"], given) == (before, before)


def test_typed_toml_fills_the_form_or_is_told(handlers: FinetuneHandlers) -> None:
    sight, _, verdict, _, *fields, _ = handlers.typed('[objective]\nkind = "wlf"\n', "", "/a/dataset")
    assert sight == FormSightContent(silent=sight.silent)
    assert "sigma^2" in verdict
    assert config_of(dict(zip(FIELDS, fields, strict=True))).objective.kind == "wlf"
    sight, *rest = handlers.typed("[objective]\nknid = 1", "", "")
    assert "did you mean 'kind'" in sight.problem
    assert rest == [SKIP] * (4 + len(FIELDS))


def test_an_empty_editor_is_all_defaults(handlers: FinetuneHandlers) -> None:
    assert handlers.check(None, None) == handlers.check("", None)
    assert handlers.check(None, None).lines
    assert handlers.typed(None, "", "")[0].problem == ""
    assert handlers.sourced("", "", *values()) == (SKIP,) * 6


def test_recipes_fill_the_form_and_keep_its_dataset(handlers: FinetuneHandlers, source: str) -> None:
    toml, *_ = handlers.choose_recipe("micro-4k-lora", *ready(source))
    config = config_of_toml(toml)
    assert (config.data.source, config.output.name, config.schedule.num_steps) == (source, "oil", 60)
    assert handlers.choose_recipe(None, *values()) == (SKIP,) * (6 + len(FIELDS))


def test_a_page_opens_with_what_its_browser_kept(handlers: FinetuneHandlers) -> None:
    kept = toml_of(config_of(shown_values(FinetuneConfig()) | {"method.rank": 3}))
    toml, sight, _, _, _, *fields, _ = handlers.open_page(kept)
    assert toml == kept
    assert sight.problem == ""
    assert {k: v for k, v in zip(FIELDS, fields, strict=True) if v != SKIP} == {"method.rank": 3}
    for useless in (None, "[from_an_older_studio]\na = 1"):
        assert handlers.open_page(useless)[0] == toml_of(FinetuneConfig())


def test_fields_are_built_as_the_usual_settings_show_them() -> None:
    """Those that a page is not told of when it opens."""
    with gr.Blocks():
        form = build_form()
    assert {key: form.fields[key].value for key in FIELDS} == shown_values(FinetuneConfig())


def test_checks_follow_the_toml(handlers: FinetuneHandlers, source: str) -> None:
    found = handlers.check(toml_of(FinetuneConfig()), None)
    assert {line.name: line.level for line in found.lines}["Dataset"] == "problem"
    found = handlers.check(toml_of(config_of(dict(zip(FIELDS, ready(source), strict=True)))), None)
    assert {line.level for line in found.lines} == {"ok"}
    assert handlers.check("[", None) == ChecksContent()


def test_a_problem_stops_the_start(handlers: FinetuneHandlers, trainings: Trainings, source: str) -> None:
    few = ready(source, validation__num_examples=6)
    for wrong, toml, words in (
        (values(), "", "no dataset is chosen"),
        (ready(source, method__rank=0), said_by(ready(source)), "at least 1"),
        (few, said_by(few), r"lower validation\.num_examples"),
    ):
        for press in (handlers.start, handlers.dry_run):
            with pytest.raises(gr.Error, match=words):
                press(None, toml, *wrong)
    assert trainings.listed() == []
    assert trainings.jobs.jobs() == []


def test_nothing_starts_while_form_and_toml_differ(
    handlers: FinetuneHandlers, trainings: Trainings, source: str
) -> None:
    """TOML that was just typed has not reached the fields yet; what they held before is not what is meant."""
    fields, toml = ready(source), said_by(ready(source, method__rank=4))
    for press in (handlers.start, handlers.dry_run):
        for held, words in ((toml, "press again in a moment"), ("[", "no TOML"), (None, "press again")):
            with pytest.raises(gr.Error, match=words):
                press(None, held, *fields)
    assert trainings.listed() == []


def test_a_dry_run_foresees_and_its_start_uses_it(
    handlers: FinetuneHandlers, trainings: Trainings, jobs: JobTable, source: str
) -> None:
    toml = said_by(ready(source))
    trial, checks = handlers.dry_run(None, toml, *ready(source))
    assert checks.forecast == "Dry run: waiting"
    job = jobs.claim(os.getpid())
    assert job is not None
    found = {"seconds_per_step": 0.5, "peak_bytes": 2**30, "device": "CPU", "num_steps": 1000}
    found |= {"seconds_forecast": 600.0, "bytes_forecast": 50 * 2**20}
    (trainings.run(trial).path / "dry_run.json").write_text(json.dumps(found))
    jobs.finish(job.id, {})
    checks = handlers.check(toml, trial)
    assert checks.forecast == (
        "Dry run on CPU: 0.50 s a step, 1.0 GiB at the peak; all 1,000 steps take about 10 min 00 s and 50 MiB of disk"
    )
    assert "measured by the dry run" in {line.name: line.words for line in checks.lines}["Disk"]
    changed = said_by(ready(source, method__rank=4))
    assert handlers.check(changed, trial).forecast == "The settings have changed since the dry run"
    assert handlers.start(trial, toml, *ready(source)) == (None, trial)
    assert trainings.line(trial).state == "waiting"
    assert handlers.check(toml, "deleted meanwhile").forecast == ""


def test_a_run_is_copied_into_the_form(handlers: FinetuneHandlers, source: str) -> None:
    fields = ready(source, method__rank=4)
    _, name = handlers.start(None, said_by(fields), *fields)
    (
        toml,
        *_,
    ) = handlers.copy(event(name=name))
    config = config_of_toml(toml)
    assert (config.output.parent, config.method.rank, config.data.source) == (name, 4, source)
    with pytest.raises(gr.Error, match="there is no run"):
        handlers.copy(event(name="gone"))


def test_filling_says_everything_in_the_pages_order() -> None:
    toml, sight, figure, verdict, charted, *fields, _ = filled(FinetuneConfig())
    assert config_of_toml(toml) == FinetuneConfig()
    assert len(fields) == len(FIELDS)
    assert isinstance(sight, FormSightContent)
    assert figure.data
    assert verdict
    assert charted


def test_the_chart_joins_bands_that_weigh_the_same() -> None:
    def names(**changes: Any) -> list[str]:
        config = config_of(dict(zip(FIELDS, values(**changes), strict=True)))
        return [trace.name for trace in weights_plot(curves_of(config)).data]

    assert names() == ["drawn", "all bands"]
    assert names(objective__kind="wavelet", objective__low_weight=0.5) == ["drawn", "ll1", "lh1 hl1 hh1"]
    assert names(objective__kind="wavelet", objective__detail_weights="1, 2, 3") == [
        "drawn",
        "ll1 lh1",
        "hl1",
        "hh1",
    ]


def test_every_setting_has_its_element() -> None:
    with gr.Blocks() as page:
        form = build_form()
    there = {block.elem_id for block in page.blocks.values()}
    assert {field_id(key) for key in FIELDS} <= there
    assert field_id("method.rank") == "ft-method-rank"
    assert form.room.source is form.fields["data.source"]
