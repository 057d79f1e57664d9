"""How large the published models are, part by part, counted on the meta device: no weight is made or fetched.

Not here: what a picture or a training takes beside the weights (`finetune.memory.render_memory`,
`finetune.memory.training_memory`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import transformers
from diffusers import AutoencoderKL
from torch import nn

from finetune.backbones import family_of
from finetune.backbones.full_size import FULL_SIZE_TRANSFORMERS, FULL_SIZE_VAE, SHAPED_LIKE, TEXT_ENCODERS
from finetune.json_text import parse_json
from finetune.model_folder import OUR_VAE_KEYS

MICRO_4K = Path(__file__).parents[2] / "assets" / "micro-4k"


@dataclass(frozen=True, slots=True)
class ComponentSize:
    """One part of a pipeline."""

    num_parameters: int
    """Numbers that training can change."""

    num_fixed: int
    """Numbers that its file holds besides, such as SD3's table of positions."""

    def weight_bytes(self, dtype: torch.dtype) -> int:
        """Of all that its file holds, in a floating-point `dtype`; safetensors' header (some kB) is not counted."""
        if not dtype.is_floating_point:
            raise ValueError(
                f"weights are counted in a floating-point dtype, got {dtype}; take torch.bfloat16"
            )
        return (self.num_parameters + self.num_fixed) * dtype.itemsize


def component_sizes(model_id: str) -> Mapping[str, ComponentSize]:
    """Of each part of a catalogue model by its place in the pipeline: transformer, vae, text_encoder...

    An F16 autoencoder has the weights of its F8 one, so one count holds for both.
    Raises ValueError for a model whose shape is not published here; a folder's are `folder_sizes`.
    """
    if model_id == "micro-4k":
        return folder_sizes(MICRO_4K)
    name = SHAPED_LIKE.get(model_id, model_id)
    if name not in FULL_SIZE_TRANSFORMERS:
        known = ", ".join(["micro-4k", *FULL_SIZE_TRANSFORMERS, *SHAPED_LIKE])
        raise ValueError(
            f"the sizes of {model_id!r} are not known; known are {known}, and any folder by folder_sizes"
        )
    return _published_sizes(name)


def folder_sizes(folder: str | Path) -> Mapping[str, ComponentSize]:
    """`component_sizes` of a pipeline folder, by its configs alone; weights need not be there."""
    folder = Path(folder)
    kinds: dict[str, Callable[[Path], nn.Module]] = {
        "transformer": family_of(folder).transformer_class.from_config,
        "vae": AutoencoderKL.from_config,
    }
    index = parse_json((folder / "model_index.json").read_text(encoding="utf-8"))
    sizes = {name: _size_of(_of_config(kind, folder / name)) for name, kind in kinds.items()}
    for name in ("text_encoder", "text_encoder_2", "text_encoder_3"):
        if isinstance(index.get(name), list) and index[name][1] is not None:
            sizes[name] = _size_of(_encoder(index[name][1], folder / name))
    return MappingProxyType(sizes)


@cache
def _published_sizes(name: str) -> Mapping[str, ComponentSize]:
    full = FULL_SIZE_TRANSFORMERS[name]
    sizes = {"transformer": _size_of(full.on_meta())}
    with torch.device("meta"):
        sizes["vae"] = _size_of(AutoencoderKL.from_config(dict(FULL_SIZE_VAE)))
        for place, (kind, config) in TEXT_ENCODERS[full.family].items():
            sizes[place] = _size_of(kind(config))
    return MappingProxyType(sizes)


def _size_of(module: nn.Module) -> ComponentSize:
    """`state_dict` names a tied weight twice and leaves out buffers that no file holds."""
    trained = {id(weight) for weight in module.parameters()}
    fixed = {
        id(tensor): tensor.numel()
        for tensor in module.state_dict(keep_vars=True).values()
        if id(tensor) not in trained
    }
    return ComponentSize(sum(weight.numel() for weight in module.parameters()), sum(fixed.values()))


def _of_config(build: Callable[[Any], nn.Module], folder: Path) -> nn.Module:
    settings = parse_json((folder / "config.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        return build({key: value for key, value in settings.items() if key not in OUR_VAE_KEYS})


def _encoder(class_name: str, folder: Path) -> nn.Module:
    kind = getattr(transformers, class_name)
    with torch.device("meta"):
        made: nn.Module = kind(kind.config_class.from_pretrained(folder))
    return made
