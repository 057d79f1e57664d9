"""The decoder's beginning in closed form: least squares, level by level, undoes what the encoder's cascade did.

A stock decoder enlarges (nearest) and convolves; the best such linear chain is found on the bank and written into the
first channels of its residual stream, past every norm but the last, where +y and -y and constant channels make norm
and SiLU transparent, as in `codec`. All other channels begin as usual and the residual branches silent: training
starts from a sharp linear picture instead of grey.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finetune.micro.codec import KEPT, Cascade

PIN = 12.0


@torch.no_grad()
def begin_decoder(decoder: Any, cascade: Cascade, pixels: Tensor) -> None:
    """Write the linear chain into `decoder`, fitted on `pixels`, (N, 3, H, W) in [-1, 1]."""
    for block in (decoder.mid_block, *decoder.up_blocks):
        for resnet in block.resnets:
            resnet.conv2.weight.zero_()
            resnet.conv2.bias.zero_()
    width = KEPT[-1]
    decoder.conv_in.weight[:width] = 0
    nn.init.dirac_(decoder.conv_in.weight[:width])
    decoder.conv_in.bias[:width] = 0
    levels = _levels(cascade, pixels)
    features = levels[0]
    for block, target in zip(decoder.up_blocks[:3], levels[1:], strict=True):
        conv = block.upsamplers[0].conv
        nn.init.dirac_(conv.weight)
        conv.bias.zero_()
        features = F.interpolate(features, scale_factor=2.0, mode="nearest")
        kernel, bias = _fit(features, target)
        kept = len(kernel)
        conv.weight[:kept] = 0
        conv.weight[:kept, : features.shape[1]] = kernel
        conv.bias[:kept] = bias
        features = F.conv2d(features, kernel, bias, padding=1)
    for block, kept in zip(decoder.up_blocks[1:3], (KEPT[1], KEPT[0]), strict=True):
        shortcut = block.resnets[0].conv_shortcut
        shortcut.weight[:kept] = 0
        nn.init.dirac_(shortcut.weight[:kept])
        shortcut.bias[:kept] = 0
    _open_the_end(decoder, features, pixels)


def _levels(cascade: Cascade, pixels: Tensor) -> list[Tensor]:
    """The cascade's features, coarsest first: 16 at 1/16, 44 at 1/8, 28 at 1/4, 12 at 1/2."""
    features = [F.pixel_unshuffle(pixels, 2)]
    for matrix in cascade.maps:
        features.append(F.conv2d(F.pixel_unshuffle(features[-1], 2), matrix[:, :, None, None]))
    features[-1] = features[-1] - cascade.offset[:, None, None]
    return features[::-1]


def _open_the_end(decoder: Any, features: Tensor, pixels: Tensor) -> None:
    """Twelve features as +- pairs and a pin in each group, through norm and SiLU, to pixels."""
    norm, (first, second) = decoder.conv_norm_out, decoder.up_blocks[-1].resnets
    size = norm.num_channels // norm.num_groups
    pins = torch.arange(size - 1, norm.num_channels, size)
    free = [channel for channel in range(norm.num_channels) if channel % size != size - 1]
    kernel, bias = _fit(F.interpolate(features, scale_factor=2.0, mode="nearest"), pixels)
    first.conv_shortcut.weight.zero_()
    first.conv_shortcut.bias.zero_()
    decoder.conv_out.weight.zero_()
    for component in range(features.shape[1]):
        plus, minus = free[2 * component], free[2 * component + 1]
        first.conv_shortcut.weight[plus, component] = 1
        first.conv_shortcut.weight[minus, component] = -1
        decoder.conv_out.weight[:, plus] = kernel[:, component]
        decoder.conv_out.weight[:, minus] = -kernel[:, component]
    decoder.conv_out.bias.copy_(bias)
    first.conv_shortcut.bias[pins] = PIN
    for conv in (first.conv_shortcut, first.conv2, second.conv2):
        freeze(conv.weight, pins)
        freeze(conv.bias, pins)
    # Each group is three signals and a pin: mean PIN / size, deviation almost that of the pin alone.
    norm.weight.fill_(PIN * (size - 1) ** 0.5 / size)
    norm.bias.fill_(PIN / size)
    freeze(decoder.conv_out.weight, (slice(None), pins))


def freeze(parameter: nn.Parameter, where: Any) -> None:
    """No gradient for part of a parameter."""
    kept = torch.ones_like(parameter)
    kept[where] = 0
    parameter.register_hook(lambda gradient: gradient * kept.to(gradient.device))


def _fit(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The 3 x 3 kernel and bias that best makes `target` of `source`, both (N, C, H, W); borders left out."""
    stride = 3 if source.shape[-1] > 128 else 1  # fewer samples are plenty where there are many pixels
    rows = F.unfold(source, 3, stride=stride).transpose(1, 2).flatten(0, 1).double()
    wanted = target[:, :, 1:-1:stride, 1:-1:stride].flatten(2).transpose(1, 2).flatten(0, 1).double()
    rows = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
    gram = rows.T @ rows
    gram.diagonal().add_(
        1e-4 * len(rows)
    )  # enlarged neighbours repeat each other: the smallest kernel of the best
    solution = torch.linalg.solve(gram, rows.T @ wanted).float()
    kernel = solution[:-1].T.reshape(target.shape[1], source.shape[1], 3, 3)
    return kernel, solution[-1]
