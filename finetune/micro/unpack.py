"""Stage `unpack`, on request: the exported pipeline becomes a work folder's checkpoints again, to go on from.

Weights come back as fp16 held them; optimizers begin anew. The inverse of `export` and of `codec.install`. Latents of
another scale than the recipe's (`codec.ENERGY_EXPONENT`) are brought to it: exactly in encoder and decoder, while the
transformer, which knows the old ones, is left out and begins anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from torch import nn
from transformers import CLIPModel, CLIPTokenizer

from finetune.micro.codec import ENERGY_EXPONENT, KEPT, Cascade, install


def unpack(pipeline: Path, work: Path) -> None:
    """Write codec, tokenizer and the checkpoints of `vae`, `clip` and, unless its latents' scale changes, `dit`.

    Raises:
        ValueError: `work` has checkpoints of its own, which would be lost.
    """
    names = ("codec.safetensors", "vae.pt", "clip.pt", "dit.pt")
    if there := [name for name in names if (work / name).exists()]:
        raise ValueError(f"{work} already holds {', '.join(there)}; name an empty folder with --work")
    work.mkdir(parents=True, exist_ok=True)
    vae = AutoencoderKL.from_pretrained(pipeline / "vae", torch_dtype=torch.float32)
    cascade = cascade_of(vae)
    exponent = float(getattr(vae.config, "latent_energy_exponent", 0.0))  # weights of before had all alike
    if exponent != ENERGY_EXPONENT:
        cascade = rescale(cascade, vae, exponent, ENERGY_EXPONENT)
    cascade.save(work / "codec.safetensors")
    clip_folder = pipeline.with_name(f"{pipeline.name}-clip")
    CLIPTokenizer.from_pretrained(clip_folder).save_pretrained(work / "tokenizer")
    _save(work / "clip.pt", clip=CLIPModel.from_pretrained(clip_folder, torch_dtype=torch.float32))
    _save(work / "vae.pt", vae=vae)
    if exponent != ENERGY_EXPONENT:
        return
    transformer = SD3Transformer2DModel.from_pretrained(pipeline / "transformer", torch_dtype=torch.float32)
    _save(work / "dit.pt", model=transformer, ema=transformer)


@torch.no_grad()
def cascade_of(vae: AutoencoderKL) -> Cascade:
    """Read the cascade back from the strided convolutions that `codec.install` wrote it into."""
    encoder: Any = vae.encoder
    maps, before = [], 12
    for block, kept in zip(encoder.down_blocks[:3], KEPT, strict=True):
        # Columns are (channel, row, column), as pixel_unshuffle lays them out.
        weight = block.downsamplers[0].conv.weight[:kept, :before, :2, :2]
        maps.append(weight.reshape(kept, 4 * before).clone())
        before = kept
    offset = -encoder.down_blocks[2].downsamplers[0].conv.bias[: KEPT[-1]].clone()
    return Cascade((maps[0], maps[1], maps[2]), offset)


@torch.no_grad()
def rescale(cascade: Cascade, vae: AutoencoderKL, before: float, after: float) -> Cascade:
    """Latents with another energy exponent: returns their cascade, and writes it and its inverse into `vae`.

    A row of the last map is an eigenvector times (d / d_1) ** before / d, with the component's deviation d: its length
    tells d, and both deviations tell the factor (d / d_1) ** (after - before).
    """
    lengths = cascade.maps[2].norm(dim=1)
    ratios = (lengths / lengths[0]) ** (1 / (before - 1))
    factors = ratios ** (after - before)
    first, second, last = cascade.maps
    scaled = Cascade((first, second, last * factors[:, None]), cascade.offset * factors)
    install(scaled, vae)
    vae.decoder.conv_in.weight.div_(factors[:, None, None])
    return scaled


def _save(path: Path, **modules: nn.Module) -> None:
    weights = {name: module.state_dict() for name, module in modules.items()}
    torch.save({"step": 0, "spent_s": 0.0, "modules": weights, "optimizers": {}}, path)
