"""A new transformer's velocity is the best linear guess; cores lent while training."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel

from finetune.micro import architecture
from finetune.micro.copying import _cosines, begin_by_copying, best_gain, cosine_coefficients
from finetune.micro.training import lend_cores

AREA = architecture.PATCH**2


def some_variances() -> torch.Tensor:
    """(16 channels, coefficients): two channels that are smooth and loud, fourteen that are faint and white."""
    variances = torch.full((16, AREA), 0.05)
    variances[:2] = 0.1 / torch.arange(1, AREA + 1)
    variances[:2, 0] = 30.0
    return variances


def made_of(variances: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Latents whose cosine coefficients have these variances: (1, 16, height, width)."""
    coefficients = torch.randn(height * width // AREA, 16, AREA) * variances.sqrt()
    blocks = torch.einsum("fp,ncf->cpn", _cosines(architecture.PATCH), coefficients)
    return F.fold(blocks, (height, width), architecture.PATCH, stride=architecture.PATCH)[:, 0][None]


def test_the_best_gain_by_hand() -> None:
    variances = torch.tensor([1.0, 0.0])
    # White data: (s - (1 - s)) / (s^2 + (1 - s)^2). No data: noise alone, v = x_t / s.
    gains = best_gain(variances, torch.tensor([0.5, 0.8]))
    torch.testing.assert_close(gains, torch.tensor([[0.0, 2.0], [0.6 / 0.68, 1.25]]))


def test_the_best_gain_is_the_least_squares_one() -> None:
    torch.manual_seed(0)
    data, noise = torch.randn(200_000) * 0.3**0.5, torch.randn(200_000)
    noisy, velocity = 0.7 * data + 0.3 * noise, noise - data
    fitted = (noisy @ velocity) / (noisy @ noisy)
    assert best_gain(torch.tensor([0.3]), torch.tensor([0.3])).item() == pytest.approx(
        fitted.item(), abs=0.02
    )


@pytest.mark.parametrize("sigma", [0.98, 0.7, 0.3, 0.1])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96)])
def test_a_new_transformer_makes_the_best_linear_guess(sigma: float, height: int, width: int) -> None:
    torch.manual_seed(0)
    variances = some_variances()
    model = architecture.new_transformer().eval()
    begin_by_copying(model, variances)
    latents, noise = made_of(variances, height, width), torch.randn(1, 16, height, width)
    with torch.inference_mode():
        velocity = model(
            (1 - sigma) * latents + sigma * noise,
            torch.randn(1, 56, 256),
            torch.randn(1, 256),
            torch.tensor([1000 * sigma]),
            return_dict=False,
        )[0]
    error = cosine_coefficients((velocity - (noise - latents))[0], architecture.PATCH).square().mean(0)
    # What no linear guess from the token's own latents can know of v.
    unknowable = variances / ((1 - sigma) ** 2 * variances + sigma**2)
    assert error.sum() == pytest.approx(unknowable.sum().item(), rel=0.15)


def test_coefficients_of_latents_are_those_they_were_made_of() -> None:
    torch.manual_seed(0)
    variances = some_variances()
    found = cosine_coefficients(made_of(variances, 256, 256)[0], architecture.PATCH).square().mean(0)
    torch.testing.assert_close(found, variances, rtol=0.25, atol=0)


def test_a_channel_and_a_place_come_out_where_they_went_in() -> None:
    torch.manual_seed(0)
    model = architecture.new_transformer().eval()
    begin_by_copying(model, torch.ones(16, AREA))
    quiet = torch.zeros(1, 16, 16, 16)
    marked = quiet.clone()
    marked[0, 5, 9, 2] = 1.0
    text = torch.zeros(1, 56, 256), torch.zeros(1, 256), torch.tensor([800.0])
    with torch.inference_mode():
        moved = model(marked, *text, return_dict=False)[0] - model(quiet, *text, return_dict=False)[0]
    peak = tuple(int(i) for i in torch.unravel_index(moved.abs().argmax(), moved.shape))
    assert peak == (0, 5, 9, 2)
    others = moved.clone()
    others[peak] = 0
    assert others.abs().max() < 0.05 * moved.abs().max()


def test_the_basis_is_orthonormal_and_begins_with_the_mean() -> None:
    basis = _cosines(4)
    torch.testing.assert_close(basis @ basis.T, torch.eye(16))
    torch.testing.assert_close(basis[0], torch.full((16,), 0.25))


def test_a_stream_too_narrow_for_a_patch_is_refused() -> None:
    narrow = SD3Transformer2DModel(
        sample_size=16,
        patch_size=4,
        in_channels=16,
        num_layers=1,
        attention_head_dim=64,
        num_attention_heads=4,
        joint_attention_dim=32,
        caption_projection_dim=256,
        pooled_projection_dim=32,
        pos_embed_max_size=4,
    )
    with pytest.raises(ValueError, match="cannot carry 256 numbers a patch"):
        begin_by_copying(narrow, torch.ones(16, 16))


def test_training_waits_for_a_pause_and_shares_when_asked(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    (tmp_path / "share").touch()
    lend_cores(tmp_path, 2)
    assert torch.get_num_threads() == 1
    (tmp_path / "share").unlink()
    pause = tmp_path / "pause"
    pause.touch()
    threading.Timer(0.5, pause.unlink).start()
    lend_cores(tmp_path, 2)
    assert not pause.exists()
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
