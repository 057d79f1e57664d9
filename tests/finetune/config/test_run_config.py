"""Settings: both ways through TOML, and what is refused, in which words."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from finetune.config.files import (
    RECIPES,
    changed,
    differences,
    from_values,
    parse_toml,
    read_toml,
    recipes,
    to_values,
    without_silent,
    write_toml,
)
from finetune.config.run_config import SECTIONS, FinetuneConfig

FULL = """
[objective]
kind = "wavelet"
wavelet = "db2"
levels = 2
low_weight = 1
detail_weights = [[2, 2, 3.5], [1, 1, 1]]
penalty = "pseudo_huber"
huber_c = 0.5

[method]
kind = "full"

[validation]
sigmas = [0.25, 0.75]

[samples]
every = 10
prompts = ["a lake", 'he said "no"']
"""


def test_toml_and_values_both_ways() -> None:
    config = parse_toml(FULL)
    assert config.objective.detail_weights == ((2.0, 2.0, 3.5), (1.0, 1.0, 1.0))
    assert config.samples.prompts == ("a lake", 'he said "no"')
    assert parse_toml(write_toml(config)) == config
    assert from_values(to_values(config)) == config
    assert write_toml(FinetuneConfig()) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[objectve]", "unknown section 'objectve'; did you mean 'objective'"),
        ("[optimizer]\nlerning_rate = 1", "unknown key optimizer.lerning_rate; did you mean 'learning_rate'"),
        ("[data]\nnum_steps = 4", r"unknown key data.num_steps; it belongs to \[schedule\]"),
        ("num_steps = 4", "unknown section 'num_steps'"),
        ("data = 4", r"data must be a section \[data\]"),
        ('[schedule]\nnum_steps = "4"', "schedule.num_steps must be a whole number, got '4'"),
        ("[schedule]\nnum_steps = true", "must be a whole number, got True"),
        ("[schedule]\nnum_steps = 0", "schedule.num_steps must be at least 1, got 0"),
        ("[optimizer]\nlearning_rate = nan", "must be a finite number"),
        ("[validation]\nsigmas = [0.5, 2.0]", "validation.sigmas must be at most 1, got 2"),
        ("[objective]\nkind = 'huber'", "objective.kind must be one of velocity, wlf, wavelet, lwd, got 'huber'"),
        ("[objective]\nlow_weight = 2.0", "has no say while objective.kind is 'velocity'.*set kind to wavelet"),
        ("[objective]\nkind = 'wavelet'\nhuber_c = 3.0", "has no say while objective.penalty is 'squared'"),
        ("[objective]\nkind = 'wavelet'\nlevels = 2", "holds 1 triples for 2 levels"),
        ("[objective]\nkind='wavelet'\nlow_weight=0\ndetail_weights=[[0,0,0]]", "nothing would be learnt"),
        ("[objective]\nkind='wavelet'\nweights_from='data'\ndetail_weights=[[2,2,2]]", "keep one of them"),
        ("[objective]\nkind='wavelet'\ndetail_weights=[[2,2]]", "lists of 3 numbers"),
        ("[objective]\nkind='wavelet'\ndetail_weights=[[-2,2,2]]", "at least 0, got -2"),
        ("[method]\nkind = 'full'\nrank = 4", "method.rank = 4 has no say while method.kind is 'full'"),
        ("[data]\nresolution_px = 100", "multiple of 32, got 100; try 96"),
        ("[samples]\nevery = 5", "samples.prompts is empty"),
        ("[schedule]\nnum_steps = 5\n[optimizer]\nwarmup_steps = 9", "shorten the warm-up"),
        ("[resources]\ndevice = 'cpu'\nprecision = 'fp16'", "does not train on"),
        ("[output]\nname = '../x'", "output.name must be letters"),
        ("[output]\ntrackers = ['mlflow']", "takes tensorboard, wandb, trackio, got 'mlflow'"),
        ("[output", "is no TOML"),
    ],
)  # fmt: skip
def test_what_is_refused_and_how(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_toml(text)


def test_values_without_a_say_can_be_dropped_by_a_form() -> None:
    values = to_values(parse_toml(FULL))
    values["objective"]["kind"] = "velocity"
    with pytest.raises(ValueError, match="no say"):
        from_values(values)
    kept = without_silent(values)
    assert from_values(kept).objective == FinetuneConfig().objective
    assert "rank" not in kept["method"]


def test_differences_name_the_settings() -> None:
    one = FinetuneConfig()
    assert differences(one, changed(one, "schedule", num_steps=7)) == [("schedule.num_steps", 1000, 7)]
    assert differences(one, one) == []


def test_every_setting_explains_itself() -> None:
    for name, kind in SECTIONS.items():
        for each in fields(kind):  # type: ignore[arg-type]
            assert each.metadata["help"].endswith("."), f"{name}.{each.name}"
            assert each.metadata["when"] is None or each.metadata["when"][0] in {f.name for f in fields(kind)}  # type: ignore[arg-type]


def test_recipes_are_read(tmp_path: Path) -> None:
    assert recipes()
    for recipe in recipes():
        config = read_toml(recipe)
        assert parse_toml(write_toml(config)) == config
    with pytest.raises(ValueError, match="cannot be read"):
        read_toml(tmp_path / "none.toml")


def test_recipes_are_trained_as_they_are_drawn_with() -> None:
    """Only F16 reaches 4096 px: a stock VAE does not say so itself."""
    for recipe in recipes():
        config = read_toml(recipe)
        assert (config.model.autoencoder == "f16") == (config.model.base != "assets/micro-4k"), recipe.stem
        assert config.model.latent_shift == (recipe.stem != "as-published-sd3"), recipe.stem


def test_launch_files_are_read_by_accelerate() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    files = sorted((RECIPES / "launch").glob("*.yaml"))
    assert files
    for file in files:
        config = load_config_from_file(str(file))
        assert (config.num_machines, config.num_processes) == (2, 16)
        # What divides the model is a setting of the run, which refuses a launcher that does.
        assert str(config.distributed_type).endswith("MULTI_GPU")
