"""Which examples make up a batch, and the noise they are trained at: functions of the seed and the batch's number.

Nothing is drawn from a state that has to be carried on, so a run goes on exactly from its step number alone, and one
process that accumulates two batches trains on just what two processes do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from finetune.config.run_config import TimestepConfig
from finetune.data.cache import CachedDataset
from finetune.objectives.timesteps import sample_sigmas


class Batch(NamedTuple):
    """Examples of one size, with everything random about them, on the CPU."""

    latents: Tensor  # (N, C, h, w) float32
    noise: Tensor  # (N, C, h, w) float32
    sigmas: Tensor  # (N,) float32
    prompt_embeds: Tensor  # (N, tokens, d)
    pooled_prompt_embeds: Tensor  # (N, d_pooled)
    size_px: tuple[int, int]  # width, height


class BatchPlan:
    """Every example once an epoch, in batches of one size, in an order of its own each epoch.

    The last batch of a size may be smaller: no example is dropped or seen twice.
    """

    def __init__(
        self, sizes_px: Sequence[tuple[int, int]], indexes: Sequence[int], *, batch_size: int, seed: int
    ) -> None:
        if not indexes:
            raise ValueError("no picture is left to train on; add pictures or lower validation.num_examples")
        self._batch_size, self._seed = batch_size, seed
        self._sizes: dict[tuple[int, int], list[int]] = {}
        for index in indexes:
            self._sizes.setdefault(sizes_px[index], []).append(index)
        self.batches_per_epoch = sum(-(-len(members) // batch_size) for members in self._sizes.values())
        self._epoch: tuple[int, list[tuple[int, ...]]] = (-1, [])

    def batch(self, number: int) -> tuple[int, ...]:
        """Indexes of the examples of batch `number`, counted from 0 over all epochs and processes."""
        epoch, place = divmod(number, self.batches_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._shuffled(epoch))
        return self._epoch[1][place]

    def _shuffled(self, epoch: int) -> list[tuple[int, ...]]:
        rng = np.random.default_rng((self._seed, epoch))
        batches = []
        for members in self._sizes.values():
            order = rng.permutation(members).tolist()
            batches += [
                tuple(order[i : i + self._batch_size]) for i in range(0, len(order), self._batch_size)
            ]
        return [batches[i] for i in rng.permutation(len(batches))]


def seed_of(*numbers: int) -> int:
    """One seed from several, in [0, 2^63)."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def split_validation(count: int, num_examples: int, *, seed: int) -> tuple[list[int], list[int]]:
    """(examples to train on, examples kept out for validation); needs at least one of each."""
    if count <= num_examples:
        raise ValueError(
            f"{count} pictures are left and validation.num_examples keeps {num_examples} of them out of training; "
            "add pictures or lower it"
        )
    order = np.random.default_rng((seed, 0x5A11D)).permutation(count).tolist()
    return sorted(order[num_examples:]), sorted(order[:num_examples])


def load_batch(
    data: CachedDataset,
    indexes: Sequence[int],
    *,
    number: int,
    seed: int,
    timesteps: TimestepConfig,
    shift: float,
    caption_dropout: float,
) -> Batch:
    """Read the examples and draw what is random about batch `number`."""
    generator = torch.Generator().manual_seed(seed_of(seed, number))
    items = [data.item(index) for index in indexes]
    sigmas = sample_sigmas(timesteps, len(items), shift=shift, generator=generator)
    latents = torch.stack([item.latents for item in items])
    noise = torch.randn(latents.shape, generator=generator)
    dropped = (torch.rand(len(items), generator=generator) < caption_dropout).tolist()
    embeds, pooled = data.empty_text
    return Batch(
        latents,
        noise,
        sigmas,
        torch.stack([embeds if no else item.prompt_embeds for no, item in zip(dropped, items, strict=True)]),
        torch.stack(
            [pooled if no else item.pooled_prompt_embeds for no, item in zip(dropped, items, strict=True)]
        ),
        items[0].size_px,
    )
