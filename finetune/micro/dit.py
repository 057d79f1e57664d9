"""Stage `dit`: Micro-4K's transformer, a small stock `SD3Transformer2DModel`, by flow matching at 512 to 4096 px.

Not here: what it is fed (`diets`), first weights (`copying`), captions, latents, the pipeline folder (`export`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPModel, CLIPTokenizer

from finetune.backbones.native_dtype import quickest_autocast
from finetune.backbones.sd3 import BLANK_TOKENS
from finetune.micro.captions import caption
from finetune.micro.copying import begin_by_copying, cosine_coefficients
from finetune.micro.diets import COARSE_UNTIL, DIETS, Diet
from finetune.micro.latents import LatentFile
from finetune.micro.neighbours import look_at_neighbours
from finetune.micro.training import set_learning_rate, training_device

PATCH, GRID, WIDTH, TEXT_WIDTH = 4, 64, 384, 256
PEAK_LEARNING_RATE = 1.0e-3
EMA_DECAY = (0.99, 0.9985)  # from beginning to end of the budget: an average must not outlive the learning
GPU_BATCHES = 16
"""How many times larger a GPU's batches are: a step of this size waits for launches alone."""
EMPTY_CAPTION = 0.10  # share of captions dropped, for classifier-free guidance
TEXT_TOKENS = 32
"""Of each CLIP: captions fit, and at 512 px the text is as long as half of the picture."""
# How much training leans to noise, as mu from 256 tokens to 4096 tokens.
# A smooth scene shows through white noise until the noise is nearly all there is, the more so the larger it is.
BASE_TOKENS, MAX_TOKENS_IMAGE, BASE_SHIFT, MAX_SHIFT = 256, 4096, math.log(3.0), math.log(12.0)
EVEN_SHARE = 0.3  # of training noise levels drawn evenly: shapes inside a token and fine grain live below 0.4
# With no T5 the pipeline appends blank tokens: few in our calls, 256 in a stock call. Both are trained.
BLANK_TOKENS_STOCK, STOCK_SHARE = 256, 0.06
WINDOW_SIGMA = 0.5  # above this much noise a window cannot know what the whole shows
SHORT_TOKENS = 320


def new_transformer() -> SD3Transformer2DModel:
    return SD3Transformer2DModel(
        sample_size=GRID * PATCH,
        patch_size=PATCH,
        in_channels=16,
        num_layers=4,
        attention_head_dim=64,
        num_attention_heads=WIDTH // 64,
        joint_attention_dim=TEXT_WIDTH,
        caption_projection_dim=WIDTH,
        pooled_projection_dim=TEXT_WIDTH,
        out_channels=16,
        pos_embed_max_size=GRID,
        qk_norm="rms_norm",
    )


def shift_of(num_tokens: int) -> float:
    """How much the noise levels lean to high noise for a picture of so many tokens."""
    slope = (MAX_SHIFT - BASE_SHIFT) / (MAX_TOKENS_IMAGE - BASE_TOKENS)
    return math.exp(BASE_SHIFT + slope * (num_tokens - BASE_TOKENS))


def drawn_sigmas(count: int, shift: float, diet: Diet, generator: torch.Generator) -> Tensor:
    """Logit-normal and shifted as inference is, or even; spread over the batch; (N, 1, 1, 1)."""
    u = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    normal = torch.sigmoid(torch.special.ndtri(u.clamp(1e-4, 1 - 1e-4)))
    shifted = shift * normal / (1 + (shift - 1) * normal)
    even = torch.rand(count, generator=generator) < EVEN_SHARE
    sigma = torch.where(even, u.flip(0), shifted)
    if diet.window:
        sigma = WINDOW_SIGMA * u
    return sigma.view(-1, 1, 1, 1)


class TransformerStage:
    """Trains the transformer on `files` from weights that copy."""

    name = "dit"

    def __init__(
        self,
        files: list[LatentFile],
        clip: CLIPModel,
        tokenizer: CLIPTokenizer,
        device: torch.device | None = None,
    ) -> None:
        torch.manual_seed(0)
        self.model, self.ema = new_transformer(), new_transformer()
        begin_by_copying(self.model, token_variances(files))
        look_at_neighbours(self.model)
        self.ema.load_state_dict(self.model.state_dict())
        self.ema.requires_grad_(False)
        self.device = device or training_device()
        self.crowd = GPU_BATCHES if self.device.type == "cuda" else 1
        self.modules: dict[str, nn.Module] = {"model": self.model, "ema": self.ema}
        for module in (*self.modules.values(), clip):
            module.to(self.device)
        self.optimizers = {
            "model": torch.optim.AdamW(
                self.model.parameters(), PEAK_LEARNING_RATE, betas=(0.9, 0.97), weight_decay=0.01, fused=True
            )
        }
        self.clip, self.tokenizer = clip.eval(), tokenizer
        self.files = {
            diet: [f for f in files if min(f.width_px, f.height_px) in diet.short_side_px] for diet in DIETS
        }

    def step(self, progress: float, generator: torch.Generator) -> dict[str, float]:
        set_learning_rate(self.optimizers["model"], PEAK_LEARNING_RATE, progress)
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        shares = [diet.early if progress < COARSE_UNTIL else diet.late for diet in DIETS]
        shares = [w if self.files[diet] else 0.0 for w, diet in zip(shares, DIETS, strict=True)]
        diet = rng.choices(DIETS, shares)[0]
        latents, files, corner = self._latents(diet, rng)
        blanks = BLANK_TOKENS_STOCK if rng.random() < STOCK_SHARE else BLANK_TOKENS
        words = ["" if rng.random() < EMPTY_CAPTION else caption(file.scene, rng) for file in files]
        tokens, pooled = embed(self.clip, self.tokenizer, words, blanks)
        whole_tokens = files[0].width_px * files[0].height_px // (16 * PATCH) ** 2
        sigma = drawn_sigmas(len(files), shift_of(whole_tokens), diet, generator)
        noise = torch.randn(latents.shape, generator=generator)  # on the CPU: the same on every device
        latents, sigma, noise = (tensor.to(self.device) for tensor in (latents, sigma, noise))
        noisy = (1 - sigma) * latents + sigma * noise
        with quickest_autocast(self.device), placed(self.model, corner), self._attention(whole_tokens):
            velocity = self.model(noisy, tokens, pooled, sigma.flatten() * 1000, return_dict=False)[0]
            error = (velocity.float() - (noise - latents)).square().mean((0, 2, 3))
            loss = error.mean()
            self.optimizers["model"].zero_grad()
            loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizers["model"].step()
        self._follow(progress)
        size = f"{'w' if diet.window else ''}{diet.short_side_px[-1]}"
        main = error[0].item()  # luminance: what composition is made of
        return {"loss": loss.item(), f"sum_{size}": main, f"num_{size}": 1.0}

    def _attention(self, num_tokens: int) -> AbstractContextManager[object]:
        """On a CPU the fused bfloat16 attention is four times slower backward than products, over short sequences."""
        if self.device.type != "cpu":
            return nullcontext()
        return sdpa_kernel(SDPBackend.MATH if num_tokens <= SHORT_TOKENS else SDPBackend.FLASH_ATTENTION)

    def _latents(
        self, diet: Diet, rng: random.Random
    ) -> tuple[Tensor, list[LatentFile], tuple[int, int] | None]:
        """A batch of one shape; and the token corner of a window."""
        first = rng.choice(self.files[diet])
        like = [f for f in self.files[diet] if (f.width_px, f.height_px) == (first.width_px, first.height_px)]
        files = [rng.choice(like) for _ in range(diet.batch * self.crowd)]
        corner, cut = None, (slice(None), slice(None))
        if diet.window:
            rows, columns = first.height_px // 64, first.width_px // 64
            top, left = rng.randrange(rows - 15), rng.randrange(columns - 15)
            corner = (top + (GRID - rows) // 2, left + (GRID - columns) // 2)
            cut = (slice(top * PATCH, top * PATCH + 64), slice(left * PATCH, left * PATCH + 64))
        return torch.stack([loaded(file, cut) for file in files]), files, corner

    @torch.no_grad()
    def _follow(self, progress: float) -> None:
        decay = EMA_DECAY[0] + (EMA_DECAY[1] - EMA_DECAY[0]) * progress
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)


def loaded(file: LatentFile, cut: tuple[slice, slice] = (slice(None), slice(None))) -> Tensor:
    """A file's latents, or a part of them: (16, h, w) float32."""
    return torch.from_numpy(file.load()[(slice(None), *cut)].astype(np.float32))


def token_variances(files: list[LatentFile], count: int = 120) -> Tensor:
    """Mean square of each cosine coefficient of a token: (channels, PATCH * PATCH)."""
    chosen = random.Random(0).sample(files, min(count, len(files)))
    return torch.stack([cosine_coefficients(loaded(f), PATCH).square().mean(0) for f in chosen]).mean(0)


@torch.no_grad()
def embed(clip: CLIPModel, tokenizer: CLIPTokenizer, words: list[str], blanks: int) -> tuple[Tensor, Tensor]:
    """What the SD3 pipeline makes of prompts when both its CLIPs are this one and T5 says nothing.

    -> tokens (N, TEXT_TOKENS + blanks, 256) and pooled (N, 256).
    """
    ids = tokenizer(
        words, padding="max_length", truncation=True, max_length=TEXT_TOKENS, return_tensors="pt"
    ).input_ids.to(clip.device)
    out = clip.text_model(input_ids=ids, output_hidden_states=True)
    hidden = out.hidden_states[-2]
    pooled = clip.text_projection(out.pooler_output)
    tokens = torch.cat([hidden, hidden], -1)
    return torch.cat([tokens, tokens.new_zeros(len(words), blanks, TEXT_WIDTH)], 1), torch.cat(
        [pooled, pooled], -1
    )


@contextmanager
def placed(model: SD3Transformer2DModel, corner: tuple[int, int] | None) -> Iterator[None]:
    """Give tokens the positions of a window whose top left token is `corner`, instead of the centre's."""
    if corner is None:
        yield
        return
    embedding = model.pos_embed
    table = embedding.pos_embed.reshape(1, GRID, GRID, -1)
    (top, left) = corner

    def windowed(height: int, width: int) -> Tensor:
        rows, columns = height // PATCH, width // PATCH
        return table[:, top : top + rows, left : left + columns].reshape(1, rows * columns, -1)

    embedding.cropped_pos_embed = windowed
    try:
        yield
    finally:
        del embedding.cropped_pos_embed
