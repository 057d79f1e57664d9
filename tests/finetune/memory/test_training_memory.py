"""The forecast: sizes by hand, and what autograd truly keeps of a real forward pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel
from torch.autograd.graph import saved_tensors_hooks

from finetune.backbones import FAMILIES
from finetune.backbones.full_size import FULL_SIZE_TRANSFORMERS
from finetune.config.files import from_values
from finetune.memory.training_memory import TEXT_TOKENS, activation_bytes, training_memory

GIB = 2**30

SD3 = {
    "num_layers": 3,
    "num_attention_heads": 4,
    "attention_head_dim": 16,
    "joint_attention_dim": 96,
    "caption_projection_dim": 64,
    "pooled_projection_dim": 48,
    "pos_embed_max_size": 64,
}
FLUX = {
    "in_channels": 64,
    "num_layers": 2,
    "num_single_layers": 3,
    "attention_head_dim": 16,
    "num_attention_heads": 4,
    "joint_attention_dim": 96,
    "pooled_projection_dim": 48,
    "guidance_embeds": True,
    "axes_dims_rope": (4, 6, 6),
}


def config(kind: str, **sections: Any) -> Any:
    return from_values({"method": {"kind": kind}, **sections})


def truly_kept(transformer: torch.nn.Module, family: str, side: int) -> int:
    """Bytes of distinct storages that autograd keeps of a forward pass with numbers."""
    own = {parameter.untyped_storage().data_ptr() for parameter in transformer.parameters()}
    own |= {buffer.untyped_storage().data_ptr() for buffer in transformer.buffers()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            kept[place] = tensor
        return tensor

    settings = transformer.config
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        FAMILIES[family].velocity(
            transformer,
            torch.randn(1, 16, side, side),
            torch.tensor([0.5]),
            torch.randn(1, TEXT_TOKENS[family], settings.joint_attention_dim),  # type: ignore[index]
            torch.randn(1, settings.pooled_projection_dim),
            guidance_embed=3.5 if family == "flux" else None,
        )
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize(
    ("family", "kind", "settings"),
    [("sd3", SD3Transformer2DModel, SD3), ("flux", FluxTransformer2DModel, FLUX)],
)
def test_activations_are_what_autograd_keeps(family: Any, kind: Any, settings: dict[str, Any]) -> None:
    real = kind(**settings).train()
    with torch.device("meta"):
        hollow = kind(**settings).train()
    for side in (16, 32):
        told = activation_bytes(hollow, family, (16, side, side), checkpointed=False)
        assert told == pytest.approx(truly_kept(real, family, side), rel=0.03)
    once = activation_bytes(hollow, family, (16, 32, 32), checkpointed=False)
    assert activation_bytes(hollow, family, (16, 32, 32), batch_size=3, checkpointed=False) == pytest.approx(
        3 * once, rel=0.02
    )
    assert activation_bytes(hollow, family, (16, 32, 32), checkpointed=True) < 0.7 * once


def test_sd3_medium_by_hand() -> None:
    model = FULL_SIZE_TRANSFORMERS["sd3-medium"]
    found = training_memory(
        model.on_meta(), "sd3", config("lora", method={"kind": "lora", "rank": 16}), (16, 256, 256)
    )
    assert len(found.lora_layers) == 24 * 8 - 1  # the last block's text ends before its last projection
    assert found.num_trained == found_by_hand(found.lora_layers, width=1536)
    assert found.weights == pytest.approx(2 * found.num_parameters + 4 * found.num_trained)
    assert found.gradients == 4 * found.num_trained
    assert found.optimizer == 8 * found.num_trained
    full = training_memory(model.on_meta(), "sd3", config("full"), (16, 256, 256))
    assert full.num_trained == full.num_parameters == model.num_parameters
    assert full.weights + full.gradients + full.optimizer == (6 + 4 + 8) * model.num_parameters
    assert found.total < 24 * GIB < full.total


def found_by_hand(layers: tuple[str, ...], *, width: int) -> int:
    return len(layers) * 16 * (width + width)


def test_flux_by_hand() -> None:
    model = FULL_SIZE_TRANSFORMERS["flux.1-dev"]
    found = training_memory(model.on_meta(), "flux", config("lora"), (16, 256, 256))
    double = 8 * 16 * (3072 + 3072) + 4 * 16 * (3072 + 12288)
    assert found.num_trained == 19 * double + 38 * 3 * 16 * (3072 + 3072)
    assert len(found.lora_layers) == 19 * 12 + 38 * 3
    quantised = config("lora", method={"kind": "lora", "quantise_base": "nf4"})
    small = training_memory(model.on_meta(), "flux", quantised, (16, 256, 256))
    assert small.weights < 0.3 * found.weights
    assert small.activations == found.activations
