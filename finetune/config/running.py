"""Settings of what is trained on what, with what, for how long, and what is kept and shown of it. No torch.

Not here: how it learns (`finetune.config.learning`), all sections together (`finetune.config.run_config`).
"""

# ruff: noqa: RUF009 -- `setting` returns a dataclass field

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from finetune.config.section import Section, setting
from finetune.whole_text import told

RESOLUTION_MULTIPLE_PX = 32

Precision = Literal["fp32", "bf16", "fp16"]

TRACKERS = ("tensorboard", "wandb", "trackio")
LONGEST_NAME = 100
"""Those that accelerate writes to, and that need nothing but their name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig(Section):
    """What is trained."""

    title = "model"
    base: str = setting(
        "assets/micro-4k", "Folder or hub id of the diffusers pipeline to start from (SD3, SD3.5 or FLUX.1)."
    )
    autoencoder: Literal["auto", "f8", "f16"] = setting(
        "auto",
        "Pixels per latent: 16 (f16) makes 4096 x 4096 possible; auto takes what the model says.",
        advanced=True,
    )
    latent_shift: bool = setting(
        True,
        "Subtract the VAE's own shift from latents, as inference expects; the published SD3 run forgot it.",
        advanced=True,
    )
    guidance_embed: float = setting(
        3.5,
        "Guidance that FLUX.1-dev is told while it trains, as published; other models have no ear for it.",
        low=0,
        high=100,
        advanced=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig(Section):
    """What it is trained on."""

    title = "data"
    source: str = setting(
        "", "Folder of pictures and captions, a zip of one, or the hub id of a dataset that was fetched."
    )
    resolution_px: int = setting(
        2048,
        "Side of a square crop; other shapes hold about as many pixels. A multiple of 32.",
        low=32,
        high=16384,
    )
    square_only: bool = setting(
        False, "Squares alone, as published, instead of buckets of several shapes.", advanced=True
    )
    caption_dropout: float = setting(
        0.1, "Share of examples trained without their caption, which guidance needs.", low=0, high=1
    )
    max_sequence_length: int = setting(
        0,
        "Tokens of T5; 0 is what inference uses. The published runs used 77.",
        low=0,
        high=512,
        advanced=True,
    )
    cache: str = setting(
        "", "Folder of latents and text embeddings; empty is `cache` in the run's folder.", advanced=True
    )

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.resolution_px % RESOLUTION_MULTIPLE_PX:
            near = max(1, round(self.resolution_px / RESOLUTION_MULTIPLE_PX)) * RESOLUTION_MULTIPLE_PX
            raise ValueError(
                f"data.resolution_px must be a multiple of {RESOLUTION_MULTIPLE_PX}, got {self.resolution_px}; "
                f"try {near}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceConfig(Section):
    """What it may cost."""

    title = "resources"
    device: Literal["auto", "cpu"] = setting("auto", "auto takes the GPU where there is one.", advanced=True)
    precision: Precision = setting("bf16", "Arithmetic. A CPU is fastest and exact in fp32.")
    batch_size: int = setting(1, "Examples at once, per process.", low=1)
    accumulation: int = setting(1, "Batches per step: memory of one, gradient of all.", low=1)
    gradient_checkpointing: bool = setting(True, "Compute activations twice instead of keeping them.")
    processes: int = setting(
        1,
        "GPUs of this machine to train on, a batch each; several machines: see README.",
        low=1,
        high=64,
        advanced=True,
    )
    sharded: bool = setting(
        False,
        "Divide weights, gradients and optimizer among the processes (FSDP, as ZeRO-3) instead of keeping all in each.",
        advanced=True,
    )
    cpu_offload: bool = setting(
        False,
        "Keep them in main memory and bring a block at a time to the GPU: slower, for models that do not fit.",
        advanced=True,
    )

    @property
    def divided(self) -> bool:
        """Whether no process holds the whole model on its device."""
        return self.sharded or self.cpu_offload


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig(Section):
    """How long, and what is kept on the way."""

    title = "schedule"
    num_steps: int = setting(1000, "Optimizer steps.", low=1)
    seed: int = setting(0, "Everything random follows from it.", low=0, high=2**32 - 1)
    checkpoint_every: int = setting(100, "Steps between checkpoints; one is written at the end too.", low=1)
    keep_checkpoints: int = setting(3, "The newest so many stay.", low=1)
    keep_every: int = setting(
        0, "Steps whose multiples are kept for ever; 0 keeps none.", low=0, advanced=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationConfig(Section):
    """How progress is measured: always the same examples, noise levels and noise."""

    title = "validation"
    every: int = setting(100, "Steps between; 0 measures nothing.", low=0)
    num_examples: int = setting(4, "Examples kept out of training for it.", low=1)
    sigmas: tuple[float, ...] = setting(
        (0.1, 0.3, 0.5, 0.7, 0.9), "Noise levels.", low=0.001, high=1, advanced=True
    )
    seed: int = setting(
        1234, "Of the noise, and of which examples are kept out.", low=0, high=2**32 - 1, advanced=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConfig(Section):
    """Pictures drawn on the way."""

    title = "samples"
    every: int = setting(0, "Steps between; 0 draws none.", low=0)
    prompts: tuple[str, ...] = setting((), "One picture each.")
    seed: int = setting(7, "The same noise each time.", low=0, high=2**32 - 1)
    width_px: int = setting(1024, "Width.", low=64, high=16384)
    height_px: int = setting(1024, "Height.", low=64, high=16384)
    num_inference_steps: int = setting(20, "Denoising steps.", low=1, high=1000)
    guidance_scale: float = setting(5.0, "How closely to follow the prompt.", low=0, high=100)

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        if self.every and not self.prompts:
            raise ValueError(
                "samples.every is set and samples.prompts is empty; write a prompt, or set every to 0"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputConfig(Section):
    """What it is called."""

    title = "output"
    name: str = setting("untitled", "Of the run and of the adapter: letters, digits, dots, dashes.")
    trigger: str = setting("", "Word that calls the adapter; written into its file.")
    notes: str = setting("", "For you.")
    trackers: tuple[str, ...] = setting(
        (), "tensorboard, wandb or trackio, through accelerate.", advanced=True
    )
    parent: str = setting("", "Run that this one was made from.", advanced=True)

    def __post_init__(self) -> None:
        Section.__post_init__(self)
        plain = self.name.replace("-", "").replace("_", "").replace(".", "").replace(" ", "")
        if not plain.isalnum() or self.name.startswith(".") or len(self.name) > LONGEST_NAME:
            raise ValueError(
                f"output.name must be letters, digits, spaces, . _ -, at most {LONGEST_NAME}, got {told(self.name)}"
            )
        for tracker in self.trackers:
            if tracker not in TRACKERS:
                raise ValueError(f"output.trackers takes {', '.join(TRACKERS)}, got {told(tracker)}")
