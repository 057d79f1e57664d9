"""The models that the studio knows, as data, and whether one can run here. No torch, no network.

Not here: opening a model (`studio.pipelines`), its files (`studio.model_files`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from studio import model_files

Family = Literal["sd3", "flux"]

PACKAGE_ROOT = Path(__file__).resolve().parents[1]
TOKEN_PLACE = "run `hf auth login`, or put a token of that account into the environment variable HF_TOKEN"

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FAMILY_OF_CLASS: Mapping[str, Family] = {"StableDiffusion3Pipeline": "sd3", "FluxPipeline": "flux"}


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

    max_side_px: int = 8192
    """Longest side that its positions reach."""

    default_steps: int
    default_guidance_scale: float
    default_size_px: tuple[int, int]
    """(width, height)"""

    max_sequence_length: int | None = None
    """Of the T5 text encoder, in tokens, where it is not the pipeline's own: 256 for SD3, 512 for Flux."""

    cpu_dtype: Literal["float32", "bfloat16", "quickest"] = "bfloat16"
    """Weights' dtype on a CPU: bfloat16 takes half the memory; it is also the quickest where the CPU multiplies it
    itself (AVX512-BF16, AMX), else float32 is. Accelerators use bfloat16."""

    note: str = ""

    @property
    def folder(self) -> Path | None:
        """Where it lies on this machine; None for a hub id."""
        beside = PACKAGE_ROOT / self.source
        if Path(self.source).is_absolute():
            return Path(self.source)
        return beside if beside.is_dir() or self.source.startswith("assets/") else None


def _hub_url(hub_id: str) -> str:
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
        default_guidance_scale=3.0,
        default_size_px=(4096, 4096),
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
        gate_url=_hub_url("stabilityai/stable-diffusion-3-medium-diffusers"),
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
        gate_url=_hub_url("stabilityai/stable-diffusion-3.5-medium"),
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
        gate_url=_hub_url("stabilityai/stable-diffusion-3.5-large"),
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
        gate_url=_hub_url("black-forest-labs/FLUX.1-dev"),
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
        gate_url=_hub_url("black-forest-labs/FLUX.1-schnell"),
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
        alignment="reference",
        default_steps=50,
        default_guidance_scale=5.0,
        default_size_px=(4096, 4096),
        note="The paper's FLUX.1 [dev], wavelet fine-tuned for 4096²; takes no negative prompt",
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


def find_model(name: str) -> ModelEntry:
    """The entry of a catalogue id, its hub id, or the folder of any SD3 or Flux pipeline.

    Raises ValueError for anything else. A hub id outside the catalogue must be downloaded first.
    """
    wanted = name.strip()
    for entry in CATALOGUE:
        if wanted.lower() in (entry.id, entry.source.lower()):
            return entry
    folder = Path(wanted).expanduser()
    if wanted and folder.is_dir():
        return _entry_of_folder(folder.resolve())
    if _HUB_ID.fullmatch(wanted) and not folder.is_absolute():
        raise ValueError(
            f"{wanted} is not in the catalogue; download it with `hf download {wanted} --local-dir FOLDER` "
            "and give that folder"
        )
    ids = [entry.id for entry in CATALOGUE]
    hint = "".join(f"; did you mean {near}?" for near in get_close_matches(wanted.lower(), ids, n=1))
    raise ValueError(
        f"there is no model {wanted!r}{hint}; `d4k models` lists them, and any pipeline folder will do"
    )


def check_size(entry: ModelEntry, width_px: int, height_px: int) -> None:
    """Raise ValueError if the model does not reach that far."""
    if max(width_px, height_px) > entry.max_side_px:
        raise ValueError(
            f"{entry.title} draws up to {entry.max_side_px} px a side, got {width_px} x {height_px}; "
            "choose a smaller size or another model"
        )


def check_available(entry: ModelEntry, *, environ: Mapping[str, str] | None = None) -> None:
    """Raise ValueError, with the remedy, if the model certainly cannot run here.

    Looks only at this machine: a hub model that is not here yet passes if it may be fetched. `environ` is
    where tokens and the offline switch are looked for; None is the process's own.
    """
    environ = os.environ if environ is None else environ
    folder = entry.folder
    if folder is not None:
        if not (folder / "model_index.json").is_file():
            raise ValueError(
                f"{entry.title} is not where it should be: {folder} has no model_index.json; restore it"
            )
        if missing := model_files.missing_files(folder):
            raise ValueError(
                f"{entry.title} is only half here: {folder} lacks {', '.join(missing)}; download it again"
            )
        return
    cached = cached_folder(entry.source)
    lacking = ["all of its files"] if cached is None else model_files.missing_files(cached)
    if not lacking:
        return
    if entry.gated and not _has_token(environ):
        raise ValueError(
            f"{entry.title} is gated: accept its licence at {entry.gate_url} while logged in, "
            f"then {TOKEN_PLACE}"
        )
    if environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise ValueError(
            f"{entry.title} is not on this machine (missing: {', '.join(lacking)}) and HF_HUB_OFFLINE "
            "forbids to fetch it; unset that, or choose micro-4k"
        )


def cached_folder(hub_id: str) -> Path | None:
    """The folder of a hub model in the local cache, whole or not; None if not even begun."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub_id, "model_index.json")
    return Path(found).parent if isinstance(found, str) else None


def weights_hash(entry: ModelEntry) -> str:
    """16 hex digits that tell apart weights, see `model_files.weights_hash`. The model must be here."""
    folder = entry.folder if entry.folder is not None else cached_folder(entry.source)
    if folder is None:
        raise ValueError(f"{entry.title} is not on this machine yet")
    return model_files.weights_hash(folder)


def _has_token(environ: Mapping[str, str]) -> bool:
    if environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN"):
        return True
    home = environ.get("HF_HOME", "~/.cache/huggingface")
    return Path(environ.get("HF_TOKEN_PATH", f"{home}/token")).expanduser().is_file()


def _entry_of_folder(folder: Path) -> ModelEntry:
    found = model_files.pipeline_class(folder)
    if found not in _FAMILY_OF_CLASS:
        raise ValueError(f"{folder} is a {found}; the studio draws with {' and '.join(_FAMILY_OF_CLASS)}")
    family = _FAMILY_OF_CLASS[found]
    f16 = model_files.is_f16_folder(folder)
    side_px = 2048 if f16 else 1024
    return ModelEntry(
        id=str(folder),
        title=folder.name,
        family=family,
        source=str(folder),
        licence="as its folder says",
        autoencoder="f16" if f16 else "f8",
        alignment=model_files.f16_alignment(folder),
        default_steps=28,
        default_guidance_scale=3.5,
        default_size_px=(side_px, side_px),
        cpu_dtype="float32" if _is_small(folder) else "bfloat16",
        note="A folder on this machine",
    )


def _is_small(folder: Path) -> bool:
    """Below 2 GiB of weights, float32 fits any machine."""
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors")) < 2 * 2**30
