"""What the transformer's stages learn from: latents of scenes, captions of them, and what the small CLIP reads there.

Not here: which of them a step is fed (`diets`), how a caption is worded (`captions`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer

from finetune.micro.architecture import TEXT_TOKENS, TEXT_WIDTH
from finetune.micro.captions import caption
from finetune.micro.latents import LatentFile
from finetune.micro.scenes.description import Scene

EMPTY_CAPTION = 0.10  # share of captions dropped, for classifier-free guidance


@dataclass(frozen=True, slots=True)
class World:
    """Scenes as latents, and the CLIP that reads their captions."""

    files: list[LatentFile]
    clip: CLIPModel
    tokenizer: CLIPTokenizer

    def __post_init__(self) -> None:
        self.clip.eval()

    def to(self, device: torch.device) -> World:
        self.clip.to(device)
        return self


def said_of(scene: Scene, rng: random.Random) -> str:
    """A caption, or now and then none."""
    return "" if rng.random() < EMPTY_CAPTION else caption(scene, rng)


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
