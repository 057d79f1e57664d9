"""The models that the studio knows, as data. No torch, no network.

Not here: models of one's own, and whether one can run here (`studio.models.lookup`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studio.home.settings import ROOT
from studio.render_request import MAX_SIDE_PX

Family = Literal["sd3", "flux"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One model and what it is used with unless the user says otherwise."""

    id: str
    title: str
    family: Family
    source: str
    """Hub id, or a folder: absolute, or beside the studio's packages."""

    licence: str
    gated: bool = False
    """The hub asks for a signed licence and a token."""

    gate_url: str | None = None
    autoencoder: Literal["f8", "f16"] = "f16"
    """Picture pixels per latent that it is used with: 8 or 16."""

    alignment: Literal["exact", "reference"] = "exact"
    """Of the F16 decoder: "reference" for checkpoints trained with the published code's one-pixel shift."""

    max_side_px: int = MAX_SIDE_PX
    """Longest side that its positions reach."""

    default_steps: int
    default_guidance_scale: float
    default_size_px: tuple[int, int]
    """(width, height)"""

    default_coarse_first: float = 0.0
    """See `RenderRequest.coarse_first`."""

    own_side_px: int | None = None
    """Side of the square that it composes best; None: as many pixels as its backbone was trained on."""

    composes_by_short_side: bool = False
    """In other shapes it composes best at the short side of that square, not at its area."""

    redrawn_below: float = 1.0
    """Highest noise level at which it knows pictures larger than those that it composes."""

    max_sequence_length: int | None = None
    """Of the T5 text encoder, in tokens, where it is not the pipeline's own: 256 for SD3, 512 for Flux."""

    cpu_dtype: Literal["float32", "bfloat16", "quickest"] = "bfloat16"
    """Weights' dtype on a CPU: bfloat16 takes half the memory; it is also the quickest where the CPU multiplies it
    itself (AVX512-BF16, AMX), else float32 is. Accelerators use bfloat16."""

    note: str = ""

    transformer_file: Path | None = None
    """A safetensors file whose transformer takes the place of the source's."""

    @property
    def folder(self) -> Path | None:
        """Where it lies on this machine; None for a hub id."""
        beside = ROOT / self.source
        if Path(self.source).is_absolute():
            return Path(self.source)
        return beside if beside.is_dir() or self.source.startswith("assets/") else None

    @property
    def composed_at_px(self) -> int:
        """Side of the square that a coarse picture has: 4,096 tokens of SD3 and Flux unless it says otherwise."""
        if self.own_side_px is not None:
            return self.own_side_px
        return 1024 if self.autoencoder == "f8" else 2048


def hub_url(hub_id: str) -> str:
    return f"https://huggingface.co/{hub_id}"


_FLUX_DEV_LICENCE = "FLUX.1 [dev] Non-Commercial"
_STABILITY_LICENCE = "Stability AI Community"

CATALOGUE: tuple[ModelEntry, ...] = (
    ModelEntry(
        id="micro-4k",
        title="Micro-4K (bundled)",
        family="sd3",
        source="assets/micro-4k",
        licence="Apache-2.0",
        default_steps=14,
        default_guidance_scale=1.75,
        default_size_px=(4096, 4096),
        default_coarse_first=0.5,
        own_side_px=512,
        composes_by_short_side=True,
        redrawn_below=0.6,
        max_side_px=4096,
        cpu_dtype="quickest",
        note="Landscapes on a laptop CPU, nothing to download",
    ),
    ModelEntry(
        id="sd3-medium",
        title="Stable Diffusion 3 Medium",
        family="sd3",
        source="stabilityai/stable-diffusion-3-medium-diffusers",
        licence=_STABILITY_LICENCE,
        gated=True,
        gate_url=hub_url("stabilityai/stable-diffusion-3-medium-diffusers"),
        max_side_px=6144,  # its table of 192 x 192 positions, 32 px each
        default_steps=28,
        default_guidance_scale=7.0,
        default_size_px=(2048, 2048),
        note="2.0 billion parameters; 2048² with F16 has as many tokens as it was trained on",
    ),
    ModelEntry(
        id="sd3.5-medium",
        title="Stable Diffusion 3.5 Medium",
        family="sd3",
        source="stabilityai/stable-diffusion-3.5-medium",
        licence=_STABILITY_LICENCE,
        gated=True,
        gate_url=hub_url("stabilityai/stable-diffusion-3.5-medium"),
        default_steps=40,
        default_guidance_scale=4.5,
        default_size_px=(2048, 2048),
        note="2.2 billion parameters",
    ),
    ModelEntry(
        id="sd3.5-large",
        title="Stable Diffusion 3.5 Large",
        family="sd3",
        source="stabilityai/stable-diffusion-3.5-large",
        licence=_STABILITY_LICENCE,
        gated=True,
        gate_url=hub_url("stabilityai/stable-diffusion-3.5-large"),
        max_side_px=6144,  # its table of 192 x 192 positions, 32 px each
        default_steps=28,
        default_guidance_scale=3.5,
        default_size_px=(2048, 2048),
        note="8.1 billion parameters",
    ),
    ModelEntry(
        id="flux.1-dev",
        title="FLUX.1 [dev]",
        family="flux",
        source="black-forest-labs/FLUX.1-dev",
        licence=_FLUX_DEV_LICENCE,
        gated=True,
        gate_url=hub_url("black-forest-labs/FLUX.1-dev"),
        default_steps=28,
        default_guidance_scale=3.5,
        default_size_px=(2048, 2048),
        note="12 billion parameters; takes no negative prompt",
    ),
    ModelEntry(
        id="flux.1-schnell",
        title="FLUX.1 [schnell]",
        family="flux",
        source="black-forest-labs/FLUX.1-schnell",
        licence="Apache-2.0",
        gated=True,
        gate_url=hub_url("black-forest-labs/FLUX.1-schnell"),
        default_steps=4,
        default_guidance_scale=0.0,
        default_size_px=(2048, 2048),
        max_sequence_length=256,
        note="12 billion parameters in 4 steps; takes neither guidance nor a negative prompt",
    ),
    ModelEntry(
        id="diffusion-4k-flux",
        title="Diffusion-4K (Flux, wavelet)",
        family="flux",
        source="zhang0jhon/flux_wavelet",
        licence=_FLUX_DEV_LICENCE,
        # Its decoder has FLUX.1's own weights, which were trained without the shift; v2's was trained with it.
        alignment="exact",
        default_steps=50,
        default_guidance_scale=5.0,
        default_size_px=(3072, 4096),
        note="The paper's FLUX.1 [dev], wavelet fine-tuned for 4096²; best at 3072 x 4096; takes no negative prompt",
    ),
    ModelEntry(
        id="diffusion-4k-flux-v2",
        title="Diffusion-4K v2 (Flux, SC-VAE)",
        family="flux",
        source="zhang0jhon/flux_wavelet_v2_sc",
        licence=_FLUX_DEV_LICENCE,
        alignment="reference",
        default_steps=50,
        default_guidance_scale=5.0,
        default_size_px=(4096, 4096),
        note="The follow-up with a scale-consistent decoder; takes no negative prompt",
    ),
)
