"""Form <-> config <-> TOML, and the curves that a form draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune.config.files import changed, from_values
from finetune.config.run_config import SECTIONS, FinetuneConfig
from studio.training.form import (
    FIELDS,
    WrongSetting,
    config_of,
    config_of_toml,
    keeping,
    recipe,
    recipe_names,
    shown_values,
    silent_keys,
    toml_of,
)
from studio.training.weights import curves_of, inference_shift

MICRO = Path(__file__).parents[3] / "assets" / "micro-4k"
ENCODERS = {
    "sd3": tuple(f"{kind}{n}" for kind in ("text_encoder", "tokenizer") for n in ("", "_2", "_3")),
    "flux": tuple(f"{kind}{n}" for kind in ("text_encoder", "tokenizer") for n in ("", "_2")),
}
EVERYWHERE: dict[str, dict[str, Any]] = {
    "data": {"source": "a b", "resolution_px": 64, "square_only": True, "caption_dropout": 0.25},
    "objective": {
        "kind": "wavelet",
        "levels": 2,
        "detail_weights": [[1, 2, 3.5], [0, 0.1234567, 6]],
        "penalty": "pseudo_huber",
        "huber_c": 0.05,
        "huber_schedule": "sigma",
    },
    "timesteps": {"sampling": "mode", "mode_scale": 0.5, "shift": "fixed", "shift_factor": 2.5},
    "method": {"targets": ["to_q", "to_k"], "alpha": 8},
    "optimizer": {"learning_rate": 3e-7, "epsilon": 1e-12},
    "validation": {"sigmas": [0.125, 0.9]},
    "samples": {"every": 5, "prompts": ["a hill, red", "a lake"]},
    "output": {"name": "oil", "notes": "two\nlines", "trackers": ["tensorboard"]},
}


def test_every_setting_is_a_field_with_help() -> None:
    assert {key.partition(".")[0] for key in FIELDS} == set(SECTIONS)
    assert len(FIELDS) > 60
    for field in FIELDS.values():
        assert field.help.endswith("."), field.key
        assert field.title[0].isupper(), field.key
        assert (field.kind == "choice") == bool(field.choices)
    titles = [(field.section, field.title) for field in FIELDS.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("values", [{}, EVERYWHERE], ids=["defaults", "everything"])
def test_form_and_toml_both_ways(values: dict[str, dict[str, Any]]) -> None:
    config = from_values(values)
    shown = shown_values(config)
    assert config_of(shown) == config
    assert config_of_toml(toml_of(config)) == config
    assert shown.keys() == FIELDS.keys()


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_go_through_the_form(name: str) -> None:
    assert config_of(shown_values(recipe(name))) == recipe(name)


def test_recipes_keep_the_dataset_and_the_name() -> None:
    before = from_values({"data": {"source": "pictures"}, "output": {"name": "oil"}})
    kept = keeping(recipe("micro-4k-lora"), before)
    assert (kept.data.source, kept.output.name) == ("pictures", "oil")
    assert kept.schedule == recipe("micro-4k-lora").schedule
    with pytest.raises(ValueError, match="no recipe"):
        recipe("../secrets")


def test_what_has_no_say_is_left_out() -> None:
    shown = shown_values(FinetuneConfig())
    assert {"objective.wavelet", "objective.huber_c", "timesteps.mode_scale"} <= silent_keys(shown)
    assert not {"objective.kind", "method.rank", "timesteps.logit_mean"} & silent_keys(shown)
    left = config_of(shown | {"objective.levels": 3, "objective.huber_c": 0.5})
    assert left == FinetuneConfig(), "a hidden field's value is not held against the form"

    chosen = shown | {"objective.kind": "wavelet", "objective.penalty": "pseudo_huber"}
    assert not {"objective.wavelet", "objective.huber_c"} & silent_keys(chosen)
    hidden = chosen | {"objective.kind": "velocity"}
    assert "objective.huber_c" in silent_keys(hidden), "its own choice has no say"
    assert config_of(hidden) == FinetuneConfig()

    measured = chosen | {"objective.weights_from": "data", "objective.detail_weights": "1, 2, 3"}
    assert "objective.detail_weights" in silent_keys(measured)
    assert config_of(measured).objective.weights_from == "data"
    full = shown | {"method.kind": "full", "method.rank": 99}
    assert config_of(full).method.kind == "full"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("method.rank", 0, "at least 1"),
        ("method.rank", None, "is empty"),
        ("method.rank", 2.5, "a whole number"),
        ("data.resolution_px", 2050, "try 2048"),
        ("validation.sigmas", "0.1, x", "between commas"),
        ("validation.sigmas", "0.1, 2", "at most 1"),
        ("samples.every", 5, "write a prompt"),
        ("output.name", "a/b", "letters, digits"),
        ("optimizer.warmup_steps", 5000, "shorten the warm-up"),
        ("resources.precision", "fp8", "must be one of"),
    ],
)
def test_a_wrong_value_names_its_field(key: str, value: Any, words: str) -> None:
    with pytest.raises(WrongSetting, match=words) as caught:
        config_of(shown_values(FinetuneConfig()) | {key: value})
    assert caught.value.key == key


def test_wrong_toml_names_its_key() -> None:
    with pytest.raises(WrongSetting, match="did you mean 'rank'") as caught:
        config_of_toml("[method]\nrnak = 4")
    assert caught.value.key == ""
    with pytest.raises(WrongSetting, match="at least 1") as caught:
        config_of_toml("[method]\nrank = 0")
    assert caught.value.key == "method.rank"
    with pytest.raises(WrongSetting, match="is no TOML"):
        config_of_toml("[method")


def test_a_choice_comes_before_what_depends_on_it() -> None:
    order = list(FIELDS)
    depending = [field for field in FIELDS.values() if field.when is not None]
    assert depending
    for field in depending:
        assert field.when is not None
        assert order.index(field.when[0]) < order.index(field.key)


def test_curves_follow_the_settings() -> None:
    plain = curves_of(FinetuneConfig())
    assert plain.verdict.startswith("This is plain MSE")
    assert plain.is_plain_mse
    assert all(np.all(curve == 1) for curve in plain.weights.values())
    weighted = config_of(
        shown_values(FinetuneConfig()) | {"objective.kind": "wavelet", "objective.detail_weights": "1, 1, 3"}
    )
    assert not curves_of(weighted).is_plain_mse
    assert np.all(curves_of(weighted).weights["hh1"] == 3)


def test_the_shift_is_that_of_the_family(sd3_folder: Path, flux_folder: Path) -> None:
    from finetune.backbones import FAMILIES

    for name, folder in (("sd3", sd3_folder), ("sd3", MICRO), ("flux", flux_folder)):
        family = FAMILIES[name]
        for autoencoder in ("auto", "f16"):
            pipeline, _ = family.load(folder, autoencoder=autoencoder, without=ENCODERS[name])
            for side in (256, 1024, 2048):
                config = changed(FinetuneConfig(), "model", base=str(folder), autoencoder=autoencoder)
                config = changed(config, "data", resolution_px=side)
                wanted = family.timestep_shift(pipeline, side, side)
                assert inference_shift(config) == pytest.approx(wanted, rel=1e-6), (folder, side)


def test_the_shift_of_a_model_that_is_not_here() -> None:
    def of(base: str, autoencoder: str = "auto") -> float:
        return inference_shift(changed(FinetuneConfig(), "model", base=base, autoencoder=autoencoder))

    assert of("sd3-medium") == 3.0
    # mu = 0.5 + (tokens - 256) (1.15 - 0.5) / (4096 - 256); 2048 px are 64 x 64 tokens of F16, with which it is drawn
    assert of("flux.1-dev") == pytest.approx(np.exp(1.15))
    assert of("flux.1-dev", "f8") == pytest.approx(np.exp(0.5 + (16384 - 256) * 0.65 / 3840))
    assert of("nobody/knows") == 1.0
