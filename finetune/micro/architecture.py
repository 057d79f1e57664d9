"""Micro-4K's transformer: a small stock `SD3Transformer2DModel`, and the numbers that others need of it.

Not here: its first weights (`copying`, `layouts`, `neighbours`), its training (`tokenwise`, `dit`).
"""

from __future__ import annotations

from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel

PATCH, GRID, WIDTH, TEXT_WIDTH = 2, 128, 192, 256
TOKEN_PX = 16 * PATCH
COMPOSED_PX = 512
"""Side of the pictures that composition is learnt at."""
COMPOSED_TOKENS = (COMPOSED_PX // TOKEN_PX) ** 2
TEXT_TOKENS = 32
"""Of each CLIP: every caption fits; CLIP's 77 would be a third as many as a 512 px picture has."""

BLOCKS = "transformer_blocks."
"""What names of weights in the blocks begin with."""


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
