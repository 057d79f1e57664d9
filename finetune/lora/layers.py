"""Which layers a LoRA is put on, and putting it there (peft; Hu et al. 2021, arXiv 2106.09685).

Not here: saving and reading LoRA files (`finetune.lora.files`).
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import torch
from diffusers import ModelMixin
from peft import LoraConfig
from torch import nn

from finetune.backbones import Family
from finetune.config.run_config import MethodConfig

_LAYERS = (nn.Linear, nn.Conv2d)


def lora_layers(transformer: nn.Module, family: Family, targets: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the layers whose names end in one of `targets`; none given means the family's own.

    Raises ValueError for an ending that no layer has.
    """
    endings = tuple(targets) if targets else family.lora_targets
    names = [name for name, module in transformer.named_modules() if isinstance(module, _LAYERS)]
    found = tuple(name for name in names if any(_ends(name, ending) for ending in endings))
    for ending in targets:  # the family's own list serves several models, some without a second attention
        if not any(_ends(name, ending) for name in names):
            near = get_close_matches(ending, {_ending(name) for name in names}, n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"method.targets: no layer of the transformer ends in {ending!r}{hint}")
    if not found:
        raise ValueError(
            "this transformer has none of the family's attention layers; name them in method.targets"
        )
    return found


def add_lora(transformer: ModelMixin, family: Family, method: MethodConfig, *, seed: int) -> tuple[str, ...]:
    """Freeze the transformer and put trainable float32 layers beside its own; returns the adapted layers' names.

    The second of the two added matrices starts at zero, so that nothing is changed yet.
    """
    layers = lora_layers(transformer, family, method.targets)
    transformer.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer.add_adapter(
            LoraConfig(
                r=method.rank,
                lora_alpha=method.alpha,  # type: ignore[arg-type]  # peft says int and only divides by the rank
                lora_dropout=method.dropout,
                target_modules=list(layers),
            )
        )
    for parameter in transformer.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return layers


def _ends(name: str, ending: str) -> bool:
    return name == ending or name.endswith(f".{ending}")


def _ending(name: str) -> str:
    """The name without its block: "transformer_blocks.3.attn.to_q" -> "attn.to_q"."""
    parts = name.split(".")
    numbers = [i for i, part in enumerate(parts) if part.isdigit()]
    start = numbers[0] + 1 if numbers else 0
    return ".".join(parts[start:])
