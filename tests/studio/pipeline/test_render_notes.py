"""What a render says that it could not honour or did not read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from studio.models.lookup import find_model
from studio.pipeline.draw import render
from studio.pipeline.opening import OpenedModel, load_pipeline
from studio.render_request import RenderRequest

NewRequest = Callable[..., RenderRequest]

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> OpenedModel:
    """With all three encoders, as the full-size models are."""
    from tests.tiny_models import tiny_sd3_pipeline

    folder = tmp_path_factory.mktemp("models") / "sd3-with-t5"
    tiny_sd3_pipeline().save_pretrained(folder)
    return load_pipeline(find_model(str(folder)), device=CPU)


@pytest.fixture(scope="module")
def flux(flux_folder: Path) -> OpenedModel:
    return load_pipeline(find_model(str(flux_folder)), device=CPU)


def test_what_could_not_be_honoured_is_said(
    sd3: OpenedModel, flux: OpenedModel, new_request: NewRequest
) -> None:
    plain, negated = (render(flux, new_request(negative_prompt=text)) for text in ("", "fog"))
    assert plain.notes == ()
    assert negated.notes == ("tiny-flux takes no negative prompt; it was not used.",)
    assert not (plain.image != negated.image).any()
    assert (render(sd3, new_request()).image != render(sd3, new_request(negative_prompt="fog")).image).any()
    (note,) = render(sd3, new_request(negative_prompt="fog", guidance_scale=1.0)).notes
    assert "no say" in note


def test_what_no_encoder_read_is_said(sd3: OpenedModel, new_request: NewRequest) -> None:
    """T5's limit is not CLIP's; each letter is a token of the tiny T5."""
    assert render(sd3, new_request(prompt="a " * 100)).notes == (
        "The prompt has 102 tokens for CLIP-L and CLIP-G; the first 77 were read.",
    )
    long, longer = (render(sd3, new_request(prompt="a " * count)) for count in (200, 210))
    assert long.notes[1] == "The prompt has 401 tokens for T5; the first 256 were read."
    np.testing.assert_array_equal(long.image, longer.image)  # it is true: nothing more was read


def test_a_model_that_reads_less(
    sd3: OpenedModel, new_request: NewRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sd3, "entry", replace(sd3.entry, max_sequence_length=64))
    (note,) = render(sd3, new_request(prompt="a " * 40)).notes
    assert note == "The prompt has 81 tokens for T5; the first 64 were read."


def test_long_negative_prompts_too_where_they_are_read(
    sd3: OpenedModel, flux: OpenedModel, new_request: NewRequest
) -> None:
    asked = new_request(negative_prompt="fog " * 90)
    clip, t5 = render(sd3, asked).notes
    assert clip == "The negative prompt has 272 tokens for CLIP-L and CLIP-G; the first 77 were read."
    assert t5.startswith("The negative prompt has ")
    assert t5.endswith(" tokens for T5; the first 256 were read.")
    assert ["no say" in note for note in render(sd3, replace(asked, guidance_scale=1.0)).notes] == [True]
    assert ["takes no negative" in note for note in render(flux, asked).notes] == [True]


def test_flux_reads_longer_prompts(flux: OpenedModel, new_request: NewRequest) -> None:
    assert render(flux, new_request(prompt="a " * 300)).notes == (
        "The prompt has 302 tokens for CLIP-L; the first 77 were read.",
        "The prompt has 601 tokens for T5; the first 512 were read.",
    )


def test_a_model_without_t5_does_not_speak_of_it(sd3_folder: Path, new_request: NewRequest) -> None:
    opened = load_pipeline(find_model(str(sd3_folder)), device=CPU)
    (note,) = render(opened, new_request(prompt="a " * 300)).notes
    assert "T5" not in note


@pytest.mark.parametrize(
    ("side_px", "coarse_first", "drawn_from"),
    [(512, 0.0, "1"), (512, 0.7, "0.7"), (512, 0.5, None), (256, 0.0, None)],
)
def test_large_pictures_from_more_noise_than_it_knows_are_told_of(
    sd3: OpenedModel, new_request: NewRequest, side_px: int, coarse_first: float, drawn_from: str | None
) -> None:
    opened = replace(sd3, entry=replace(sd3.entry, own_side_px=256, redrawn_below=0.6))
    request = new_request(
        width_px=side_px, height_px=side_px, num_inference_steps=2, coarse_first=coarse_first
    )
    told = [note for note in render(opened, request).notes if "knows larger pictures" in note]
    assert told == (
        []
        if drawn_from is None
        else [
            f"{sd3.entry.title} composes at 256 px, and knows larger pictures up to a noise level of 0.6; this one was "
            f"drawn from {drawn_from}: choose a lower coarse first, not 0."
        ]
    )
