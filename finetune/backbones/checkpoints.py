"""Opening model folders, published ones with broken layouts too, and saying what was repaired.

Two layouts of Diffusion-4K checkpoints need repair (`finetune.model_folder`): stock diffusers cannot import the
reference code's own VAE class, and makes an F8 decoder of a config that forgets its stride. Nothing on disk is changed.
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
from typing import Literal

import torch
from diffusers import AutoencoderKL
from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from finetune.backbones.autoencoder import Alignment, make_f16
from finetune.model_folder import (
    INDEX,
    OUR_VAE_KEYS,
    STOCK_VAE,
    ModelFolder,
    missing_in,
    vae_facts,
    variant_in,
)
from finetune.named_paths import expanded, is_folder
from finetune.weight_files import SUFFIX

Autoencoder = Literal["auto", "f8", "f16"]
"""Which VAE to open: "auto" is what its folder says (`finetune.model_folder.vae_facts`)."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SECOND_COPIES = [
    "*.fp16.*",
    "*.fp16-*",
    "*.bf16.*",
    "*.bf16-*",
    "*.fp8.*",
    "*.fp8-*",
    "*.non_ema.*",
    "*.non_ema-*",
]
"""What is not fetched, see `finetune.weight_files.variant_of`."""


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
    facts, repairs = vae_facts(folder), []
    if autoencoder == "f8" and facts.is_f16:
        raise ValueError(f"{folder} is an F16 VAE (stride 2), not F8 as asked; ask for autoencoder='f16'")
    f16 = autoencoder == "f16" or (autoencoder == "auto" and facts.is_f16)
    if f16 and not facts.says_stride:
        repairs.append(
            "vae/config.json does not say `stride: 2`, though the checkpoint is used as F16; it was set to 2."
        )
    if facts.class_name != "AutoencoderKL":
        repairs.append(
            f"vae/config.json names the class {facts.class_name!r}; it was opened as AutoencoderKL."
        )
    with _unknown_keys_unmentioned():
        vae = AutoencoderKL.from_pretrained(
            str(folder),
            dtype=dtype,
            variant=variant_in(folder) or None,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=True,
        )
    if f16:
        make_f16(vae, alignment=alignment)
    return vae.to(device).eval(), tuple(repairs)


def pipeline_folder(source: str | Path) -> Path:
    """Return the local folder of a pipeline, fetching a hub id's safetensors, configs and tokenizers first.

    Raises ValueError for what is neither a folder nor a hub id, and for a folder that lacks weights.
    """
    found = ModelFolder.open(_local_folder(source, [INDEX]))
    if not is_folder(expanded(source)):
        kinds = (f"*{SUFFIX}", f"*{SUFFIX}.index.json", "*.json", "*.txt", "*.model")
        _local_folder(source, [INDEX, *(f"{part}/{kind}" for part in found.present for kind in kinds)])
    if missing := found.missing():
        raise ValueError(
            f"{found.path} is incomplete, it lacks {', '.join(missing)}; download the model again to fetch them"
        )
    return found.path


def absent_components(folder: Path) -> dict[str, None]:
    """Components saved as `[null, null]`: stock `from_pretrained` insists on being handed each None."""
    found = ModelFolder.open(folder)
    return dict.fromkeys(found.components.keys() - set(found.present))


@contextmanager
def stock_layout(folder: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Give a view of `folder` that stock `from_pretrained` can read, and what was repaired in it.

    Usually the folder itself. Where the VAE's class is not diffusers' own, a temporary folder of links with a
    mended `model_index.json`; it lasts as long as the `with` block.
    """
    found = ModelFolder.open(folder)
    if found.index.get("vae") == STOCK_VAE:
        yield folder, ()
        return
    named = ".".join(str(part) for part in found.index.get("vae", ["nothing"]))
    repair = f"model_index.json names the VAE class {named}; diffusers' AutoencoderKL was used."
    with tempfile.TemporaryDirectory() as name:
        view = Path(name)
        for component in found.components:
            if (folder / component).is_dir():
                (view / component).symlink_to((folder / component).resolve(), target_is_directory=True)
        mended = {**found.index, "vae": STOCK_VAE}
        (view / INDEX).write_text(json.dumps(mended), encoding="utf-8")
        yield view, (repair,)


def _vae_folder(source: str | Path) -> Path:
    folder = _local_folder(source, ["config.json", "*.safetensors", "vae/config.json", "vae/*.safetensors"])
    for candidate in (folder / "vae", folder):
        if (candidate / "config.json").is_file():
            if missing := missing_in(candidate):
                raise ValueError(
                    f"{candidate} is incomplete, it lacks {', '.join(missing)}; download it again"
                )
            return candidate
    raise ValueError(
        f"{folder} has no vae/config.json and no config.json; give a pipeline's or a VAE's folder"
    )


def _local_folder(source: str | Path, patterns: list[str]) -> Path:
    folder = expanded(source)
    if is_folder(folder):
        return folder
    if not _HUB_ID.fullmatch(str(source)):
        raise ValueError(f"{source} is not a folder, nor a hub id such as owner/name; check the path")
    hub_id = str(source)
    try:
        return Path(snapshot_download(hub_id, allow_patterns=patterns, ignore_patterns=_SECOND_COPIES))
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


@contextmanager
def _unknown_keys_unmentioned() -> Iterator[None]:
    """Keep diffusers from logging that it ignores keys of ours."""
    logger = logging.getLogger("diffusers.configuration_utils")

    def other_than_ours(record: logging.LogRecord) -> bool:
        return not any(f"'{key}'" in record.getMessage() for key in OUR_VAE_KEYS)

    logger.addFilter(other_than_ours)
    try:
        yield
    finally:
        logger.removeFilter(other_than_ours)
