"""LoRA files: saving ours so that stock diffusers loads them, and reading anybody's for SD3 and Flux.

A file of ours is diffusers' own format, with alpha / rank multiplied into the weights: whoever reads it, whether or not
it looks for an alpha, draws the same. Foreign files may be diffusers', kohya's, ComfyUI's or OneTrainer's.
Not here: which key belongs where (`finetune.lora.matching`), melting one into a model (`finetune.lora.merge`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from finetune.backbones import FamilyName
from finetune.lora.keys import LowRank, fuse, original_layers, underscored
from finetune.lora.matching import MatchReport, Shapes, match
from finetune.whole_files import whole_file

FILE_NAME = "pytorch_lora_weights.safetensors"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA, matched to a model."""

    pairs: Mapping[str, LowRank]
    """Diffusers' layer name -> its update."""

    metadata: Mapping[str, str]
    """Of the file's header."""

    report: MatchReport


def save_adapter(
    transformer: nn.Module,
    folder: Path,
    *,
    family: FamilyName,
    metadata: Mapping[str, str],
    adapter_name: str | None = None,
) -> Path:
    """Write a peft LoRA of a diffusers transformer to `folder`; returns the file.

    `metadata` goes into the file's header beside family and rank. `adapter_name=None` takes the only one.
    Raises ValueError where there is none, more than one, a DoRA, or NaN among the weights.
    """
    pairs: dict[str, LowRank] = {}
    for name, module in transformer.named_modules():
        if isinstance(module, LoraLayer) and len(module.lora_A):
            pair = _pair(name, module, adapter_name)
            if pair is not None:
                pairs[name.removeprefix("module.").removeprefix("base_model.model.")] = pair
    if not pairs:
        raise ValueError("the transformer has no LoRA layers to save; add an adapter first")
    ranks = sorted({pair.down.shape[0] for pair in pairs.values()})
    about = {"rank": "/".join(map(str, ranks)), "family": family, **metadata}
    return write_adapter(folder / FILE_NAME, diffusers_state(pairs), about)


def diffusers_state(pairs: Mapping[str, LowRank]) -> dict[str, Tensor]:
    """What stock `load_lora_weights` takes."""
    state = {}
    for name, pair in pairs.items():
        state[f"transformer.{name}.lora_A.weight"] = pair.down
        state[f"transformer.{name}.lora_B.weight"] = pair.up
    return state


def kohya_state(pairs: Mapping[str, LowRank], *, family: FamilyName, shapes: Shapes) -> dict[str, Tensor]:
    """What ComfyUI, Forge and kohya's scripts read: `lora_unet_...`, fused layers, an alpha for each.

    Raises ValueError for a layer that the original code does not have.
    """
    state: dict[str, Tensor] = {}
    layers = original_layers(family, list(shapes))
    if nameless := sorted(pairs.keys() - {part for layer in layers for part in layer.parts}):
        raise ValueError(f"{nameless[0]} has no name in the original {family} code; export it as diffusers")
    for layer in layers:
        pair = fuse(layer, pairs)
        if pair is not None:
            key = f"lora_unet_{underscored(layer.name)}"
            state[f"{key}.lora_down.weight"], state[f"{key}.lora_up.weight"] = pair
            state[f"{key}.alpha"] = torch.tensor(float(pair.down.shape[0]))
    return state


def write_adapter(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Path:
    """Write a LoRA file, whole or not at all."""
    # Copies: the format refuses tensors that share memory.
    tensors = {key: tensor.detach().cpu().clone().contiguous() for key, tensor in state.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            save_file(tensors, part, {**metadata, "format": "pt"})
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} cannot be written ({error}); free some space or check rights") from error
    return path


def read_adapter(path: Path, *, family: FamilyName, shapes: Shapes) -> Adapter:
    """Read a LoRA file and match it to a model's layers.

    Args:
        shapes: Of the model's layers: `layer_shapes` of an opened transformer, `merge.folder_shapes` of a folder.

    Raises:
        ValueError: no readable safetensors file. A file that fits nowhere gives an adapter without layers.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = {key: file.get_tensor(key) for key in sorted(file.keys())}
            header = file.metadata()
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; it was moved or deleted") from error
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path.name} is no readable safetensors file ({error}); copy it again") from error
    metadata = {} if header is None else dict(header)
    pairs, report = match(state, metadata, family=family, shapes=shapes)
    return Adapter(pairs, metadata, report)


def layer_shapes(transformer: nn.Module) -> dict[str, tuple[int, ...]]:
    """Layers that a LoRA can be put on, also where one lies on them already."""
    return {
        name.removesuffix(".base_layer"): tuple(module.weight.shape)
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and ".lora_" not in name
    }


def _pair(name: str, module: LoraLayer, adapter_name: str | None) -> LowRank | None:
    given = list(module.lora_A)
    if adapter_name is None and len(given) > 1:
        raise ValueError(f"the transformer has the adapters {', '.join(given)}; say which one is to be saved")
    chosen = given[0] if adapter_name is None else adapter_name
    if chosen not in given:
        return None
    if dict(module.use_dora).get(chosen):
        raise ValueError("DoRA has no place in diffusers' LoRA files; train with use_dora=False")
    layers: tuple[nn.Module, nn.Module] = (module.lora_A[chosen], module.lora_B[chosen])
    down, up = (layer.get_parameter("weight").detach() for layer in layers)
    if not (torch.isfinite(down).all() and torch.isfinite(up).all()):
        raise ValueError(f"the adapter holds NaN or infinity in {name}; go back to an earlier checkpoint")
    return LowRank(down, up * module.scaling[chosen])
