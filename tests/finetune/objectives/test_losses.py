"""Identities of the objectives, in float64: what they equal, by how much they differ, hand-worked masks."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from finetune.config.run_config import ObjectiveConfig, TimestepConfig
from finetune.objectives.band_weights import band_curves, density, judge
from finetune.objectives.losses import (
    Prediction,
    band_errors,
    band_weights,
    energy_of_bands,
    lwd,
    lwd_mask,
    make_objective,
    velocity_mse,
    wlf,
)
from finetune.objectives.timesteps import sample_sigmas, shifted
from finetune.objectives.wavelets import wavedec2

SIGMAS = torch.tensor([0.07, 0.5, 0.93], dtype=torch.float64)
WAVELETS = ["haar", "db2", "sym4", "coif1"]
ONES = ((1.0, 1.0, 1.0),) * 2


def prediction(velocity: Tensor | None = None) -> Prediction:
    made = torch.randn(3, 3, 4, 16, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return Prediction(made[0] if velocity is None else velocity, made[1], made[2], SIGMAS)


def gradient(objective: object, start: Prediction) -> Tensor:
    velocity = start.velocity.clone().requires_grad_()
    loss = objective(replace(start, velocity=velocity)).sum()  # type: ignore[operator]
    return torch.autograd.grad(loss, velocity)[0]


def test_wlf_is_sigma_squared_velocity_mse_and_x0_mse() -> None:
    given = prediction()
    plain = SIGMAS**2 * velocity_mse(given)
    x0 = given.noisy - given.sigma * given.velocity
    torch.testing.assert_close(wlf(given), plain, rtol=1e-12, atol=0)
    torch.testing.assert_close(wlf(given), (x0 - given.latents).square().mean((1, 2, 3)), rtol=1e-12, atol=0)
    weighted = SIGMAS.reshape(-1, 1, 1, 1) ** 2 * gradient(velocity_mse, given)
    torch.testing.assert_close(
        gradient(wlf, given), weighted, rtol=0, atol=1e-12 * float(weighted.abs().max())
    )


@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize("residual", ["velocity", "x0"])
def test_weights_of_one_are_the_mean_square(wavelet: str, residual: str) -> None:
    config = ObjectiveConfig(
        kind="wavelet", wavelet=wavelet, levels=2, detail_weights=ONES, residual=residual
    )  # type: ignore[arg-type]
    ours, given = make_objective(config), prediction()
    plain = velocity_mse if residual == "velocity" else wlf
    digits = 1e-10 if wavelet == "sym4" else 1e-12  # PyWavelets tabulates sym4 with 12 digits
    torch.testing.assert_close(ours(given), plain(given), rtol=digits, atol=0)
    torch.testing.assert_close(gradient(ours, given), gradient(plain, given), rtol=0, atol=digits / 100)
    assert judge(config)[1]


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_a_weight_multiplies_its_band_of_the_gradient_and_no_other(wavelet: str) -> None:
    weights = ((2.0, 3.0, 5.0), (7.0, 11.0, 13.0))
    config = ObjectiveConfig(
        kind="wavelet", wavelet=wavelet, levels=2, low_weight=0.5, detail_weights=weights
    )
    given = prediction()
    found = wavedec2(gradient(make_objective(config), given), wavelet, 2).bands()
    plain = wavedec2(gradient(velocity_mse, given), wavelet, 2).bands()
    for weight, band, before in zip((0.5, *weights[0], *weights[1]), found, plain, strict=True):
        torch.testing.assert_close(band, weight * before, rtol=0, atol=1e-12)


def test_a_weight_on_detail_changes_the_gradient_as_much_as_the_published_analysis_says() -> None:
    """(1, 2, 2, 2) on white error: sqrt(mean(0, 1, 1, 1)) = 0.866 of the plain gradient's norm."""
    config = ObjectiveConfig(kind="wavelet", detail_weights=((2.0, 2.0, 2.0),))
    given = prediction()
    before, after = gradient(velocity_mse, given), gradient(make_objective(config), given)
    assert float((after - before).norm() / before.norm()) == pytest.approx(math.sqrt(0.75), abs=0.02)


def test_weights_from_data_undo_its_energy_and_average_one() -> None:
    latents = prediction().latents.clone()
    latents += 10  # only the low band gets it
    config = ObjectiveConfig(kind="wavelet", weights_from="data", levels=2, wavelet="db2")
    energy = energy_of_bands(latents, config)
    weights = band_weights(config, energy)
    shares = [1 / 16, *[1 / 4] * 3, *[1 / 16] * 3]
    assert sum(w * s for w, s in zip(weights, shares, strict=True)) == pytest.approx(1)
    assert np.ptp([w * e for w, e in zip(weights, energy, strict=True)]) == pytest.approx(0, abs=1e-12)
    assert sum(e * s for e, s in zip(energy, shares, strict=True)) == pytest.approx(
        float(latents.square().mean())
    )
    with pytest.raises(ValueError, match="measure the dataset"):
        make_objective(config)


def test_pseudo_huber_between_its_limits() -> None:
    given = prediction()

    def huber(c: float) -> ObjectiveConfig:
        return ObjectiveConfig(kind="wavelet", penalty="pseudo_huber", huber_c=c)

    torch.testing.assert_close(make_objective(huber(1e6))(given), velocity_mse(given), rtol=1e-10, atol=0)
    absolute = make_objective(ObjectiveConfig(kind="wavelet", penalty="l1"))(given)
    torch.testing.assert_close(make_objective(huber(1e-6))(given) / 2e-6, absolute, rtol=1e-5, atol=0)
    # By hand, one coefficient of 3 among 4 with c = 4: 2 * 16 * (sqrt(1 + 9/16) - 1) / 4 = 2
    one = torch.tensor([[[[1.5, 1.5], [1.5, 1.5]]]], dtype=torch.float64)
    zero = torch.zeros_like(one)
    assert make_objective(huber(4.0))(Prediction(one, zero, zero, SIGMAS[:1])).item() == pytest.approx(2)


def test_scheduled_threshold_runs_from_c_to_its_square() -> None:
    scheduled = ObjectiveConfig(kind="wavelet", penalty="pseudo_huber", huber_c=0.25, huber_schedule="sigma")
    given = prediction()
    ends = replace(given, sigmas=torch.tensor([0.0, 1.0, 0.5], dtype=torch.float64))
    found = make_objective(scheduled)(ends)
    for i, c in enumerate((0.25, 0.0625, 0.125)):
        constant = ObjectiveConfig(kind="wavelet", penalty="pseudo_huber", huber_c=c)
        torch.testing.assert_close(found[i], make_objective(constant)(ends)[i])


def test_lwd_mask_by_hand_over_all_channels() -> None:
    """Detail in channel 3 alone, which the published code does not look at.

    4 x 4 latents: one 2 x 2 block (top left) holds hh = 2, so the energy is [[1, 0], [0, 0]] over 4 channels; enlarged
    bilinearly the weights along an axis are 1, 3/4, 1/4, 0.
    """
    noisy = torch.zeros(1, 4, 4, 4, dtype=torch.float64)
    noisy[0, 3, :2, :2] = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    axis = torch.tensor([1.0, 0.75, 0.25, 0.0], dtype=torch.float64)
    energy = axis[:, None] * axis
    for sigma, count in ((0.2, 16), (0.31, 9), (0.45, 8), (0.8, 4), (1.0, 3)):
        mask = lwd_mask(noisy, torch.tensor([sigma], dtype=torch.float64), floor=0.3)
        expected = energy + 0.3 >= sigma
        assert torch.equal(mask[0, 0].bool(), expected)
        assert int(mask.sum()) == int(expected.sum()) == {0.2: 16, 0.45: 8, 0.8: 4, 1.0: 3, 0.31: 9}[sigma], (
            count
        )


def test_lwd_averages_over_everything_or_over_the_mask() -> None:
    given = prediction()
    mask = lwd_mask(given.noisy, given.sigmas, floor=0.3)
    share = mask.mean((1, 2, 3))
    assert share[0] == 1  # sigma below the floor: everything is learnt
    assert 0 < share[2] < 0.5
    kept = (given.error.square() * mask).sum((1, 2, 3)) / given.error[0].numel()
    torch.testing.assert_close(lwd(given, floor=0.3, renormalise=False), kept)
    torch.testing.assert_close(lwd(given, floor=0.3, renormalise=True), kept / share)
    torch.testing.assert_close(lwd(given, floor=1.0, renormalise=True), velocity_mse(given))
    flat = replace(given, latents=torch.zeros_like(given.latents), noise=torch.zeros_like(given.noise))
    assert lwd(flat, floor=0.0, renormalise=True).tolist() == [0, 0, 0]


def test_band_errors_average_to_the_plain_one() -> None:
    given = prediction()
    torch.testing.assert_close(band_errors(given).mean(1), velocity_mse(given))


CURVED = [
    ObjectiveConfig(),
    ObjectiveConfig(kind="wlf"),
    ObjectiveConfig(kind="wavelet", low_weight=0.5, detail_weights=((2.0, 3.0, 4.0),), residual="x0"),
    ObjectiveConfig(kind="wavelet", penalty="l1", levels=2, detail_weights=ONES),
    ObjectiveConfig(
        kind="wavelet", penalty="pseudo_huber", huber_c=0.5, huber_schedule="sigma", residual="x0"
    ),
]


@pytest.mark.parametrize("config", CURVED)
def test_curves_are_the_gradients_ratio(config: ObjectiveConfig) -> None:
    """Against autograd: an error whose every coefficient is +-1 in the bands that are looked at."""
    curves = band_curves(config, TimestepConfig(), inference_shift=3.0, num_points=9)
    sigmas = torch.from_numpy(curves.sigmas)
    levels = config.levels if config.kind == "wavelet" else 1
    for position, name in enumerate(curves.weights):
        error = _only_band(position, levels).expand(9, -1, -1, -1)
        zero = torch.zeros_like(error)
        given = Prediction(error, zero, zero, sigmas)
        ratio = (gradient(make_objective(config), given) * error).sum((1, 2, 3))
        ratio /= (gradient(velocity_mse, given) * error).sum((1, 2, 3))
        np.testing.assert_allclose(ratio, curves.weights[name], rtol=1e-10)


def _only_band(position: int, levels: int) -> Tensor:
    """(1, 1, 8, 8) whose Haar coefficients are 1 in one band and 0 in the others, by linearity."""
    x = torch.zeros(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    band = wavedec2(x, "haar", levels).bands()[position]
    return torch.autograd.grad(band.sum(), x)[0]


@pytest.mark.parametrize(
    ("config", "plain", "words"),
    [
        (ObjectiveConfig(), True, "plain MSE of the velocity"),
        (ObjectiveConfig(kind="wlf"), True, r"sigma\^2-weighted MSE of the velocity"),
        (ObjectiveConfig(kind="wavelet"), True, "This is plain MSE of the velocity"),
        (ObjectiveConfig(kind="wavelet", residual="x0"), True, "the same as wlf"),
        (ObjectiveConfig(kind="wavelet", low_weight=2.0, detail_weights=((2.0, 2.0, 2.0),)), True, "times 2"),
        (ObjectiveConfig(kind="wavelet", low_weight=2.0), False, "weigh differently"),
        (ObjectiveConfig(kind="wavelet", penalty="l1"), False, "falls as its error grows"),
        (ObjectiveConfig(kind="wavelet", weights_from="data"), False, "Aware"),
        (ObjectiveConfig(kind="lwd"), False, "inside the mask"),
    ],
)
def test_the_verdict_is_honest(config: ObjectiveConfig, plain: bool, words: str) -> None:
    verdict, found = judge(config)
    assert found is plain
    assert re.search(words, verdict)


@pytest.mark.parametrize("shift", [1.0, 3.0, 25.3])
@pytest.mark.parametrize("sampling", ["logit_normal", "uniform", "mode"])
def test_sampled_sigmas_follow_the_density(sampling: str, shift: float) -> None:
    config = TimestepConfig(sampling=sampling)  # type: ignore[arg-type]
    drawn = sample_sigmas(config, 200_000, shift=shift, generator=torch.Generator().manual_seed(0)).numpy()
    edges = np.linspace(0, 1, 21)
    counted = np.histogram(drawn, edges)[0] / len(drawn)
    fine = (np.arange(20_000) + 0.5) / 20_000
    expected = density(config, fine, inference_shift=shift).reshape(20, 1000).mean(1) / 20
    np.testing.assert_allclose(counted, expected, rtol=0, atol=5 * math.sqrt(0.25 / len(drawn)))


def test_published_numbers_of_the_samplers() -> None:
    """SD3 as published: logit-normal, shift 3: mean sigma 0.714, mean square 0.541; Flux: uniform, 1/3."""
    generator = torch.Generator().manual_seed(0)
    sd3 = sample_sigmas(TimestepConfig(), 400_000, shift=3.0, generator=generator)
    assert float(sd3.mean()) == pytest.approx(0.714, abs=2e-3)
    assert float(sd3.square().mean()) == pytest.approx(0.541, abs=2e-3)
    flux = TimestepConfig(sampling="uniform", shift="none")
    drawn = sample_sigmas(flux, 400_000, shift=25.3, generator=generator)
    assert float(drawn.square().mean()) == pytest.approx(1 / 3, abs=2e-3)
    assert float(shifted(torch.tensor(0.5), 3.0)) == 0.75
