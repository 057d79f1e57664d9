"""Footprints of models: read where they are known, measured on the meta device where they are not.

Catalogue models are measured once, their footprints lie in `assets/footprints.json`; a folder's is kept in the studio's
home after its first opening. Reading needs no torch; measuring does, and takes a second or two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from finetune.json_text import parse_json
from finetune.model_folder import read_json
from finetune.weight_files import num_values
from studio.home.disk import whole_file
from studio.home.settings import ROOT
from studio.memory_rungs import Footprint, Line
from studio.models.catalogue import ModelEntry
from studio.models.lookup import cached_folder

CATALOGUE_FILE = ROOT / "assets" / "footprints.json"
KEPT_IN = "footprints"  # a folder of the home
_SIDES_PX = (1024, 2048, 4096)


def footprint_of(entry: ModelEntry, home: Path) -> Footprint | None:
    """What is known of a model without opening it; None for a model that was never opened here."""
    if entry.id in (known := _of_catalogue()):
        return known[entry.id]
    try:
        return Footprint.from_dict(parse_json(_kept_at(entry, home).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None  # never opened, or written by another version: measured again at its next opening


def learn_footprint(entry: ModelEntry, home: Path) -> Footprint:
    """`footprint_of`, measured and kept if it is not known. The model's files must be here."""
    found = footprint_of(entry, home)
    if found is None:
        found = footprint_of_folder(_folder(entry), f16=entry.autoencoder == "f16", family=entry.family)
        place = _kept_at(entry, home)
        with whole_file(place) as part:
            part.write_text(json.dumps(found.to_dict()), encoding="utf-8")
    return found


def footprint_of_folder(folder: Path, *, f16: bool, family: str) -> Footprint:
    """Measured from a pipeline folder's configs and the headers of its weight files."""
    index = read_json(folder / "model_index.json")
    encoders = {
        name: (index[name][1], folder / name)
        for name in ("text_encoder", "text_encoder_2", "text_encoder_3")
        if isinstance(index.get(name), list) and index[name][0] is not None
    }
    weights = {name: 2 * num_values(folder / name) for name in ("transformer", "vae", *encoders)}
    return measured_footprint(
        weights=weights,
        family=family,
        transformer_settings=read_json(folder / "transformer" / "config.json"),
        autoencoder_settings=read_json(folder / "vae" / "config.json"),
        f16=f16,
        encode=max((_encode_bytes(*encoder) for encoder in encoders.values()), default=0),
    )


def measured_footprint(
    *,
    weights: Mapping[str, int],
    family: Any,
    transformer_settings: Mapping[str, Any],
    autoencoder_settings: Mapping[str, Any],
    f16: bool,
    encode: int,
) -> Footprint:
    """Draw the lines through sizes that the model reaches, counted on the meta device."""
    from finetune.memory.render_memory import (
        decode_bytes,
        denoise_bytes,
        hollow_autoencoder,
        largest_block_bytes,
        step_flops,
    )
    from finetune.memory.training_memory import TEXT_TOKENS, hollow_transformer

    transformer = hollow_transformer(family, transformer_settings)
    vae = hollow_autoencoder(autoencoder_settings, f16=f16)
    factor = 2 ** (len(vae.config.block_out_channels) - 1) * (2 if f16 else 1)
    reach = _reach_px(transformer, factor)
    sides = [side for side in _SIDES_PX if side <= reach] or [reach]
    sides = sides if len(sides) > 1 else [sides[0] // 2, sides[0]]
    shapes = [(vae.config.latent_channels, side // factor, side // factor) for side in (sides[0], sides[-1])]
    pixels = [side * side for side in (sides[0], sides[-1])]
    tokens = TEXT_TOKENS[family]

    def denoise(guided: bool) -> Line:
        return _line(
            pixels, [denoise_bytes(transformer, family, s, text_tokens=tokens, guided=guided) for s in shapes]
        )

    flops = [step_flops(transformer, family, s, text_tokens=tokens) for s in shapes]
    block = largest_block_bytes(transformer)
    # f = a p + b p^2, through both; what the prompt's tokens cost is small beside and goes into a.
    squared = (flops[1] / pixels[1] - flops[0] / pixels[0]) / (pixels[1] - pixels[0])
    return Footprint(
        weights=weights,
        encode=encode,
        denoise=denoise(False),
        denoise_guided=denoise(True) if family == "sd3" else denoise(False),
        decode=_line(pixels, [decode_bytes(vae, shape) for shape in shapes]),
        group=block,
        flops_per_pixel=flops[1] / pixels[1] - squared * pixels[1],
        flops_per_pixel_squared=squared,
    )


def _line(pixels: list[int], sizes: list[int]) -> Line:
    slope = (sizes[1] - sizes[0]) / (pixels[1] - pixels[0])
    return Line(fixed=sizes[0] - slope * pixels[0], per_pixel=slope)


def _reach_px(transformer: Any, factor: int) -> int:
    table = transformer.config.get("pos_embed_max_size")
    return _SIDES_PX[-1] if table is None else int(table * transformer.config.patch_size * factor)


def _encode_bytes(class_name: str, folder: Path) -> int:
    """Of one text encoder that reads its longest prompt."""
    import torch
    import transformers

    from finetune.memory.live_memory import peak_live_bytes

    kind = getattr(transformers, class_name)
    config = kind.config_class.from_pretrained(folder)
    length = getattr(config, "max_position_embeddings", 512)
    with torch.device("meta"):
        model = kind(config).to(torch.bfloat16)
        ids = torch.zeros(1, length, dtype=torch.long)
    return peak_live_bytes(lambda: model(ids))


@cache
def _of_catalogue() -> Mapping[str, Footprint]:
    listed = parse_json(CATALOGUE_FILE.read_text(encoding="utf-8"))
    return {name: Footprint.from_dict(values) for name, values in listed.items()}


def _kept_at(entry: ModelEntry, home: Path) -> Path:
    """By place, kind of VAE and configs: a folder that was changed is another model."""
    folder = _folder(entry) if entry.folder is not None or cached_folder(entry.source) else None
    configs = (
        b"" if folder is None else b"".join(p.read_bytes() for p in sorted(folder.glob("*/config.json")))
    )
    name = hashlib.sha256(f"{entry.source} {entry.autoencoder} ".encode() + configs).hexdigest()[:16]
    return home / KEPT_IN / f"{name}.json"


def _folder(entry: ModelEntry) -> Path:
    folder = entry.folder if entry.folder is not None else cached_folder(entry.source)
    if folder is None:
        raise ValueError(f"{entry.title} is not on this machine yet; download it first")
    return folder
