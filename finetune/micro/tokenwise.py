"""Stage `tokenwise`: the transformer without attention learns where the words put things.

At much noise a picture is what its caption says, and that is weights of layouts (`layouts`), set by the last
modulation. Together with its blocks the transformer did not find it in 6,000 steps: suns stood in three places at
once and mountains had no ridges. So embeddings and output come first, at a tenth of a step's cost, then the blocks'
feed-forward. Not here: attention, whose gates are still closed then (`dit`).
"""

from __future__ import annotations

import random
from contextlib import nullcontext
from pathlib import Path

import torch
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from torch import Tensor, nn

from finetune.backbones.native_dtype import quickest_autocast
from finetune.micro.architecture import BLOCKS, COMPOSED_PX, COMPOSED_TOKENS, PATCH, new_transformer
from finetune.micro.copying import begin_by_copying, token_variances
from finetune.micro.flow_loss import banded_loss
from finetune.micro.latents import by_terrain, loaded
from finetune.micro.layouts import layout_places, write_layouts
from finetune.micro.noise_levels import drawn_sigmas
from finetune.micro.scenes.description import Scene
from finetune.micro.training import set_learning_rate, training_device
from finetune.micro.world import World, embed, said_of

FORWARD_AFTER = 0.5
"""Of the budget: from here on the blocks' feed-forward is in."""

# Before and after it. Learning rates of what lies in the blocks and of the rest, each warmed up and let go by a cosine.
BLOCKS_RATES, REST_RATES = (0.0, 1.0e-3), (3.0e-3, 0.3e-3)
BATCHES, CAPTIONS_EACH = (32, 16), 8
UNDECIDED_HERE = 0.6  # share of noise levels: what is decided there is all that is learnt here


class TokenwiseStage:
    """Trains all but attention on scenes of `COMPOSED_PX`."""

    name = "tokenwise"

    def __init__(self, world: World, device: torch.device | None = None) -> None:
        torch.manual_seed(0)
        self.device = device or training_device()
        self.model = new_transformer()
        begin_by_copying(self.model, token_variances(world.files, PATCH))
        write_layouts(self.model, world.files)
        _weigh_layouts(self.model)
        self.blocks = self.model.transformer_blocks
        for block in self.blocks:
            block.attn = NoAttention()
        self.model.to(self.device)
        self.modules: dict[str, nn.Module] = {"model": self.model}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "blocks": torch.optim.AdamW(
                self.blocks.parameters(), betas=(0.9, 0.98), weight_decay=0.0, fused=True
            ),
            "rest": torch.optim.AdamW(
                [weight for name, weight in self.model.named_parameters() if not name.startswith(BLOCKS)],
                betas=(0.9, 0.98),
                weight_decay=0.0,
                fused=True,
            ),
        }
        files = [file for file in world.files if file.width_px == file.height_px == COMPOSED_PX]
        self.latents = torch.stack([loaded(file).half() for file in files])
        self.pooled = _read(world.to(self.device), [file.scene for file in files])
        (shape,) = by_terrain(files).values()
        places = {file.path: index for index, file in enumerate(files)}
        self.terrains = [[places[file.path] for file in terrain] for terrain in shape]

    def step(self, progress: float, generator: torch.Generator) -> dict[str, float]:
        # A larger budget makes `progress` smaller: what has begun stays.
        part = int(progress >= FORWARD_AFTER or bool(self.optimizers["blocks"].state))
        share = max(0.0, progress - FORWARD_AFTER) / (1 - FORWARD_AFTER) if part else progress / FORWARD_AFTER
        set_learning_rate(self.optimizers["blocks"], BLOCKS_RATES[part], share)
        set_learning_rate(self.optimizers["rest"], REST_RATES[part], share)
        self.model.transformer_blocks = self.blocks if part else nn.ModuleList()
        batch = BATCHES[part]
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        chosen = [rng.choice(rng.choice(self.terrains)) for _ in range(batch)]
        latents = self.latents[chosen].float()
        pooled = self.pooled[chosen, torch.randint(CAPTIONS_EACH, (batch,), generator=generator)]
        sigma = drawn_sigmas(batch, COMPOSED_TOKENS, generator, undecided=UNDECIDED_HERE)
        noise = torch.randn(latents.shape, generator=generator)
        latents, pooled, sigma, noise = (t.to(self.device) for t in (latents, pooled, sigma, noise))
        unread = pooled.new_zeros(batch, 1, self.model.config.joint_attention_dim)
        noisy = (1 - sigma) * latents + sigma * noise
        # Embeddings and output alone are few numbers: rounding would cost more than it saves.
        with quickest_autocast(self.device) if part else nullcontext():
            velocity = self.model(noisy, unread, pooled, sigma.flatten() * 1000, return_dict=False)[0]
        wrong = velocity.float() - (noise - latents)
        loss = banded_loss(wrong)
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers.values():
            optimizer.step()
        self.model.transformer_blocks = self.blocks
        error = wrong.detach().square().mean((0, 2, 3))
        return {"loss": loss.item(), "velocity": error.mean().item(), "luminance": error[0].item()}


class NoAttention(nn.Module):
    """In the place of a block's attention: adds nothing to either stream."""

    def forward(
        self, hidden_states: Tensor, encoder_hidden_states: Tensor, **_unused: object
    ) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(hidden_states), torch.zeros_like(encoder_hidden_states)


def tokenwise_weights(work: Path) -> dict[str, Tensor]:
    """What this stage has learnt in a work folder.

    Raises:
        ValueError: It has not run there.
    """
    path = work / f"{TokenwiseStage.name}.pt"
    if not path.exists():
        raise ValueError(
            f"{path} is missing; run its stage first: python -m finetune.micro --stage tokenwise"
        )
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)["modules"]["model"]
    return weights


@torch.no_grad()
def _weigh_layouts(model: SD3Transformer2DModel) -> None:
    """Layouts go to the luminance with a weight that the modulation holds at 0: it need only be learnt, not found."""
    channels, area = model.config.in_channels, model.config.patch_size**2
    places = layout_places(model)
    luminance = model.proj_out.weight.view(area, channels, -1)[:, 0]
    luminance[:, places] = 1
    model.norm_out.linear.bias[places] = -1  # of the scale, to which 1 is added


def _read(world: World, scenes: list[Scene]) -> Tensor:
    """Pooled embeddings of some captions of every scene: (scenes, CAPTIONS_EACH, 256)."""
    rng = random.Random(0)
    pooled = []
    for scene in scenes:
        words = [said_of(scene, rng) for _ in range(CAPTIONS_EACH)]
        pooled.append(embed(world.clip, world.tokenizer, words, 0)[1].cpu())
    return torch.stack(pooled)
