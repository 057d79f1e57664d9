"""The F16 autoencoder: a stock `AutoencoderKL` working at 16 pixels a latent instead of 8.

Two layers change and no weight does. The encoder's first convolution takes stride 2. The decoder's last one
acts on its features enlarged twice (nearest), which `SubPixelConvOut` computes without ever enlarging them:
at 4096 x 4096 the enlarged features would be 128 x 4096 x 4096, 8 GiB in float32.
After Diffusion-4K (arXiv 2503.18352), section 3, "partitioned VAE".

Not here: opening checkpoints (`finetune.backbones.checkpoints`), pixels to latents and back
(`finetune.backbones.decoding`), previews (`finetune.backbones.latent_preview`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar, get_args

import torch
from diffusers import AutoencoderKL, DiffusionPipeline
from torch import Tensor, nn
from torch.nn import functional as F

Alignment = Literal["exact", "reference"]
"""How the decoded picture lies. "exact" is upsample-then-convolve. "reference" is the partitioned decode of
the published code: the same picture one pixel down and right, for checkpoints trained with that shift."""

F8_SCALE_FACTOR, F16_SCALE_FACTOR = 8, 16  # picture pixels per latent, along each axis

PipelineT = TypeVar("PipelineT", bound=DiffusionPipeline)


class SubPixelConvOut(nn.Module):
    """`conv3x3(nearest_x2(features))` computed at the resolution of `features`.

    Along one axis the enlarged rows 2i and 2i + 1 are both source row i. A 3-tap kernel (w0, w1, w2) at
    row 2i thus reads source rows (i - 1, i) with taps (w0, w1 + w2); at row 2i + 1 it reads (i, i + 1) with
    (w0 + w1, w2). Two axes give four 2 x 2 kernels: one convolution of four times the output channels, whose
    results interleave. (As 3 x 3 kernels they would be 5/9 zeros, 1.5 times slower measured on a CPU.)

    The parameters stay the stock 3 x 3 weight and bias under their stock names, and the kernels are folded in
    each call (3 x 128 x 16 numbers at most), so state dicts, dtype and device moves, offloading hooks and
    optimizers see an ordinary `conv_out`.
    """

    def __init__(self, conv: nn.Conv2d, *, alignment: Alignment = "exact") -> None:
        """Take over the parameters of `conv`, 3 x 3 with padding 1 and stride 1."""
        super().__init__()
        if conv.kernel_size != (3, 3) or conv.padding != (1, 1) or conv.stride != (1, 1) or conv.bias is None:
            raise ValueError(f"conv_out must be 3 x 3 with padding 1, stride 1 and a bias, got {conv}")
        self.weight = conv.weight  # (O, C, 3, 3)
        self.bias = conv.bias  # (O,)
        self.alignment: Alignment = alignment

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, 2H, 2W)."""
        height, width = features.shape[-2:]
        taps = F.conv2d(features, self._phase_kernels(), self.bias.repeat_interleave(4), padding=1)
        taps = taps.unflatten(1, (-1, 2, 2))  # (N, O, row phase, column phase, H + 1, W + 1)
        image = taps.new_empty(*taps.shape[:2], 2 * height, 2 * width)
        # taps[..., k, :] reads source rows (k - 1, k): k = i is phase 0 of row i, and k = i + 1 its phase 1.
        # One pixel down, phase 1 of row i - 1 (k = i) lands on row 2i, phase 0 of row i (k = i) on 2i + 1.
        for row in (0, 1):
            for column in (0, 1):
                phase = taps[:, :, row, column]
                if self.alignment == "exact":
                    image[..., row::2, column::2] = phase[..., row : row + height, column : column + width]
                else:
                    image[..., 1 - row :: 2, 1 - column :: 2] = phase[..., :height, :width]
        return image

    def _phase_kernels(self) -> Tensor:
        """(4 O, C, 2, 2), channels ordered (output, row phase, column phase); summed in float32 at least."""
        weight = self.weight.to(torch.promote_types(self.weight.dtype, torch.float32))
        rows = _fold_taps(weight, dim=2)  # (2, O, C, 2, 3)
        kernels = _fold_taps(rows, dim=4)  # (column phase, row phase, O, C, 2, 2)
        return kernels.permute(2, 1, 0, 3, 4, 5).flatten(0, 2).to(self.weight.dtype)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}, alignment={self.alignment!r}"


def make_f16(vae: AutoencoderKL, *, alignment: Alignment | None = None) -> AutoencoderKL:
    """Turn a stock F8 VAE into F16 in place and return it; on an F16 one only the alignment changes.

    `alignment=None` keeps what the config says, "exact" where it says nothing. The config gets `stride: 2`,
    and `f16_alignment` where that is not "exact"; stock diffusers carries both along.
    """
    if alignment is not None and alignment not in get_args(Alignment):
        raise ValueError(f"alignment must be one of {get_args(Alignment)}, got {alignment!r}")
    base_factor = 2 ** (len(vae.config.block_out_channels) - 1)
    if base_factor != F8_SCALE_FACTOR:
        raise ValueError(f"F16 is made from a VAE of scale factor 8 (four blocks), got factor {base_factor}")
    conv_out = vae.decoder.conv_out
    if alignment is None:
        alignment = vae.config.get("f16_alignment", "exact")
    if isinstance(conv_out, SubPixelConvOut):
        conv_out.alignment = alignment
    else:
        vae.encoder.conv_in.stride = (2, 2)
        vae.decoder.conv_out = SubPixelConvOut(conv_out, alignment=alignment)
        # Stock tiling, should anyone switch it on, cuts latents by this number.
        vae.tile_latent_min_size = vae.tile_sample_min_size // F16_SCALE_FACTOR
    vae.register_to_config(stride=2)
    if alignment != vae.config.get("f16_alignment", "exact"):
        vae.register_to_config(f16_alignment=alignment)
    return vae


def is_f16(vae: AutoencoderKL) -> bool:
    """Whether `make_f16` has been here; a config that merely says `stride: 2` is not enough."""
    return isinstance(vae.decoder.conv_out, SubPixelConvOut)


def alignment_of(vae: AutoencoderKL) -> Alignment | None:
    """The alignment of an F16 VAE, None for F8."""
    conv_out = vae.decoder.conv_out
    return conv_out.alignment if isinstance(conv_out, SubPixelConvOut) else None


def vae_scale_factor(vae: AutoencoderKL) -> int:
    """Picture pixels per latent along each axis."""
    factor: int = 2 ** (len(vae.config.block_out_channels) - 1)
    return 2 * factor if is_f16(vae) else factor


def use_f16(pipeline: PipelineT, alignment: Alignment | None = None) -> PipelineT:
    """Turn an opened stock SD3 or Flux pipeline into F16 in place and return it.

    Sets the VAE's two layers and the two things that the pipelines of diffusers derive from its scale factor
    when they are built: `vae_scale_factor` and the divisor of `image_processor` (the factor itself for SD3,
    twice that for Flux). Without height and width a pipeline then draws twice the size it did.
    """
    for needed in ("vae", "vae_scale_factor", "image_processor"):
        if getattr(pipeline, needed, None) is None:
            kind = type(pipeline).__name__
            raise ValueError(
                f"use_f16 wants an SD3 or Flux pipeline with a VAE, got a {kind} without {needed}"
            )
    make_f16(pipeline.vae, alignment=alignment)
    processor = pipeline.image_processor
    divisor_per_factor = processor.config.vae_scale_factor // pipeline.vae_scale_factor
    pipeline.vae_scale_factor = F16_SCALE_FACTOR
    pipeline.image_processor = type(processor).from_config(
        processor.config, vae_scale_factor=F16_SCALE_FACTOR * divisor_per_factor
    )
    return pipeline


def save_f16(vae: AutoencoderKL, folder: str | Path) -> None:
    """Write an F16 VAE as safetensors that stock `AutoencoderKL.from_pretrained` opens.

    The weights have the stock names and shapes; the config's extra key `stride: 2` is what tells
    `finetune.backbones.checkpoints.load_autoencoder` to make it F16 again. Stock code logs that it ignores that key.
    """
    if not is_f16(vae):
        raise ValueError("the VAE is F8; call make_f16(vae) before save_f16(vae, folder)")
    vae.save_pretrained(str(folder), safe_serialization=True)


def _fold_taps(kernel: Tensor, *, dim: int) -> Tensor:
    """Fold the 3 taps along `dim` into 2 for each phase: (..., 3, ...) -> (2, ..., 2, ...)."""
    first, middle, last = kernel.unbind(dim)
    even = torch.stack([first, middle + last], dim)
    odd = torch.stack([first + middle, last], dim)
    return torch.stack([even, odd])
