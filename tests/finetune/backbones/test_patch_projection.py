"""A patch projection is its convolution: in every number, and in what a CPU takes the quick ones for."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from finetune.backbones import FAMILIES
from finetune.backbones.patch_projection import PatchProjection, project_patches_by_products

BUNDLED = Path(__file__).parents[3] / "assets" / "micro-4k"


@pytest.mark.parametrize("side", [1, 2, 4, 5])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_convolution(side: int, bias: bool) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(16, 24, side, side, bias=bias).double()
    picture = torch.randn(2, 16, 4 * side + side // 2, 3 * side, dtype=torch.float64, requires_grad=True)
    projection = copy.deepcopy(convolution)
    assert project_patches_by_products(projection) == 1
    assert type(projection) is PatchProjection
    torch.testing.assert_close(projection(picture), convolution(picture))

    wanted = torch.autograd.grad(convolution(picture).square().sum(), [picture, *convolution.parameters()])
    got = torch.autograd.grad(projection(picture).square().sum(), [picture, *projection.parameters()])
    torch.testing.assert_close(got, wanted)
    assert list(projection.state_dict()) == list(convolution.state_dict())


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv2d(16, 8, 3, 1, 1),
        nn.Conv2d(16, 8, 4, 2),
        nn.Conv2d(16, 8, (4, 2), (4, 2)),
        nn.Conv2d(16, 8, 4, 4, padding=1),
        nn.Conv2d(16, 8, 4, 4, groups=2),
        nn.Conv2d(16, 8, 4, 4, dilation=2),
    ],
    ids=lambda part: str(part),
)
def test_other_convolutions_stay(other: nn.Conv2d) -> None:
    assert project_patches_by_products(nn.Sequential(other)) == 0
    assert type(other) is nn.Conv2d


@pytest.mark.parametrize(("channels", "side"), [(16, 2), (16, 4), (16, 8), (8, 8)])
@pytest.mark.parametrize("autocast", [False, True])
def test_it_is_right_in_bfloat16(channels: int, side: int, autocast: bool) -> None:
    """`nn.Conv2d` is off by .8 for three of these on CPUs with AMX (PyTorch 2.14.1)."""
    torch.manual_seed(0)
    part = nn.Conv2d(channels, 64, side, side)
    picture = torch.randn(2, channels, 8 * side, 8 * side)
    wanted = part(picture)
    project_patches_by_products(part)
    if not autocast:
        part, picture = part.bfloat16(), picture.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        got = part(picture)
    assert got.dtype is torch.bfloat16
    assert (got.float() - wanted).norm() < 0.02 * wanted.norm()


def test_the_bundled_model_predicts_in_bfloat16_what_it_does_in_float32() -> None:
    torch.manual_seed(0)
    predicted = []
    for dtype in (torch.float32, torch.bfloat16):
        pipeline, _ = FAMILIES["sd3"].load(BUNDLED, dtype=dtype)
        transformer = pipeline.transformer
        generator = torch.Generator().manual_seed(0)
        noisy = torch.randn(1, transformer.config.in_channels, 16, 16, generator=generator)
        read = torch.randn(1, 8, transformer.config.joint_attention_dim, generator=generator)
        pooled = torch.randn(1, transformer.config.pooled_projection_dim, generator=generator)
        with torch.inference_mode():
            velocity = FAMILIES["sd3"].velocity(
                transformer,
                noisy.to(dtype),
                torch.tensor([0.5], dtype=dtype),
                read.to(dtype),
                pooled.to(dtype),
                guidance_embed=None,
            )
        predicted.append(velocity.float())
    full, half = predicted
    assert (half - full).norm() < 0.05 * full.norm()
