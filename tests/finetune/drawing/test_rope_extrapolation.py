"""Rotary frequencies worked by hand, their limits, and a tiny Flux model that draws with each."""

from __future__ import annotations

import math

import pytest
import torch

from finetune.drawing.rope_extrapolation import (
    ExtrapolatedRope,
    attention_scale,
    extrapolated,
    frequencies,
)
from finetune.drawing.speed_names import ROPE_METHODS, RopeMethod
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

CHANGING: tuple[RopeMethod, ...] = ("ntk", "yarn", "dynamic")
FLUX = {"dim": 56, "base": 10_000.0}


def test_ntk_by_hand() -> None:
    """Four channels, base 100, twice the size: base' = 100 * 2^(4 / 2) = 400, so 1 and 1 / 20, half of 1 / 10."""
    assert frequencies("none", dim=4, base=100, scale=2).tolist() == pytest.approx([1, 0.1])
    assert frequencies("ntk", dim=4, base=100, scale=2).tolist() == pytest.approx([1, 0.05])


@pytest.mark.parametrize("scale", [1.5, 2.0, 4.0])
def test_the_fastest_stays_and_the_slowest_is_stretched(scale: float) -> None:
    plain = frequencies("none", **FLUX, scale=scale)
    for method in ("ntk", "yarn"):
        found = frequencies(method, **FLUX, scale=scale)
        assert found[0] == pytest.approx(1.0)
        assert found[-1] == pytest.approx(float(plain[-1]) / scale)
        assert (found <= plain + 1e-15).all()
        assert (found >= plain / scale - 1e-15).all()


def test_yarn_by_hand() -> None:
    """64 trained tokens: pair i turns 64 theta_i / 2 pi times, and 4.5 turns lie half way between 1 and 8."""
    theta = 4.5 * 2 * math.pi / 64
    base = theta ** (-56 / 2)  # of the second pair
    found = frequencies("yarn", dim=56, base=base, scale=4)
    assert float(found[1]) == pytest.approx(theta * (0.5 / 4 + 0.5))
    assert attention_scale("yarn", math.e) == pytest.approx(1.1)
    assert attention_scale("ntk", 4) == 1


def test_dynamic_fades_with_the_noise() -> None:
    plain, ntk = (frequencies(m, **FLUX, scale=2) for m in ("none", "ntk"))
    torch.testing.assert_close(frequencies("dynamic", **FLUX, scale=2, sigma=0.0), plain)
    torch.testing.assert_close(frequencies("dynamic", **FLUX, scale=2, sigma=math.sqrt(0.5)), ntk)
    slowest = [float(frequencies("dynamic", **FLUX, scale=2, sigma=s)[-1]) for s in (1.0, 0.75, 0.5, 0.0)]
    assert slowest == sorted(slowest)
    assert slowest[0] == pytest.approx(float(plain[-1]) / 4)


def ids_of(side: int) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    image = torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).reshape(-1, 3)
    return torch.cat([torch.zeros(5, 3), image.float()])


@pytest.mark.parametrize("method", CHANGING)
def test_within_the_training_size_nothing_changes(method: RopeMethod) -> None:
    own = tiny_flux_pipeline().transformer.pos_embed
    rope = ExtrapolatedRope(own, method, trained=16)
    for ours, theirs in zip(rope(ids_of(16)), own(ids_of(16)), strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(rope(ids_of(32))[0], own(ids_of(32))[0])


def test_none_at_a_large_size_is_the_models_own() -> None:
    """So that the methods differ by frequencies alone."""
    own = tiny_flux_pipeline().transformer.pos_embed
    for ours, theirs in zip(ExtrapolatedRope(own, "none", 16)(ids_of(32)), own(ids_of(32)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", CHANGING)
def test_a_flux_pipeline_draws_with_it_and_is_itself_again(method: RopeMethod) -> None:
    pipeline = tiny_flux_pipeline()
    arguments = {
        "prompt": "sea",
        "width": 256,
        "height": 256,
        "num_inference_steps": 2,
        "output_type": "latent",
    }

    def draw() -> torch.Tensor:
        return pipeline(**arguments, generator=torch.Generator().manual_seed(0)).images

    plain, own = draw(), pipeline.transformer.pos_embed
    with extrapolated(pipeline.transformer, method, trained=4):
        changed = draw()
        if method == "dynamic":
            assert pipeline.transformer.pos_embed.sigma < 1, "it follows the clock"
    assert not torch.equal(changed, plain)
    assert changed.isfinite().all()
    assert pipeline.transformer.pos_embed is own
    assert torch.equal(draw(), plain)


def test_a_table_of_positions_has_no_frequencies() -> None:
    transformer = tiny_sd3_pipeline().transformer
    with (
        pytest.raises(ValueError, match="has no rotary positions; choose a FLUX model"),
        extrapolated(transformer, "ntk"),
    ):
        pass
    with extrapolated(transformer, "none"):
        pass
    assert set(ROPE_METHODS) == {"none", *CHANGING}
