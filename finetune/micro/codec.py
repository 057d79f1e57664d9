"""The encoder of Micro-4K in closed form: a cascade of principal components, written into stock encoder weights.

Sixteen numbers for 16 x 16 pixels: the best linear ones are known without any training, come out uncorrelated with
mean 0, and leave all of the training time to the decoder and the transformer. Their scale follows their energy, with
the exponent `ENERGY_EXPONENT`: the first has variance 1, fainter ones less. Were all made equal, fourteen sixteenths
of a flow model's loss would be grain that cannot be predicted. `fit` measures the cascade on the bank; `install` puts
it into a stock `Encoder` exactly:

- residual blocks become identities (their last convolution is zero), strided convolutions carry the cascade;
- before the last SiLU each component stands twice, as +y and -y, and silu(y) - silu(-y) = y;
- constant channels of +-PIN fill each group of the last GroupNorm, so that it divides by a constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from finetune.micro.bank import Entry

# Components kept after 4 x 4, 8 x 8 and 16 x 16 pixels; after 2 x 2 all twelve are.
KEPT = (28, 44, 16)
PIN = 50.0
LOG_VARIANCE = -12.0  # of the posterior: as good as none
ENERGY_EXPONENT = 0.5
"""A component of standard deviation d, where the first has d_1, comes out with (d / d_1) ** ENERGY_EXPONENT."""
_CROP_PX, _CROPS = 512, 3


@dataclass(frozen=True, slots=True)
class Cascade:
    """Three linear maps, each from the four neighbours' channels to fewer: (kept, 4 * before), and a last offset."""

    maps: tuple[Tensor, Tensor, Tensor]
    offset: Tensor  # (16,), subtracted after the last map

    def encode(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1], sides multiples of 16 -> (N, 16, H/16, W/16)."""
        x = F.pixel_unshuffle(pixels, 2)
        for matrix in self.maps:
            x = F.conv2d(F.pixel_unshuffle(x, 2), matrix[:, :, None, None])
        return x - self.offset[:, None, None]

    def save(self, path: Path) -> None:
        save_file(
            {f"map_{i}": m.contiguous() for i, m in enumerate(self.maps)} | {"offset": self.offset}, path
        )

    @classmethod
    def load(cls, path: Path) -> Cascade:
        if not path.exists():
            raise ValueError(
                f"{path} is missing; run its stage first: python -m finetune.micro --stage codec"
            )
        tensors = load_file(path)
        return cls((tensors["map_0"], tensors["map_1"], tensors["map_2"]), tensors["offset"])


def fitting_pictures(pictures: list[Entry]) -> list[Entry]:
    """Of any land: a fifth of the pictures of about 1024 px; the larger, rarer ones repeated, for their finer grain."""
    weights = {768: 1, 1024: 1, 2048: 2, 4096: 5}
    pictures = [e for e in pictures if not e.group.known]
    chosen = [e for i, e in enumerate(e for e in pictures if e.group.width_px in (768, 1024)) if i % 5 == 0]
    chosen += [e for e in pictures if e.group.width_px > 1024]
    return [e for e in chosen for _ in range(weights[e.group.width_px])]


def fit(pictures: list[Entry]) -> Cascade:
    """Measure the cascade on crops of the bank: principal components level by level, the last ones scaled."""
    rng = np.random.default_rng(0)
    crops = []
    for entry in pictures:
        pixels = entry.pixels()
        if min(pixels.shape[:2]) < _CROP_PX:
            continue
        for _ in range(_CROPS):
            top, left = (rng.integers(0, side - _CROP_PX + 1) for side in pixels.shape[:2])
            crops.append(np.array(pixels[top : top + _CROP_PX, left : left + _CROP_PX]))
    features = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    features = F.pixel_unshuffle(features, 2)
    maps, offset = [], torch.zeros(KEPT[-1])
    for level, kept in enumerate(KEPT):
        features = F.pixel_unshuffle(features, 2)
        samples = features[:, :, :: 2 if level == 0 else 1, :: 2 if level == 0 else 1]
        flat = samples.permute(0, 2, 3, 1).flatten(0, 2).double()
        mean = flat.mean(0)
        variances, vectors = torch.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
        matrix = vectors.flip(1)[:, :kept].T
        if level == len(KEPT) - 1:
            deviations = variances.flip(0)[:kept].sqrt()
            matrix = matrix * ((deviations / deviations[0]) ** ENERGY_EXPONENT / deviations)[:, None]
            offset = (matrix @ mean).float()
        maps.append(matrix.float())
        features = F.conv2d(features, maps[-1][:, :, None, None])
    return Cascade((maps[0], maps[1], maps[2]), offset)


@torch.no_grad()
def install(cascade: Cascade, vae: AutoencoderKL) -> None:
    """Write the cascade into `vae.encoder`, whose `conv_in` must have stride 2."""
    encoder: Any = vae.encoder
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.zero_()
            assert module.bias is not None
            module.bias.zero_()
    for channel in range(
        12
    ):  # pixels to channels: taps 1 and 2 of a padded stride-2 kernel are the block's own
        colour, row, column = channel // 4, channel // 2 % 2, channel % 2
        encoder.conv_in.weight[channel, colour, 1 + row, 1 + column] = 1
    for block, matrix in zip(encoder.down_blocks[:3], cascade.maps, strict=True):
        conv = block.downsamplers[0].conv
        for source in range(matrix.shape[1]):
            channel, row, column = source // 4, source // 2 % 2, source % 2
            conv.weight[: len(matrix), channel, row, column] = matrix[:, source]
    encoder.down_blocks[2].downsamplers[0].conv.bias[: len(cascade.offset)] = -cascade.offset
    for block in encoder.down_blocks[1:3]:
        shortcut = block.resnets[0].conv_shortcut
        for channel in range(shortcut.in_channels):
            shortcut.weight[channel, channel] = 1
    _split_signs(encoder)


def _split_signs(encoder: Any) -> None:
    """+y, -y and the pins into the last norm's groups; y out of the last convolution."""
    shortcut, norm, conv_out = (
        encoder.down_blocks[3].resnets[0].conv_shortcut,
        encoder.conv_norm_out,
        encoder.conv_out,
    )
    size = norm.num_channels // norm.num_groups
    per_group = KEPT[-1] // norm.num_groups
    pins = size - 2 * per_group
    for component in range(KEPT[-1]):
        first = component // per_group * size + 2 * (component % per_group)
        shortcut.weight[first, component], shortcut.weight[first + 1, component] = 1, -1
        conv_out.weight[component, first, 1, 1], conv_out.weight[component, first + 1, 1, 1] = 1, -1
    for group in range(norm.num_groups):
        for i in range(pins):
            shortcut.bias[group * size + 2 * per_group + i] = PIN if i % 2 == 0 else -PIN
    norm.weight.fill_(PIN * (pins / size) ** 0.5)
    norm.bias.zero_()
    conv_out.bias[KEPT[-1] :] = LOG_VARIANCE
