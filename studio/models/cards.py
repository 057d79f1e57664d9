"""What each model of the catalogue asks of a machine and of its user: sizes, gate, advice. Data, no torch, no network.

Weights are counted, not quoted: numbers of each part from its published config, at two bytes each as they are
published. What a download takes to the byte, the hub tells (`studio.models.hub`). Not here: the entries themselves
(`studio.models.lookup`), peak memory and time of a render.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.home.disk import MIB
from studio.models.catalogue import CATALOGUE, ModelEntry
from studio.models.hub import SPARE_MIB

PUBLISHED_BYTES = 2
"""Of a weight: float16 or bfloat16 in every repository of the catalogue."""

CLIP_L, CLIP_L_PROJECTED, CLIP_G = 123_060_480, 123_650_304, 694_659_840
T5_XXL = 4_762_310_656
VAE_16 = 83_819_683

_SD3_ENCODERS = {"text_encoder": CLIP_L_PROJECTED, "text_encoder_2": CLIP_G, "text_encoder_3": T5_XXL}
_FLUX_ENCODERS = {"text_encoder": CLIP_L, "text_encoder_2": T5_XXL}
_FLUX_DEV = {"transformer": 11_901_408_320, **_FLUX_ENCODERS, "vae": VAE_16}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """One model as the Models panel shows it."""

    entry: ModelEntry
    weights: Mapping[str, int]
    """Numbers in each part; SD3's transformer with its fixed position table, which the file holds too."""

    advised_sizes_px: tuple[tuple[int, int], ...]
    """(width, height), the best first."""

    advice: str
    """Why those, in a sentence."""

    base: str | None = None
    """What it was fine-tuned from, where its weights are another model's licence too."""

    @property
    def download_bytes(self) -> int:
        """About what the hub sends: the weights; configs and tokenizers add some MB. 0 for the bundled model."""
        return 0 if self.entry.folder is not None else self.weight_bytes

    @property
    def weight_bytes(self) -> int:
        """All weights at once, in memory at two bytes each."""
        return PUBLISHED_BYTES * sum(self.weights.values())

    @property
    def disk_mib(self) -> float:
        """Free disk that a download needs."""
        return self.download_bytes / MIB + SPARE_MIB if self.download_bytes else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterCard:
    """A published LoRA for 4K that stock classes take."""

    id: str
    """What `d4k models pull` calls it."""

    title: str
    hub_id: str
    file: str
    base: str
    licence: str
    advice: str


@dataclass(frozen=True, slots=True)
class NotOffered:
    """A model that people ask for, and why it is not here."""

    title: str
    hub_id: str
    reason: str


def _card(
    model_id: str,
    weights: Mapping[str, int],
    advised: tuple[tuple[int, int], ...],
    advice: str,
    base: str | None = None,
) -> ModelCard:
    entry = next(entry for entry in CATALOGUE if entry.id == model_id)
    return ModelCard(entry=entry, weights=weights, advised_sizes_px=advised, advice=advice, base=base)


_TRAINED_TOKENS = ((2048, 2048), (1536, 2560), (2560, 1536))

CARDS: tuple[ModelCard, ...] = (
    _card(
        "micro-4k",
        {},
        ((4096, 4096), (2048, 2048)),
        "Made for this size, and for landscapes only.",
    ),
    _card(
        "sd3-medium",
        {"transformer": 2_028_328_000 + 192**2 * 1536, **_SD3_ENCODERS, "vae": VAE_16},
        _TRAINED_TOKENS,
        "With F16 these have as many tokens as 1024² had in its training; it was never trained at 4096².",
    ),
    _card(
        "sd3.5-medium",
        {"transformer": 2_243_171_520 + 384**2 * 1536, **_SD3_ENCODERS, "vae": VAE_16},
        (*_TRAINED_TOKENS, (2880, 2880)),
        "With F16 up to 2880² has as many tokens as its longest training pictures.",
    ),
    _card(
        "sd3.5-large",
        {"transformer": 8_056_627_520 + 192**2 * 2432, **_SD3_ENCODERS, "vae": VAE_16},
        _TRAINED_TOKENS,
        "With F16 these have as many tokens as 1024² had in its training.",
    ),
    _card(
        "flux.1-dev",
        _FLUX_DEV,
        _TRAINED_TOKENS,
        "Beyond about 2 megapixels with F8, or 8 with F16, stock FLUX.1 draws bands and grids.",
    ),
    _card(
        "flux.1-schnell",
        {**_FLUX_DEV, "transformer": 11_891_178_560},
        _TRAINED_TOKENS,
        "Beyond about 2 megapixels with F8, or 8 with F16, stock FLUX.1 draws bands and grids.",
    ),
    _card(
        "diffusion-4k-flux",
        _FLUX_DEV,
        ((3072, 4096), (4096, 3072), (4096, 4096)),
        "Its authors advise 3072 x 4096 at guidance 5 to 5.5: at 4096² it collapses for many seeds.",
        base="flux.1-dev",
    ),
    _card(
        "diffusion-4k-flux-v2",
        _FLUX_DEV,
        ((4096, 4096), (3072, 4096)),
        "Guidance 5 to 5.5, as its authors advise for the first version.",
        base="flux.1-dev",
    ),
)

ADAPTERS: tuple[AdapterCard, ...] = (
    AdapterCard(
        id="urae-2k",
        title="URAE 2K for FLUX.1 [dev]",
        hub_id="Huage001/URAE",
        file="urae_2k_adapter.safetensors",
        base="flux.1-dev",
        licence="FLUX.1 [dev] Non-Commercial",
        advice="A LoRA that keeps FLUX.1 steady at 2048² with F8; 4096² with F16 has as many tokens.",
    ),
)

NOT_OFFERED: tuple[NotOffered, ...] = (
    NotOffered(
        "URAE 4K",
        "Huage001/URAE",
        "it needs attention of its own (scaled by length, stretched positions), which stock classes do not have; "
        "urae-2k is offered",
    ),
    NotOffered(
        "UltraFlux",
        "Owen777/UltraFlux-v1",
        "it needs a transformer of its own (resonance positions), which stock classes do not have",
    ),
)


def card_of(model_id: str) -> ModelCard:
    """Raises ValueError for a model outside the catalogue."""
    for card in CARDS:
        if card.entry.id == model_id:
            return card
    raise ValueError(f"there is no card of {model_id}; `d4k models list` shows those that there are")


def adapter_card(name: str) -> AdapterCard | None:
    """Of an adapter's id; None for everything else."""
    return next((card for card in ADAPTERS if card.id == name.strip().lower()), None)


def reason_against(hub_id: str) -> str | None:
    """Why a model that people ask for cannot run here; None for all others."""
    for known in NOT_OFFERED:
        if hub_id.lower() == known.hub_id.lower():
            return f"{known.title} cannot run here: {known.reason}"
    return None


def bundled_bytes(folder: Path) -> int:
    """What a model's folder takes on the disk."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
