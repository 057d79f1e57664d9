"""Which layer of a model each key of a LoRA file belongs to, whoever wrote the file.

Nothing is dropped in silence: a key that changes no layer is reported with the reason.
Not here: the original code's names (`finetune.lora.keys`), files (`finetune.lora.files`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from finetune.backbones import FamilyName
from finetune.json_text import parse_json
from finetune.lora.keys import LowRank, OriginalLayer, original_layers, split, underscored

Shapes = Mapping[str, tuple[int, ...]]
"""Layer name in diffusers -> shape of its weight."""

_DOWN = (".lora_down.weight", ".lora_A.weight", ".lora_A.default.weight", ".lora.down.weight")
_UP = (".lora_up.weight", ".lora_B.weight", ".lora_B.default.weight", ".lora.up.weight")
_ALPHA = ".alpha"
_PREFIXES = ("transformer.", "diffusion_model.", "base_model.model.", "lora_unet_", "lora_transformer_", "")
_TEXT_ENCODERS = ("lora_te", "text_encoder")
_DIFFUSERS_CONFIG = "lora_adapter_metadata"


@dataclass(frozen=True, slots=True)
class MatchReport:
    """How a LoRA file fits one model."""

    num_matched: int
    """Layers of the model that it changes."""

    ranks: tuple[int, ...]
    """Ranks that occur, ascending."""

    unmatched: Mapping[str, str]
    """Key in the file -> one sentence why it is not used."""

    def words(self) -> str:
        """One line for people."""
        fits = (
            f"{self.num_matched} layers of rank {'/'.join(map(str, self.ranks))}"
            if self.num_matched
            else "no layer fits"
        )
        return (
            f"{fits}; {len(self.unmatched)} keys are not used"
            if self.unmatched
            else f"{fits}; every key is used"
        )


def match(
    state: Mapping[str, Tensor], metadata: Mapping[str, str], *, family: FamilyName, shapes: Shapes
) -> tuple[dict[str, LowRank], MatchReport]:
    """Bring the weights of any known format to diffusers' layers, alpha / rank multiplied in.

    Args:
        state: As it stands in the file.
        metadata: Of the file's header; diffusers keeps its alphas there.
        shapes: Of all the model's layers.
    """
    homes, config = _homes(family, shapes), _peft_config(metadata)
    pairs: dict[str, LowRank] = {}
    unmatched: dict[str, str] = {}
    ups = {_base(key, _UP): key for key in state if _base(key, _UP) is not None}
    used: set[str] = set()
    for down_key in state:
        base = _base(down_key, _DOWN)
        if base is None:
            continue
        keys = {down_key, ups.get(base, down_key)} | ({f"{base}{_ALPHA}"} & state.keys())
        found = _fitted(base, ups.get(base), down_key, state, homes, shapes, config)
        if isinstance(found, str):
            unmatched |= dict.fromkeys(sorted(keys), found)
        else:
            pairs |= found
        used |= keys
    unmatched |= {key: _why_unknown(key, key in ups.values()) for key in state if key not in used}
    ranks = tuple(sorted({pair.down.shape[0] for pair in pairs.values()}))
    return pairs, MatchReport(len(pairs), ranks, unmatched)


def _fitted(
    base: str,
    up_key: str | None,
    down_key: str,
    state: Mapping[str, Tensor],
    homes: Mapping[str, OriginalLayer],
    shapes: Shapes,
    config: Mapping[str, Any],
) -> dict[str, LowRank] | str:
    """The updates of one pair of keys, or why it cannot be used."""
    if up_key is None:
        return "Its other half is not in the file."
    layer = _home(base, homes)
    if layer is None:
        return (
            "It belongs to a text encoder."
            if base.startswith(_TEXT_ENCODERS)
            else "The model has no such layer."
        )
    down, up = state[down_key], state[up_key]
    rank = down.shape[0]
    if up.ndim < 2 or up.shape[1] != rank:
        return f"Its halves disagree on the rank: {tuple(down.shape)} and {tuple(up.shape)}."
    scale = _scale(base, state, config, rank)
    try:
        found = split(layer, LowRank(down, up if scale == 1 else up * scale))
    except ValueError as error:
        return f"{error}."
    for name, pair in found.items():
        has = (pair.up.shape[0], *pair.down.shape[1:])
        if name not in shapes:
            return "The model has no such layer."
        if has != shapes[name]:
            return f"Its shape {has} is not the layer's {shapes[name]}: it was made for another model."
    return found


def _homes(family: FamilyName, shapes: Shapes) -> dict[str, OriginalLayer]:
    """Every name that a layer goes by. Diffusers' own names win where both codes use one."""
    homes: dict[str, OriginalLayer] = {}
    for layer in original_layers(family, list(shapes)):
        homes |= {layer.name: layer, underscored(layer.name): layer}
    for name in shapes:
        homes |= dict.fromkeys((name, underscored(name)), OriginalLayer(name, (name,)))
    return homes


def _home(base: str, homes: Mapping[str, OriginalLayer]) -> OriginalLayer | None:
    for prefix in _PREFIXES:
        if base.startswith(prefix) and base.removeprefix(prefix) in homes:
            return homes[base.removeprefix(prefix)]
    return None


def _base(key: str, suffixes: tuple[str, ...]) -> str | None:
    return next((key.removesuffix(suffix) for suffix in suffixes if key.endswith(suffix)), None)


def _scale(base: str, state: Mapping[str, Tensor], config: Mapping[str, Any], rank: int) -> float:
    """What the update is multiplied by: alpha / rank from the file's tensors or its header, 1 where neither says."""
    if f"{base}{_ALPHA}" in state:
        return float(state[f"{base}{_ALPHA}"]) / rank
    if not config:
        return 1.0
    name = base.removeprefix("transformer.")
    alpha = float(config.get("alpha_pattern", {}).get(name, config["lora_alpha"]))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _peft_config(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The peft configuration of the transformer that diffusers writes into the header; empty where there is none."""
    try:
        config = parse_json(metadata.get(_DIFFUSERS_CONFIG, "{}"))
    except ValueError:
        return {}
    if not isinstance(config, dict):
        return {}
    ours = {k.removeprefix("transformer."): v for k, v in config.items() if k.startswith("transformer.")}
    return ours if "lora_alpha" in ours else {}


def _why_unknown(key: str, is_up: bool) -> str:
    if is_up:
        return "Its other half is not in the file."
    if key.endswith(_ALPHA):
        return "No weights go with it."
    for mark, kind in {"lokr_": "LoKr", "hada_": "LoHa", "dora_scale": "DoRA", "oft_": "OFT"}.items():
        if mark in key:
            return f"It is a {kind}, which is not read here; convert it to a LoRA."
    return "It is no LoRA weight that is known here."
