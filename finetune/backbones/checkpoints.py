"""Opening model folders, published ones with broken layouts too, and saying what was repaired.

Two layouts of Diffusion-4K checkpoints need repair: those saved with the reference code's own class
(`["autoencoder_kl", "AutoencoderKL"]` in `model_index.json`), which stock diffusers cannot import, and those
saved with the stock class, whose VAE config forgets that it is F16. Nothing on disk is changed.
Not here: what F16 is (`finetune.backbones.autoencoder`), what differs between families (`finetune.backbones`).
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL
from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from finetune.backbones.autoencoder import Alignment, make_f16

Autoencoder = Literal["auto", "f8", "f16"]
"""Which VAE to open: "auto" is F16 where the config says `stride: 2`, else F8."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
_VARIANTS = [
    "*.fp16.*",
    "*.fp16-*",
    "*.bf16.*",
    "*.bf16-*",
    "*.non_ema.*",
]  # second copies of the same weights


def load_autoencoder(
    source: str | Path,
    *,
    autoencoder: Autoencoder = "auto",
    alignment: Alignment | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> tuple[AutoencoderKL, tuple[str, ...]]:
    """Open the VAE of a pipeline folder, a VAE folder or a hub id, made F16 where asked or declared.

    Returns the VAE in eval mode, and one sentence for each thing that had to be repaired.
    """
    folder = _vae_folder(source)
    config = _read_json(folder / "config.json")
    stride, repairs = config.get("stride"), []
    if stride not in (None, 1, 2):
        raise ValueError(f"{folder}/config.json says stride {stride!r}; F16 says 2, F8 says 1 or nothing")
    if autoencoder == "f8" and stride == 2:
        raise ValueError(f"{folder} is an F16 VAE (stride 2), not F8 as asked; ask for autoencoder='f16'")
    f16 = autoencoder == "f16" or (autoencoder == "auto" and stride == 2)
    if f16 and stride != 2:
        repairs.append(
            "vae/config.json does not say `stride: 2`, though the checkpoint is used as F16; it was set to 2."
        )
    if config.get("_class_name") != "AutoencoderKL":
        repairs.append(
            f"vae/config.json names the class {config.get('_class_name')!r}; it was opened as AutoencoderKL."
        )
    with _unknown_keys_unmentioned():
        vae = AutoencoderKL.from_pretrained(
            str(folder), dtype=dtype, use_safetensors=True, local_files_only=True, low_cpu_mem_usage=True
        )
    if f16:
        make_f16(vae, alignment=alignment)
    return vae.to(device).eval(), tuple(repairs)


def pipeline_folder(source: str | Path) -> Path:
    """Return the local folder of a pipeline, fetching a hub id's safetensors, configs and tokenizers first.

    Raises ValueError for what is neither a folder nor a hub id, and for a folder that lacks weights.
    """
    folder = _local_folder(source, ["model_index.json"])
    if not (folder / "model_index.json").is_file():
        raise ValueError(f"{folder} has no model_index.json; give the folder of a whole diffusers pipeline")
    components = [name for name, entry in _components(folder).items() if entry[0] is not None]
    if not Path(source).expanduser().is_dir():
        kinds = (*_WEIGHTS, "*.json", "*.txt", "*.model")
        folder = _local_folder(source, ["model_index.json", *(f"{c}/{k}" for c in components for k in kinds)])
    missing = [wanted for name in components for wanted in _missing_files(folder / name)]
    if missing:
        raise ValueError(
            f"{folder} is incomplete, it lacks {', '.join(missing)}; download the model again to fetch them"
        )
    return folder


def pipeline_class_name(folder: Path) -> str:
    """The pipeline class that `model_index.json` names."""
    return str(_read_json(folder / "model_index.json").get("_class_name"))


def absent_components(folder: Path) -> dict[str, None]:
    """Components saved as `[null, null]`: stock `from_pretrained` insists on being handed each None."""
    return {name: None for name, entry in _components(folder).items() if entry[0] is None}


@contextmanager
def stock_layout(folder: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Give a view of `folder` that stock `from_pretrained` can read, and what was repaired in it.

    Usually the folder itself. Where the VAE's class is not diffusers' own, a temporary folder of links with a
    mended `model_index.json`; it lasts as long as the `with` block.
    """
    index = _read_json(folder / "model_index.json")
    if index.get("vae") == ["diffusers", "AutoencoderKL"]:
        yield folder, ()
        return
    named = ".".join(str(part) for part in index.get("vae", ["nothing"]))
    repair = f"model_index.json names the VAE class {named}; diffusers' AutoencoderKL was used."
    with tempfile.TemporaryDirectory() as name:
        view = Path(name)
        for component in _components(folder):
            if (folder / component).is_dir():
                (view / component).symlink_to((folder / component).resolve(), target_is_directory=True)
        mended = index | {"vae": ["diffusers", "AutoencoderKL"]}
        (view / "model_index.json").write_text(json.dumps(mended), encoding="utf-8")
        yield view, (repair,)


def _vae_folder(source: str | Path) -> Path:
    folder = _local_folder(source, ["config.json", "*.safetensors", "vae/config.json", "vae/*.safetensors"])
    for candidate in (folder / "vae", folder):
        if (candidate / "config.json").is_file():
            if missing := _missing_files(candidate):
                raise ValueError(
                    f"{candidate} is incomplete, it lacks {', '.join(missing)}; download it again"
                )
            return candidate
    raise ValueError(
        f"{folder} has no vae/config.json and no config.json; give a pipeline's or a VAE's folder"
    )


def _local_folder(source: str | Path, patterns: list[str]) -> Path:
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if not _HUB_ID.fullmatch(str(source)):
        raise ValueError(f"{source} is not a folder, nor a hub id such as owner/name; check the path")
    hub_id = str(source)
    try:
        return Path(snapshot_download(hub_id, allow_patterns=patterns, ignore_patterns=_VARIANTS))
    except GatedRepoError as error:
        raise ValueError(
            f"{hub_id} is gated: accept its licence at https://huggingface.co/{hub_id} while logged in, then "
            "run `hf auth login` here or set HF_TOKEN to a token of that account"
        ) from error
    except RepositoryNotFoundError as error:
        raise ValueError(
            f"{hub_id} is neither a folder here nor a model on the hub; check the name"
        ) from error
    except LocalEntryNotFoundError as error:
        raise ValueError(
            f"{hub_id} is not on this machine and the hub cannot be reached; connect once to download it"
        ) from error


def _components(folder: Path) -> dict[str, list[Any]]:
    index = _read_json(folder / "model_index.json")
    return {k: v for k, v in index.items() if not k.startswith("_") and isinstance(v, list) and len(v) == 2}


def _missing_files(folder: Path) -> list[str]:
    """Names, relative to the parent of `folder`, of files that it should hold and does not."""
    if not folder.is_dir():
        return [f"{folder.name}/"]
    for index_file in folder.glob("*.safetensors.index.json"):
        if any(Path(index_file.name).match(variant) for variant in _VARIANTS):
            continue
        shards = sorted(set(_read_json(index_file)["weight_map"].values()))
        return [f"{folder.name}/{shard}" for shard in shards if not (folder / shard).is_file()]
    is_model = (folder / "config.json").is_file()
    if is_model and not any(folder.glob("*.safetensors")):
        return [f"{folder.name}/*.safetensors"]
    return []


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; download the model again") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not readable JSON ({error}); download the model again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not an object; download the model again")
    return content


@contextmanager
def _unknown_keys_unmentioned() -> Iterator[None]:
    """Keep diffusers from logging that it ignores `stride`: we do not."""
    logger = logging.getLogger("diffusers.configuration_utils")

    def other_than_ours(record: logging.LogRecord) -> bool:
        return "'stride'" not in record.getMessage() and "'f16_alignment'" not in record.getMessage()

    logger.addFilter(other_than_ours)
    try:
        yield
    finally:
        logger.removeFilter(other_than_ours)
