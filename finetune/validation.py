"""Validation loss at fixed noise levels and with fixed noise, per band: the same measure under every objective.

Always the velocity's mean square error: what runs are compared by, whatever each of them makes small.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from finetune.config.run_config import ValidationConfig
from finetune.data.batches import Batch, seed_of
from finetune.data.cache import CachedDataset
from finetune.objectives.losses import BANDS, Prediction, band_errors

Predict = Callable[[Batch], Prediction]


def validate(
    data: CachedDataset, indexes: list[int], config: ValidationConfig, predict: Predict
) -> dict[str, Any]:
    """One row of validation.jsonl, without its step: loss, bands and the same at each sigma.

    `predict` is called with one example at a time, without gradients; its weights and mode are the caller's.
    """
    began = time.monotonic()
    per_sigma = []
    for place, sigma in enumerate(config.sigmas):
        errors = torch.stack([_errors(data, index, place, sigma, config, predict) for index in indexes]).mean(
            0
        )
        per_sigma.append({"sigma": sigma, **_row(errors)})
    bands = {band: sum(row["bands"][band] for row in per_sigma) / len(per_sigma) for band in BANDS}
    return {
        "loss": sum(row["loss"] for row in per_sigma) / len(per_sigma),
        "bands": bands,
        "sigmas": per_sigma,
        "seconds": round(time.monotonic() - began, 3),
    }


@torch.no_grad()
def _errors(
    data: CachedDataset, index: int, place: int, sigma: float, config: ValidationConfig, predict: Predict
) -> Tensor:
    """(4,) float64 error of each band."""
    item = data.item(index)
    generator = torch.Generator().manual_seed(seed_of(config.seed, index, place))
    noise = torch.randn(item.latents.shape, generator=generator)
    batch = Batch(
        item.latents[None],
        noise[None],
        torch.tensor([sigma]),
        item.prompt_embeds[None],
        item.pooled_prompt_embeds[None],
        item.size_px,
    )
    return band_errors(predict(batch))[0].double().cpu()


def _row(errors: Tensor) -> dict[str, Any]:
    return {"loss": float(errors.mean()), "bands": dict(zip(BANDS, errors.tolist(), strict=True))}
