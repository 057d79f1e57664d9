"""Models by name: of the catalogue, of the hub, folders and files of one's own; and whether one can run here.

No torch, no network. Not here: opening a model (`studio.pipeline.opening`), what a folder is (`finetune.model_folder`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path

from finetune.drawing.speed_names import SpeedOptions
from finetune.model_folder import INDEX, ModelFolder
from finetune.named_paths import is_folder
from finetune.weight_files import SUFFIX, file_hash
from finetune.weight_files import weights_hash as hash_of_folder
from studio.home.roots import check_inside, is_inside, named_path
from studio.home.settings import is_hosted
from studio.models.catalogue import CATALOGUE, Family, ModelEntry, hub_url
from studio.models.weights_kind import transformer_in
from studio.render_request import MAX_SIDE_PX

TOKEN_PLACE = "run `hf auth login`, or put a token of that account into the environment variable HF_TOKEN"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class Gated(ValueError):
    """A model whose licence must be accepted on the hub before it can be fetched."""


class Offline(ValueError):
    """A model that is not here while nothing may be fetched."""


def find_model(name: str, *, environ: Mapping[str, str] | None = None) -> ModelEntry:
    """The entry of a catalogue id or hub id, of a hub id that was downloaded, or of a pipeline folder.

    Raises ValueError for anything else, and on a public host (`environ`, None is the process's own) for folders.
    """
    wanted = name.strip()
    for entry in CATALOGUE:
        if wanted.lower() in (entry.id, entry.source.lower()):
            return entry
    file, _, base = wanted.partition(f"{SUFFIX}@")
    is_file = wanted.endswith(SUFFIX) or bool(base)
    if is_hosted(os.environ if environ is None else environ):
        if not _HUB_ID.fullmatch(wanted) or ".." in wanted:
            raise ValueError(f"there is no model {wanted[:80]!r} in this studio; choose one of the list")
    elif is_file:
        single = named_path(f"{file.removesuffix(SUFFIX)}{SUFFIX}", environ=environ)
        check_inside(single, environ=environ)
        if is_folder(single) and not base:
            return _entry_of_folder(single.resolve())
        return _entry_of_file(single, base or None)
    elif wanted:
        folder = named_path(wanted, environ=environ)
        if is_inside(folder, environ=environ) and is_folder(folder):
            return _entry_of_folder(folder.resolve())
        if len(folder.parts) > 1 and not _HUB_ID.fullmatch(wanted):
            check_inside(folder, environ=environ)  # nobody learns whether it is there
    if _HUB_ID.fullmatch(wanted):
        cached = cached_folder(wanted)
        if cached is not None:
            return replace(
                _entry_of_folder(cached),
                id=wanted,
                title=wanted.split("/")[1],
                source=wanted,
                licence=f"as {hub_url(wanted)} says",
                note="From the hub",
            )
        raise ValueError(
            f"{wanted} is not in the catalogue; download it with `d4k models pull {wanted}` and choose it again"
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


def check_options(entry: ModelEntry, *, rope: str, speed: str) -> None:
    """Raise ValueError for what the model's family cannot have."""
    options = SpeedOptions.parse(speed)
    wanted = [f"positions {rope}"] if rope != "none" else []
    wanted += ["first_block_cache"] if options.cache_threshold is not None else []
    wanted += ["attention"] if options.attention is not None else []
    if wanted and entry.family != "flux":
        raise ValueError(f"{' and '.join(wanted)} are for FLUX models, {entry.title} is none; leave that out")


def check_is_folder(entry: ModelEntry) -> None:
    """Raise ValueError for a model of one file: training and export start from whole folders."""
    if entry.transformer_file is not None:
        raise ValueError(
            f"{entry.title} is one file, and this needs a pipeline folder; give one, such as "
            "`StableDiffusion3Pipeline.save_pretrained` or `FluxPipeline.save_pretrained` writes"
        )


def check_available(entry: ModelEntry, *, environ: Mapping[str, str] | None = None) -> None:
    """Raise ValueError (`Gated` and `Offline` among them), with the remedy, if the model certainly cannot run here.

    Looks only at this machine: a hub model that is not here yet passes if it may be fetched. `environ` is
    where tokens and the offline switch are looked for; None is the process's own.
    """
    environ = os.environ if environ is None else environ
    folder = entry.folder
    if folder is not None:
        if not (folder / INDEX).is_file():
            raise ValueError(
                f"{entry.title} is not where it should be: {folder} has no model_index.json; restore it"
            )
        _refuse_foreign_code(entry.title, folder)
        if missing := ModelFolder.open(folder).missing():
            raise ValueError(
                f"{entry.title} is only half here: {folder} lacks {', '.join(missing)}; download it again"
            )
        return
    cached = cached_folder(entry.source)
    lacking = ["all of its files"] if cached is None else _lacking(entry, cached)
    if not lacking:
        return
    if entry.gated and not _has_token(environ):
        raise Gated(
            f"{entry.title} is gated: accept its licence at {entry.gate_url} while logged in, "
            f"then {TOKEN_PLACE}"
        )
    if environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise Offline(
            f"{entry.title} is not on this machine (missing: {', '.join(lacking)}) and HF_HUB_OFFLINE "
            "forbids to fetch it; unset that, or choose micro-4k"
        )


def _lacking(entry: ModelEntry, cached: Path) -> list[str]:
    """What a snapshot in the hub's cache needs yet. ValueError for one that cannot be drawn with."""
    try:
        found = ModelFolder.open(cached)
        lacking = found.missing() if found.family == entry.family else [INDEX]
    except ValueError as error:
        raise ValueError(f"{entry.title} is damaged in the hub's cache: {error}") from error
    _refuse_foreign_code(entry.title, cached)
    return lacking


def is_here(entry: ModelEntry) -> bool:
    """Whether every file that it needs is on this machine."""
    folder = cached_folder(entry.source) if entry.folder is None else entry.folder
    if folder is None:
        return False
    try:
        found = ModelFolder.open(folder)
        return found.family == entry.family and not found.missing()
    except ValueError:  # a damaged one is not here; `check_available` says what is wrong with it
        return False


def check_index(name: str, folder: Path) -> Family:
    """The family of a pipeline, by its `model_index.json` alone: weights need not be there yet.

    Raises ValueError for a pipeline that is not drawn with here, and for one that brings code of its own.
    """
    _refuse_foreign_code(name, folder)
    return ModelFolder.open(folder).family


def hub_id_of(model: str) -> str:
    """Of a catalogue id or a hub id. Raises ValueError for a model that is a folder."""
    for entry in CATALOGUE:
        if model.strip().lower() in (entry.id, entry.source.lower()):
            if entry.folder is not None:
                raise ValueError(f"{entry.title} lies in {entry.folder}, it does not come from the hub")
            return entry.source
    folder = named_path(model)
    if is_inside(folder) and is_folder(folder):
        raise ValueError(f"{model} is a folder of this machine, it does not come from the hub")
    return model.strip()


def cached_folder(hub_id: str) -> Path | None:
    """The folder of a hub model in the local cache, whole or not; None if not even begun."""
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(hub_id, "model_index.json")
    except (OSError, ValueError):  # what lies there is no cache of it; a download puts it right
        return None
    return Path(found).parent if isinstance(found, str) else None


def whole_source(entry: ModelEntry) -> str | Path:
    """What opening it is told: its folder where every file is here, else its hub id.

    A model that is here is opened as it is: the hub is not asked, and nothing newer comes unasked.
    """
    if entry.folder is not None:
        return entry.folder
    folder = cached_folder(entry.source)
    return folder if folder is not None and is_here(entry) else entry.source


def weights_hash(entry: ModelEntry) -> str:
    """16 hex digits that tell apart weights, see `finetune.weight_files.weights_hash`. The model must be here."""
    folder = entry.folder if entry.folder is not None else cached_folder(entry.source)
    if folder is None:
        raise ValueError(f"{entry.title} is not on this machine yet")
    if entry.transformer_file is None:
        return hash_of_folder(folder)
    both = f"{hash_of_folder(folder)} {file_hash(entry.transformer_file)}"
    return sha256(both.encode()).hexdigest()[:16]


def _refuse_foreign_code(title: str, folder: Path) -> None:
    if code := ModelFolder.open(folder).foreign_code:
        raise ValueError(
            f"{title} wants to run code of its own for {', '.join(code)}, which could do anything here; "
            "choose a model made of diffusers' and transformers' classes"
        )


def _has_token(environ: Mapping[str, str]) -> bool:
    if environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN"):
        return True
    home = environ.get("HF_HOME", "~/.cache/huggingface")
    return Path(environ.get("HF_TOKEN_PATH", f"{home}/token")).expanduser().is_file()


def _entry_of_folder(folder: Path) -> ModelEntry:
    found = ModelFolder.open(folder)
    family = found.family
    for entry in CATALOGUE:  # its snapshot in the hub's cache, named by its path
        if f"models--{entry.source.replace('/', '--')}" in folder.parts:
            return replace(entry, id=str(folder), source=str(folder), gated=False, gate_url=None)
    vae = found.vae if (folder / "vae" / "config.json").is_file() else None
    side_px = 2048 if vae is not None and vae.is_f16 else 1024
    reach_px = found.max_side_px if vae is not None else None
    return ModelEntry(
        id=str(folder),
        title=folder.name,
        family=family,
        source=str(folder),
        licence="as its folder says",
        autoencoder="f16" if vae is not None and vae.is_f16 else "f8",
        alignment="exact" if vae is None else vae.alignment,
        max_side_px=MAX_SIDE_PX if reach_px is None else min(reach_px, MAX_SIDE_PX),
        default_steps=28,
        default_guidance_scale=3.5,
        default_size_px=(side_px, side_px),
        cpu_dtype="float32" if _is_small(folder) else "bfloat16",
        note="A folder on this machine",
    )


def _entry_of_file(path: Path, base: str | None) -> ModelEntry:
    """Its transformer with everything else of `base`; None: of the catalogue model that it was made from."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}; check the path")
    found = transformer_in(path)
    rest = find_model(found.usual_base if base is None else base)
    if rest.family != found.family:
        raise ValueError(
            f"{path.name} is a {found.family} model and {rest.title} is {rest.family}; name another base"
        )
    if not is_here(rest):
        how = f"`d4k models pull {rest.id}` brings them" if base is None else "download it first"
        raise ValueError(
            f"{path.name} needs the text encoders and the VAE of {rest.title}, which is not here; {how}, or name "
            "another base as FILE@MODEL"
        )
    path = path.resolve()
    return replace(
        rest,
        id=str(path) if base is None else f"{path}@{base}",
        title=path.stem,
        licence="as its makers say",
        note=f"One file; text encoders and VAE of {rest.title}",
        transformer_file=path,
        gated=False,
        gate_url=None,
    )


def _is_small(folder: Path) -> bool:
    """Below 2 GiB of weights, float32 fits any machine."""
    files = [path for path in folder.rglob("*.safetensors") if path.is_file()]
    return sum(path.stat().st_size for path in files) < 2 * 2**30
