"""What one safetensors file holds, by the names in its header: whose transformer it is, or what else. No torch.

Files of one piece are how ComfyUI and other tools pass models on: a transformer alone or with VAE and text encoders, in
the names of its makers or in diffusers'. Not here: opening it (`finetune.backbones.single_file`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from finetune.weight_files import Header, read_header

Family = Literal["sd3", "flux"]

_PREFIXES = ("model.diffusion_model.", "transformer.", "diffusion_model.")
_LORA = re.compile(r"lora_|\.lora\.|lokr_|hada_w|\.dora_scale")
_FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})


@dataclass(frozen=True, slots=True)
class Transformer:
    """A transformer in a file."""

    family: Family
    usual_base: str
    """Catalogue id of the model whose text encoders and VAE go with it."""

    has_more: bool
    """Whether the file holds a VAE or text encoders beside; those of the base are used."""


def transformer_in(path: Path) -> Transformer:
    """Look at the header alone.

    Raises ValueError, with the remedy, for a file that is cut off or no safetensors, a LoRA, a VAE, a text encoder,
    another backbone, and weights in a form that only one tool reads.
    """
    header = read_header(path)
    names = list(header.tensors)
    if any(_LORA.search(name) for name in names):
        raise ValueError(f"{path.name} is a LoRA, not a model; add it to the LoRA stack of the form")
    bare = {_bare(name) for name in names}
    family = _family(bare)
    if family is None:
        raise ValueError(f"{path.name} is {_what_else(bare)}; the studio draws with SD3 and FLUX.1 models")
    if odd := _odd_form(header):
        raise ValueError(
            f"{path.name} holds its weights as {odd}, which only the tool that made it reads; take the file in "
            "bfloat16, float16 or plain float8"
        )
    more = any(
        name.startswith(("first_stage_model.", "vae.", "text_encoders.", "cond_stage_model."))
        for name in names
    )
    return Transformer(family, _usual_base(family, bare), more)


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _family(bare: Iterable[str]) -> Family | None:
    heads = {name.split(".", 1)[0] for name in bare}
    if "joint_blocks" in heads:
        return "sd3"
    if "double_blocks" in heads and "single_blocks" in heads:
        return "flux"
    if "single_transformer_blocks" in heads:
        return "flux"
    if "transformer_blocks" in heads and any(".attn.add_q_proj." in name for name in bare):
        return "sd3" if "pos_embed" in heads else None
    return None


def _what_else(bare: Iterable[str]) -> str:
    names = list(bare)
    kinds = (
        ("an SD 1, 2 or SDXL model", ("input_blocks.", "down_blocks.")),
        ("a VAE", ("decoder.", "encoder.conv_in", "first_stage_model.")),
        ("a text encoder", ("text_model.", "encoder.block.", "transformer.text_model.")),
    )
    for what, beginnings in kinds:
        if any(name.startswith(beginnings) for name in names):
            return what
    return "no model that is known here"


def _odd_form(header: Header) -> str | None:
    if any(name.endswith((".scale_weight", ".weight_scale", "scaled_fp8")) for name in header.tensors):
        return "scaled float8"
    if any("bitsandbytes__" in name or name.endswith(".absmax") for name in header.tensors):
        return "4 bits of bitsandbytes"
    for name, (dtype, _) in header.tensors.items():
        if name.endswith("weight") and dtype not in _FLOATS:
            return f"whole numbers ({dtype})"
    return None


def _usual_base(family: Family, bare: Iterable[str]) -> str:
    names = list(bare)
    if family == "flux":
        guided = any(
            name.startswith(("guidance_in.", "time_text_embed.guidance_embedder.")) for name in names
        )
        return "flux.1-dev" if guided else "flux.1-schnell"
    blocks = {
        int(found[1]) for name in names if (found := re.match(r"(?:joint|transformer)_blocks\.(\d+)\.", name))
    }
    if len(blocks) > 30:
        return "sd3.5-large"
    return "sd3.5-medium" if any(".attn2." in name for name in names) else "sd3-medium"
