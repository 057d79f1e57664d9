"""Stage `vae`: the decoder of Micro-4K's F16 autoencoder, trained on crops of the bank; its encoder is `codec`.

What a latent cannot hold (48 numbers stand for one) the decoder has to invent with the right strength: beside L1 in
the wavelet domain the loss compares the local energy of every detail band, and late in training a patch
discriminator judges texture. Not here: the F16 change itself (`finetune.backbones.autoencoder`).
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from finetune.backbones.native_dtype import quickest_autocast
from finetune.micro.bank import Entry, entries
from finetune.micro.codec import Cascade, install
from finetune.micro.decoder import begin_decoder
from finetune.micro.training import set_learning_rate, training_device
from finetune.objectives.wavelets import haar_dwt2

# Crop side and batch, drawn each step: GroupNorm sees whole pictures later, so no one size may become its habit.
CROPS_PX = ((128, 12), (192, 6), (320, 2), (448, 1), (768, 1))
PEAK_LEARNING_RATE = 1.0e-3
LATENT_NOISE = 0.05  # of each component's deviation: the transformer will not hit latents better than this
ADVERSARIAL_FROM = 0.55  # share of the budget after which the discriminator joins
FINEST_STRENGTH = (1.0, 1.3, 2.5)  # LH, HL, HH: what 16 numbers for 768 hold least is asked for most
TOTAL_ENERGY = 0.03  # local strengths fit the many faint places; this asks for the strong ones' energy too
# How often a crop comes from a picture of that short side: 4096 px pictures hold the finest texture.
SHARE_OF_SIZE = {768: 0.15, 1024: 0.45, 2048: 0.20, 4096: 0.20}


def new_autoencoder() -> AutoencoderKL:
    """The architecture, untrained, in stock layout: scale factor 8 until `make_f16` doubles it."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(32, 48, 96, 128),
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=8,
        sample_size=1024,
        mid_block_add_attention=False,  # attention over 65,536 latents would cost more than all the rest
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


class Discriminator(nn.Sequential):
    """Judges texture: a field of 22 px, one verdict every 4 px."""

    def __init__(self) -> None:
        widths = (3, 32, 64, 64)
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(itertools.pairwise(widths)):
            stride = 2 if i < 2 else 1
            layers += [
                spectral_norm(nn.Conv2d(before, after, 4 if stride == 2 else 3, stride, 1)),
                nn.LeakyReLU(0.2),
            ]
        super().__init__(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1)))


class AutoencoderStage:
    """Trains the decoder, late in the budget against a discriminator too. The encoder stays as it is."""

    name = "vae"

    def __init__(self, bank: Path, cascade: Cascade, device: torch.device | None = None) -> None:
        self.bank, self.by_size, self.steps_taken = bank, dict[int, list[Entry]](), 0
        self.cascade = cascade
        torch.manual_seed(0)
        self.vae = new_autoencoder()
        self.vae.encoder.conv_in.stride = (2, 2)
        install(cascade, self.vae)
        self.vae.encoder.requires_grad_(False)
        crops = self._crops(torch.Generator().manual_seed(0), size=(256, 40))
        begin_decoder(self.vae.decoder, cascade, crops)
        self.noise = LATENT_NOISE * cascade.encode(crops).std((0, 2, 3), keepdim=True)
        self.discriminator = Discriminator()
        self.device = device or training_device()
        for module in (self.vae, self.discriminator):
            module.to(self.device)
        self.modules: dict[str, nn.Module] = {"vae": self.vae, "discriminator": self.discriminator}
        self.optimizers = {
            "vae": torch.optim.AdamW(
                self.vae.decoder.parameters(), PEAK_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0
            ),
            "discriminator": torch.optim.AdamW(self.discriminator.parameters(), 4e-4, betas=(0.5, 0.95)),
        }

    def step(self, progress: float, generator: torch.Generator) -> dict[str, float]:
        set_learning_rate(self.optimizers["vae"], PEAK_LEARNING_RATE, progress)
        real = self._crops(generator)
        latents = self.cascade.encode(real)
        latents = latents + self.noise * torch.randn(latents.shape, generator=generator)
        real, latents = real.to(self.device), latents.to(self.device)
        with quickest_autocast(self.device):
            made = decode_f16(self.vae, latents.contiguous(memory_format=torch.channels_last))
        made = made.float()
        losses = wavelet_losses(made, real)
        loss = losses["l1"] + losses["energy"]
        values = {key: value.item() for key, value in losses.items()}
        if progress > ADVERSARIAL_FROM:
            values["d_loss"] = self._judge(real, made.detach())
            ramp = min(1.0, (progress - ADVERSARIAL_FROM) / 0.1)
            fooled = -self.discriminator(made).mean()
            loss = loss + 0.02 * ramp * fooled
            values["fooled"] = fooled.item()
        self.optimizers["vae"].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.vae.decoder.parameters(), 1.0)
        self.optimizers["vae"].step()
        values["psnr"] = float(10 * np.log10(4 / F.mse_loss(made.detach(), real).item()))
        return values

    def _judge(self, real: Tensor, made: Tensor) -> float:
        loss = F.relu(1 - self.discriminator(real)).mean() + F.relu(1 + self.discriminator(made)).mean()
        self.optimizers["discriminator"].zero_grad()
        loss.backward()
        self.optimizers["discriminator"].step()
        return float(loss.item())

    def _crops(self, generator: torch.Generator, size: tuple[int, int] | None = None) -> Tensor:
        """(N, 3, side, side) float32 in [-1, 1]."""
        self._look_for_new_pictures()
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        sizes, shares = zip(*((s, p) for s, p in SHARE_OF_SIZE.items() if self.by_size[s]), strict=True)
        side, batch = CROPS_PX[rng.integers(len(CROPS_PX))] if size is None else size
        crops = []
        for _ in range(batch):
            pool = self.by_size[int(rng.choice(sizes, p=np.array(shares) / sum(shares)))]
            pixels = pool[rng.integers(len(pool))].pixels()
            # The lower half holds the texture: look there twice as often.
            top = int(rng.triangular(0, 0.85, 1) * (pixels.shape[0] - side + 1) * 0.9999)
            left = rng.integers(pixels.shape[1] - side + 1)
            crop = np.array(pixels[top : top + side, left : left + side])
            crops.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
        pixels_nchw = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        return pixels_nchw.to(torch.float32).div(127.5).sub(1).contiguous(memory_format=torch.channels_last)

    def _look_for_new_pictures(self) -> None:
        """The bank may still be filling while this stage trains."""
        if self.steps_taken % 200 == 0:
            pictures = entries(self.bank)
            self.by_size = {
                size: [e for e in pictures if min(e.group.width_px, e.group.height_px) == size]
                for size in SHARE_OF_SIZE
            }
        self.steps_taken += 1


def decode_f16(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Decode at twice the stock size by upsampling before `conv_out`: the plain form of the sub-pixel layer.

    latents: (N, 16, h, w), not scaled -> (N, 3, 16 h, 16 w), about [-1, 1].
    """
    decoder = vae.decoder
    x = decoder.mid_block(decoder.conv_in(latents))
    for block in decoder.up_blocks:
        x = block(x)
    x = decoder.conv_act(decoder.conv_norm_out(x))
    return decoder.conv_out(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def wavelet_losses(made: Tensor, real: Tensor) -> dict[str, Tensor]:
    """L1 per Haar level, and L1 between the local strengths of each detail band (8 x 8 windows)."""
    l1 = (made - real).abs().mean()
    energy = made.new_zeros(())
    for level, (sharp, strength) in enumerate(((0.10, 1.0), (0.20, 0.8), (0.25, 0.4))):
        ours, theirs = haar_dwt2(made), haar_dwt2(real)
        gain = 0.5 ** (level + 1)  # the transform doubles a constant at every level
        asked = FINEST_STRENGTH if level == 0 else (1.0, 1.0, 1.0)
        for weight, mine, wanted in zip(asked, ours[1:], theirs[1:], strict=True):
            l1 = l1 + sharp * gain * (mine - wanted).abs().mean()
            energy = energy + weight * strength * gain * (_strength(mine) - _strength(wanted)).abs().mean()
            if level == 0:
                ratio = (mine.square().mean() + 1e-6) / (wanted.square().mean() + 1e-6)
                energy = energy + TOTAL_ENERGY * ratio.log().abs()
        made, real = ours.ll, theirs.ll
    return {"l1": l1 + 1.0 * 0.125 * (made - real).abs().mean(), "energy": energy}


def _strength(band: Tensor) -> Tensor:
    side = min(8, band.shape[-1])
    return (F.avg_pool2d(band.square(), side, side // 2) + 1e-5).sqrt()
