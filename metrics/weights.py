"""Weights that metrics need and this repository does not hold: where they may lie, and what to say if they do not.

A path in the environment comes first, then the hub's or torch's cache, then the hub. Not here: opening them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

MICRO_CLIP = Path(__file__).resolve().parents[1] / "assets" / "micro-4k-clip"
"""The bundled small CLIP."""

HUB_TIMEOUT_S = 10.0

OPEN_CLIP_HUB = "hf-hub:"
"""Before the hub id of a model that OpenCLIP opens, as OpenCLIP writes it."""

OPEN_CLIP_CONFIG = "open_clip_config.json"

_HUB_ID = re.compile(rf"(?:{OPEN_CLIP_HUB})?[\w-][\w.-]*/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Weights:
    """One published model folder, or one file."""

    name: str
    size: str
    licence: str
    variable: str
    """Environment variable that may name a local folder or file, or another model of the hub."""

    hub_id: str = ""
    """Of a model folder."""

    url: str = ""
    """Of a single file that lies on no hub."""

    def remedy(self) -> str:
        """What to do to have them."""
        if self.url:
            return f"download {self.url} ({self.size}, {self.licence}) and name the file in {self.variable}"
        return (
            f"download {self.hub_id} ({self.size}, {self.licence}) with `hf download {self.hub_id}`, or set "
            f"{self.variable} to a folder that holds it or to another hub id ({OPEN_CLIP_HUB}ID: by OpenCLIP)"
        )


CLIP_B16 = Weights("CLIP ViT-B/16", "599 MB", "MIT", "D4K_CLIP_B16", "openai/clip-vit-base-patch16")
CLIP_L14 = Weights("CLIP ViT-L/14", "1.7 GB", "MIT", "D4K_CLIP_L14", "openai/clip-vit-large-patch14")
CLIP_L14_336 = Weights(
    "CLIP ViT-L/14-336", "1.7 GB", "MIT", "D4K_CLIP_L14_336", "openai/clip-vit-large-patch14-336"
)
INCEPTION = Weights(
    "the FID weights of Inception-v3",
    "91 MB",
    "Apache-2.0",
    "D4K_INCEPTION",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
)
AESTHETIC_HEAD = Weights(
    "the aesthetic predictor's weights",
    "3.7 MB",
    "Apache-2.0",
    "D4K_AESTHETIC_HEAD",
    url="https://github.com/christophschuhmann/improved-aesthetic-predictor/raw/main/"
    "sac+logos+ava1-l14-linearMSE.pth",
)

CLIP_OF = {"clip_score": CLIP_B16, "aesthetics": CLIP_L14}
"""Metrics of pictures by a published model in whose place another may be named."""


def by_another(metric: str, place: str) -> str:
    """Such as "by someone/another-clip, as D4K_CLIP_B16 says; published numbers are by openai/clip-vit-base-patch16".

    `place` is what `found` gave for it; empty where that is the published model.
    """
    weights = CLIP_OF[metric]
    if place == weights.hub_id:
        return ""
    return f"by {place}, as {weights.variable} says; published numbers are by {weights.hub_id}"


def found(weights: Weights) -> str:
    """A folder that holds a model, or the hub id where it lies in the cache or can be fetched from; with `hf-hub:`
    before it if OpenCLIP is to open it.

    Raises:
        ValueError: the named place is missing, or nothing is cached and the hub is switched off or does not answer.
    """
    named = os.environ.get(weights.variable)
    if named and Path(named).exists():
        return named
    if named and not _HUB_ID.fullmatch(named):
        raise ValueError(f"{weights.variable} names {named}, which is missing; {weights.remedy()}")
    hub_id = named or weights.hub_id
    if _cached(hub_id):
        return hub_id
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise ValueError(
            f"{weights.name} is not on this machine and the hub is switched off; {weights.remedy()}"
        )
    try:
        _ask_hub(hub_id)
    except Exception as error:  # a network can fail in any way it likes
        raise ValueError(
            f"{weights.name} is not on this machine and the hub does not give {hub_id} "
            f"({' '.join(str(error).split())[:120]}); {weights.remedy()}"
        ) from error
    return hub_id


def found_file(weights: Weights) -> Path:
    """A single file: where the environment says, or where torch keeps its downloads.

    Raises:
        ValueError: it is in neither place.
    """
    named = os.environ.get(weights.variable)
    downloads = Path(os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch")) / "hub" / "checkpoints"
    path = Path(named) if named else downloads / weights.url.rpartition("/")[2]
    if not path.is_file():
        raise ValueError(f"{weights.name} are not at {path}; {weights.remedy()}")
    return path


def _cached(hub_id: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(*_config_of(hub_id)), str)


def _ask_hub(hub_id: str) -> None:
    """One question without retries: a library that opens a model asks for each of its files, and six times each."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    get_hf_file_metadata(hf_hub_url(*_config_of(hub_id)), timeout=HUB_TIMEOUT_S)


def _config_of(hub_id: str) -> tuple[str, str]:
    plain = hub_id.removeprefix(OPEN_CLIP_HUB)
    return plain, "config.json" if plain == hub_id else OPEN_CLIP_CONFIG
