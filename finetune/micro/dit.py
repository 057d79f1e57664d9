"""Stage `dit`: Micro-4K's transformer, a small stock `SD3Transformer2DModel`, by flow matching at 512 to 4096 px.

Composition is learnt where tokens are few (64 and 256 a picture), then carried to 1,024 and 4,096 tokens; windows cut
from the largest latents, at their true positions and low noise, teach its fine detail at a twentieth of the cost.
Not here: captions, latents, the pipeline folder (`export`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPModel, CLIPTokenizer

from finetune.families.sd3 import BLANK_TOKENS
from finetune.micro.captions import caption
from finetune.micro.clip import MAX_TOKENS
from finetune.micro.latents import LatentFile
from finetune.micro.training import set_learning_rate

PATCH, GRID, TEXT_WIDTH = 4, 64, 256
PEAK_LEARNING_RATE = 8.0e-4
EMA_DECAY = (
    0.98,
    0.998,
)  # at the beginning and at the end of the budget: an average must not outlive the learning
EMPTY_CAPTION = 0.10  # share of captions dropped, for classifier-free guidance
# The scheduler's dynamic shift: mu from (256 tokens) to (4096 tokens); training noise follows the same rule.
BASE_TOKENS, MAX_TOKENS_IMAGE, BASE_SHIFT, MAX_SHIFT = 256, 4096, math.log(2.0), math.log(6.0)
# With no T5 the pipeline appends blank tokens: few in our calls, 256 in a stock call. Both are trained.
BLANK_TOKENS_STOCK, STOCK_SHARE = 256, 0.06
WINDOW_SIGMA = 0.75  # above this much noise a window cannot know what the whole shows


@dataclass(frozen=True, slots=True)
class Diet:
    """What a share of the steps is fed: pictures of these short sides, whole or in windows of 1,024 px."""

    short_side_px: tuple[int, ...]
    batch: int
    early: float  # weight before COARSE_UNTIL of the budget
    late: float
    window: bool = False


COARSE_UNTIL = 0.80
SHORT_TOKENS = 128
DIETS = (
    Diet((512,), 16, 0.65, 0.12),
    Diet((768, 1024), 6, 0.35, 0.46),
    Diet((2048,), 2, 0.0, 0.16),
    Diet((4096,), 1, 0.0, 0.08),
    Diet((2048, 4096), 6, 0.0, 0.18, window=True),
)


def new_transformer() -> SD3Transformer2DModel:
    return SD3Transformer2DModel(
        sample_size=GRID * PATCH,
        patch_size=PATCH,
        in_channels=16,
        num_layers=6,
        attention_head_dim=64,
        num_attention_heads=5,
        joint_attention_dim=TEXT_WIDTH,
        caption_projection_dim=320,
        pooled_projection_dim=TEXT_WIDTH,
        out_channels=16,
        pos_embed_max_size=GRID,
        qk_norm="rms_norm",
    )


def shift_of(num_tokens: int) -> float:
    """How much the noise levels lean to high noise for a picture of so many tokens."""
    slope = (MAX_SHIFT - BASE_SHIFT) / (MAX_TOKENS_IMAGE - BASE_TOKENS)
    return math.exp(BASE_SHIFT + slope * (num_tokens - BASE_TOKENS))


class TransformerStage:
    name = "dit"

    def __init__(self, files: list[LatentFile], clip: CLIPModel, tokenizer: CLIPTokenizer) -> None:
        torch.manual_seed(0)
        self.model, self.ema = new_transformer(), new_transformer()
        self.ema.load_state_dict(self.model.state_dict())
        self.ema.requires_grad_(False)
        self.modules: dict[str, nn.Module] = {"model": self.model, "ema": self.ema}
        self.optimizers = {
            "model": torch.optim.AdamW(
                self.model.parameters(), PEAK_LEARNING_RATE, betas=(0.9, 0.97), weight_decay=0.01
            )
        }
        self.clip, self.tokenizer = clip.eval(), tokenizer
        self.files = {
            diet: [f for f in files if min(f.width_px, f.height_px) in diet.short_side_px] for diet in DIETS
        }

    def step(self, progress: float, generator: torch.Generator) -> dict[str, float]:
        set_learning_rate(self.optimizers["model"], PEAK_LEARNING_RATE, progress)
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        weights = [diet.early if progress < COARSE_UNTIL else diet.late for diet in DIETS]
        weights = [w if self.files[diet] else 0.0 for w, diet in zip(weights, DIETS, strict=True)]
        diet = rng.choices(DIETS, weights)[0]
        latents, files, corner = self._latents(diet, rng)
        blanks = BLANK_TOKENS_STOCK if rng.random() < STOCK_SHARE else BLANK_TOKENS
        words = ["" if rng.random() < EMPTY_CAPTION else caption(file.scene, rng) for file in files]
        tokens, pooled = embed(self.clip, self.tokenizer, words, blanks)
        whole_tokens = files[0].width_px * files[0].height_px // (16 * PATCH) ** 2
        sigma = self._sigmas(len(files), whole_tokens, diet.window, generator)
        noise = torch.randn(latents.shape, generator=generator)
        noisy = (1 - sigma) * latents + sigma * noise
        # Over short sequences the fused bfloat16 attention is four times slower backward than products.
        backend = SDPBackend.MATH if whole_tokens <= SHORT_TOKENS else SDPBackend.FLASH_ATTENTION
        with torch.autocast("cpu", torch.bfloat16), placed(self.model, corner), sdpa_kernel(backend):
            velocity = self.model(noisy, tokens, pooled, sigma.flatten() * 1000, return_dict=False)[0]
            loss = F.mse_loss(velocity.float(), noise - latents)
            self.optimizers["model"].zero_grad()
            loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizers["model"].step()
        self._follow(progress)
        size = f"{'w' if diet.window else ''}{diet.short_side_px[-1]}"
        return {"loss": loss.item(), f"sum_{size}": loss.item(), f"num_{size}": 1.0}

    def _latents(
        self, diet: Diet, rng: random.Random
    ) -> tuple[Tensor, list[LatentFile], tuple[int, int] | None]:
        """A batch of one shape; and the token corner of a window."""
        first = rng.choice(self.files[diet])
        like = [f for f in self.files[diet] if (f.width_px, f.height_px) == (first.width_px, first.height_px)]
        files = [rng.choice(like) for _ in range(diet.batch)]
        corner, cut = None, (slice(None), slice(None))
        if diet.window:
            rows, columns = first.height_px // 64, first.width_px // 64
            top, left = rng.randrange(rows - 15), rng.randrange(columns - 15)
            corner = (top + (GRID - rows) // 2, left + (GRID - columns) // 2)
            cut = (slice(top * PATCH, top * PATCH + 64), slice(left * PATCH, left * PATCH + 64))
        stacked = np.stack([file.load()[(slice(None), *cut)] for file in files]).astype(np.float32)
        return torch.from_numpy(stacked), files, corner

    def _sigmas(self, count: int, num_tokens: int, window: bool, generator: torch.Generator) -> Tensor:
        """Logit-normal, shifted as inference is, spread evenly over the batch; (N, 1, 1, 1)."""
        u = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        u = torch.sigmoid(torch.special.ndtri(u.clamp(1e-4, 1 - 1e-4)))
        shift = shift_of(num_tokens)
        sigma = shift * u / (1 + (shift - 1) * u)
        if window:
            sigma = sigma * WINDOW_SIGMA
        return sigma.view(-1, 1, 1, 1)

    @torch.no_grad()
    def _follow(self, progress: float) -> None:
        decay = EMA_DECAY[0] + (EMA_DECAY[1] - EMA_DECAY[0]) * progress
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)


@torch.no_grad()
def embed(clip: CLIPModel, tokenizer: CLIPTokenizer, words: list[str], blanks: int) -> tuple[Tensor, Tensor]:
    """What the SD3 pipeline makes of prompts when both its CLIPs are this one and T5 says nothing.

    -> tokens (N, 48 + blanks, 256) and pooled (N, 256).
    """
    ids = tokenizer(
        words, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    ).input_ids
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
