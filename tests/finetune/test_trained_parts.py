"""What training is made of: the network called as the pipeline calls it, LoRA layers, optimizers, running means."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from torch import nn
from torch.nn import Parameter

from finetune.backbones import FAMILIES
from finetune.backbones.text_embeddings import encode_caption
from finetune.config.run_config import MethodConfig, OptimizerConfig
from finetune.divergence import Diverged, DivergenceWatch
from finetune.ema import Ema
from finetune.lora.layers import add_lora, lora_layers
from finetune.optimizers import learning_rate, make_optimizer
from finetune.training_state import gather_state, restore_state
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

MAKERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "sd3": tiny_sd3_pipeline,
    "flux": tiny_flux_pipeline,
    "flux-schnell": lambda: tiny_flux_pipeline(guidance_embeds=False),
}


@pytest.mark.parametrize("kind", list(MAKERS))
def test_the_network_is_called_as_the_pipeline_calls_it(kind: str) -> None:
    pipeline, family = MAKERS[kind](), FAMILIES[kind.partition("-")[0]]
    heard: list[Any] = []

    def listen(
        _: nn.Module, args: tuple[Any, ...], named: dict[str, Any], output: tuple[torch.Tensor]
    ) -> None:
        heard.append((named["timestep"], output[0]))

    handle = pipeline.transformer.register_forward_hook(listen, with_kwargs=True)
    noise = family.initial_latents(pipeline, 96, 64, seed=4)
    text = encode_caption(pipeline, family, "a red hill", max_sequence_length=16)
    pipeline(
        prompt_embeds=text.prompt_embeds[None],
        pooled_prompt_embeds=text.pooled_prompt_embeds[None],
        width=96,
        height=64,
        num_inference_steps=1,
        sigmas=[0.6],
        guidance_scale=3.5 if kind == "flux" else 1.0,
        latents=noise,
        output_type="latent",
    )
    handle.remove()
    shape = family.geometry(pipeline).latent_shape(96, 64)
    ((timestep, output),) = heard
    sigma = timestep / 1000 if family.name == "sd3" else timestep
    with torch.no_grad():
        found = family.velocity(
            pipeline.transformer,
            family.unpack(noise, shape),
            sigma,
            text.prompt_embeds[None],
            text.pooled_prompt_embeds[None],
            guidance_embed=3.5 if kind == "flux" else None,
        )
    assert torch.equal(found, family.unpack(output, shape))


@pytest.mark.parametrize("kind", ["sd3", "flux"])
def test_a_new_lora_changes_nothing_and_trains_only_itself(kind: str) -> None:
    pipeline, family = MAKERS[kind](), FAMILIES[kind]
    transformer = pipeline.transformer
    text = encode_caption(pipeline, family, "a red hill", max_sequence_length=16)
    shape = family.geometry(pipeline).latent_shape(64, 64)
    noisy = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))

    def velocity() -> torch.Tensor:
        with torch.no_grad():
            return family.velocity(
                transformer,
                noisy,
                torch.tensor([0.5]),
                text.prompt_embeds[None],
                text.pooled_prompt_embeds[None],
                guidance_embed=3.5 if kind == "flux" else None,
            )

    before = velocity()
    layers = add_lora(transformer, family, MethodConfig(rank=3, alpha=6), seed=0)
    assert torch.equal(velocity(), before)
    moving = [name for name, parameter in transformer.named_parameters() if parameter.requires_grad]
    assert len(moving) == 2 * len(layers)
    assert all("lora_" in name for name in moving)
    with torch.no_grad():
        for name, parameter in transformer.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.05)
    assert not torch.equal(velocity(), before)
    transformer.disable_adapters()
    assert torch.equal(velocity(), before)


def test_lora_targets_are_endings_of_names() -> None:
    pipeline, family = tiny_sd3_pipeline(), FAMILIES["sd3"]
    layers = lora_layers(pipeline.transformer, family)
    assert "transformer_blocks.0.attn.to_q" in layers
    assert len(layers) == 8 + 7  # the last block's text side ends early: no to_add_out
    assert lora_layers(pipeline.transformer, family, ["ff.net.2"]) == (
        "transformer_blocks.0.ff.net.2",
        "transformer_blocks.1.ff.net.2",
    )
    with pytest.raises(ValueError, match=r"ends in 'attn.to_qq'; did you mean attn.to_q"):
        lora_layers(pipeline.transformer, family, ["attn.to_qq"])


def test_rates_by_hand() -> None:
    def rates(**settings: Any) -> list[float]:
        config = OptimizerConfig(learning_rate=1.0, **settings)
        return [learning_rate(config, step, 6) for step in range(1, 7)]

    assert rates() == [1] * 6
    assert rates(warmup_steps=2) == [0.5, 1, 1, 1, 1, 1]
    assert rates(warmup_steps=2, schedule="linear") == [0.5, 1, 1, 0.75, 0.5, 0.25]
    assert rates(schedule="cosine") == pytest.approx([(1 + math.cos(math.pi * i / 6)) / 2 for i in range(6)])


@pytest.mark.parametrize("kind", ["adamw", "prodigy"])
def test_an_optimizer_goes_on_exactly_from_its_state(kind: str) -> None:
    if kind == "prodigy":
        pytest.importorskip("prodigyopt", reason="the extra `train` is not installed")

    def made() -> tuple[dict[str, Parameter], torch.optim.Optimizer, Ema]:
        parameters = {"w": Parameter(torch.linspace(-1, 1, 12).reshape(3, 4)), "b": Parameter(torch.ones(5))}
        config = OptimizerConfig(kind=kind, learning_rate=1.0 if kind == "prodigy" else 0.1)  # type: ignore[arg-type]
        return parameters, make_optimizer(config, parameters.values()), Ema(parameters, 0.9)

    def step(
        parameters: dict[str, Parameter], optimizer: torch.optim.Optimizer, ema: Ema, number: int
    ) -> None:
        optimizer.zero_grad()
        sum(((p - number).square() * (i + 1)).sum() for i, p in enumerate(parameters.values())).backward()  # type: ignore[union-attr]
        optimizer.step()
        ema.update(number)

    whole, cut = made(), made()
    for number in range(1, 9):
        step(*whole, number)
        if number == 4:
            tensors, numbers = gather_state(*cut)
            cut = made()
            restore_state(tensors, numbers, *cut)
        step(*cut, number)
    for name in whole[0]:
        assert torch.equal(whole[0][name], cut[0][name])
        assert torch.equal(whole[2].means[name], cut[2].means[name])
    with pytest.raises(ValueError, match="of other trained weights"):
        restore_state(*gather_state(*whole), {"w": whole[0]["w"]}, whole[1], whole[2])


def test_a_running_mean_is_worn_and_taken_off() -> None:
    parameters = {"w": Parameter(torch.zeros(2))}
    ema = Ema(parameters, 0.75)
    with torch.no_grad():
        parameters["w"].fill_(1.0)
    ema.update(1)  # d = min(0.75, 2 / 11)
    assert ema.means["w"].tolist() == pytest.approx([9 / 11] * 2)
    with ema.worn():
        assert parameters["w"].tolist() == pytest.approx([9 / 11] * 2)
    assert parameters["w"].tolist() == [1.0, 1.0]
    ema.update(1000)  # d = 0.75
    assert ema.means["w"].tolist() == pytest.approx([0.75 * 9 / 11 + 0.25] * 2)


def test_divergence_is_ten_times_the_first_losses() -> None:
    watch = DivergenceWatch([1.0] * 20)
    for i in range(19):
        watch.check(100.0, f"step {21 + i}")
    with pytest.raises(Diverged, match="grown to 100 times what it was at first, at step 40"):
        watch.check(100.0, "step 40")
    steady = DivergenceWatch([1.0] * 20)
    for i in range(50):
        steady.check(9.9, f"step {i}")
    with pytest.raises(Diverged, match="the loss is inf at step 3"):
        steady.check(math.inf, "step 3")
