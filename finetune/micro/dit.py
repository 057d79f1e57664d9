"""Stage `dit`: Micro-4K's transformer, a small stock `SD3Transformer2DModel`, by flow matching at 512 to 4096 px.

It goes on from what `tokenwise` learnt without attention. Not here: what it is fed (`diets`, `noise_levels`), its loss
(`flow_loss`), the pipeline folder (`export`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from torch import Tensor, nn

from finetune.backbones.native_dtype import quickest_autocast
from finetune.backbones.sd3 import BLANK_TOKENS
from finetune.micro.architecture import (
    BLOCKS,
    COMPOSED_TOKENS,
    GRID,
    PATCH,
    TEXT_TOKENS,
    TOKEN_PX,
    new_transformer,
)
from finetune.micro.compiling import compile_blocks
from finetune.micro.diets import COARSE_UNTIL, COMPOSING, DIETS, Diet
from finetune.micro.flow_loss import banded_loss
from finetune.micro.latents import LatentFile, by_terrain, loaded
from finetune.micro.neighbours import look_at_neighbours
from finetune.micro.noise_levels import drawn_sigmas
from finetune.micro.training import set_learning_rate, training_device
from finetune.micro.world import World, embed, said_of

PEAK_LEARNING_RATE = 1.0e-3
REST_SHARE = 0.2  # of the learning rate, outside the blocks: at all of it, what `tokenwise` learnt is lost
EMA_DECAY = (0.99, 0.9985)  # from beginning to end of the budget: an average must not outlive the learning
GPU_BATCHES = 16
"""How many times larger a GPU's batches are: a step of this size waits for launches alone."""
# With no T5 the pipeline appends blank tokens: few in our calls, 256 in a stock call. Both are trained, the stock
# call's at the end: such a step takes three times as long.
BLANK_TOKENS_STOCK, STOCK_SHARE, STOCK_AFTER = 256, 0.12, 0.75


class TransformerStage:
    """Trains the transformer on a world, from weights that were `begun` without attention.

    Without them it begins from random ones: where a checkpoint follows.
    """

    name = "dit"

    def __init__(
        self,
        world: World,
        device: torch.device | None = None,
        *,
        begun: Mapping[str, Tensor] | None = None,
        compiled: bool = False,
    ) -> None:
        torch.manual_seed(0)
        self.model, self.ema = new_transformer(), new_transformer()
        if begun is not None:
            _take(self.model, begun)
        look_at_neighbours(self.model)
        self.ema.load_state_dict(self.model.state_dict())
        self.ema.requires_grad_(False)
        self.device = device or training_device()
        self.batch_factor = GPU_BATCHES if self.device.type == "cuda" else 1
        self.modules: dict[str, nn.Module] = {"model": self.model, "ema": self.ema}
        for module in self.modules.values():
            module.to(self.device)
        named = list(self.model.named_parameters())
        blocks = [weight for name, weight in named if name.startswith(BLOCKS)]
        rest = [weight for name, weight in named if not name.startswith(BLOCKS)]
        groups = [{"params": blocks, "share": 1.0}, {"params": rest, "share": REST_SHARE}]
        self.optimizers = {
            "model": torch.optim.AdamW(
                groups, PEAK_LEARNING_RATE, betas=(0.9, 0.97), weight_decay=0.01, fused=True
            )
        }
        self.world = world.to(self.device)
        if compiled:
            shape = (COMPOSING.batch * self.batch_factor, COMPOSED_TOKENS)
            compile_blocks(self.model, shape, TEXT_TOKENS + BLANK_TOKENS)
        self.files = {
            diet: by_terrain([f for f in world.files if min(f.width_px, f.height_px) in diet.short_side_px])
            for diet in DIETS
        }

    def step(self, progress: float, generator: torch.Generator) -> dict[str, float]:
        set_learning_rate(self.optimizers["model"], PEAK_LEARNING_RATE, progress)
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        shares = [diet.early if progress < COARSE_UNTIL else diet.late for diet in DIETS]
        shares = [w if self.files[diet] else 0.0 for w, diet in zip(shares, DIETS, strict=True)]
        diet = rng.choices(DIETS, shares)[0]
        latents, files, corner = self._latents(diet, rng)
        share = STOCK_SHARE if progress > STOCK_AFTER else 0.0
        blanks = BLANK_TOKENS_STOCK if rng.random() < share else BLANK_TOKENS
        words = [said_of(file.scene, rng) for file in files]
        tokens, pooled = embed(self.world.clip, self.world.tokenizer, words, blanks)
        whole_tokens = files[0].width_px * files[0].height_px // TOKEN_PX**2
        sigma = drawn_sigmas(len(files), whole_tokens, generator, redrawn=diet.redrawn)
        noise = torch.randn(latents.shape, generator=generator)  # on the CPU: the same on every device
        latents, sigma, noise = (tensor.to(self.device) for tensor in (latents, sigma, noise))
        noisy = (1 - sigma) * latents + sigma * noise
        with quickest_autocast(self.device), placed(self.model, corner):
            velocity = self.model(noisy, tokens, pooled, sigma.flatten() * 1000, return_dict=False)[0]
            wrong = velocity.float() - (noise - latents)
            loss = banded_loss(wrong)
            self.optimizers["model"].zero_grad()
            loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizers["model"].step()
        self._follow(progress)
        size = f"{diet.short_side_px[-1]}{f'w{diet.window}' if diet.window else ''}"
        error = wrong.detach().square().mean((0, 2, 3))
        # The first channel is luminance: what composition is made of.
        return {"loss": loss.item(), "velocity": error.mean().item(), f"luminance_{size}": error[0].item()}

    def _latents(
        self, diet: Diet, rng: random.Random
    ) -> tuple[Tensor, list[LatentFile], tuple[int, int] | None]:
        """A batch of one shape; and the token corner of a window."""
        shapes = self.files[diet]
        shape = rng.choices(list(shapes), [sum(map(len, lists)) for lists in shapes.values()])[0]
        files = [rng.choice(rng.choice(shapes[shape])) for _ in range(diet.batch * self.batch_factor)]
        first = files[0]
        corner, cut = None, (slice(None), slice(None))
        if diet.window:
            rows, columns = first.height_px // TOKEN_PX, first.width_px // TOKEN_PX
            side = diet.window
            top, left = rng.randrange(rows - side + 1), rng.randrange(columns - side + 1)
            corner = (top + (GRID - rows) // 2, left + (GRID - columns) // 2)
            cut = (
                slice(top * PATCH, (top + side) * PATCH),
                slice(left * PATCH, (left + side) * PATCH),
            )
        return torch.stack([loaded(file, cut) for file in files]), files, corner

    @torch.no_grad()
    def _follow(self, progress: float) -> None:
        decay = EMA_DECAY[0] + (EMA_DECAY[1] - EMA_DECAY[0]) * progress
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)


def _take(model: SD3Transformer2DModel, begun: Mapping[str, Tensor]) -> None:
    """Load all but attention."""
    other = "tokenwise.pt is of another architecture than this recipe's; run --stage tokenwise anew"
    try:
        keys = model.load_state_dict(begun, strict=False)
    except RuntimeError as error:  # torch's, of other shapes
        raise ValueError(f"{other}: {error}") from error
    wrong = [name for name in keys.missing_keys if ".attn." not in name] + keys.unexpected_keys
    if wrong:
        raise ValueError(f"{other}: {wrong[0]} does not fit")


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
