"""What a divided run keeps on each device, from what the whole run would keep. No torch.

Not here: dividing (`finetune.sharding`), counting the whole (`finetune.memory.training_memory`).
"""

from __future__ import annotations

from dataclasses import dataclass

from finetune.config.run_config import ResourceConfig


@dataclass(frozen=True, slots=True)
class Resting:
    """Bytes between two steps."""

    weights: float
    gradients: float
    optimizer: float
    ema: float

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.ema


def on_each_device(
    whole: Resting, resources: ResourceConfig, *, block_numbers: int, root_numbers: int, trains_all: bool
) -> Resting:
    """Slices of all, and what is gathered at once: what lies outside blocks, one block that computes and the next one
    on its way; of a full training also the gradient of a block before it is divided, in float32.

    Args:
        block_numbers: Of the largest block of layers.
        root_numbers: Of all layers outside blocks.
    """
    if not resources.divided:
        return whole
    share = 0.0 if resources.cpu_offload else 1 / resources.processes
    width = 4 if resources.precision == "fp32" else 2
    gathered = (root_numbers + 2 * block_numbers) * width
    return Resting(
        weights=whole.weights * share + gathered,
        gradients=whole.gradients * share + (4 * block_numbers if trains_all else 0),
        optimizer=whole.optimizer * share,
        ema=whole.ema * share,
    )
