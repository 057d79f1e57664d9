"""Latents and text embeddings on disk, so that no encoder need be in memory while training.

Each file is named by the hash of all that decides its content: picture bytes, crop, caption, model, dtype and
settings. What did not change is therefore not encoded twice, and two datasets may share a folder. Numbers are kept in
the dtype they were encoded in: reading gives, bit for bit, what encoding at once would. Not here: choosing the crops
(`finetune.data.scan`), encoding (`finetune.backbones.decoding`, `finetune.backbones.text_embeddings`), what the files
take and clearing them (`finetune.data.cache_space`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from finetune.backbones import Family
from finetune.backbones.autoencoder import vae_scale_factor
from finetune.backbones.decoding import Encoded, encode_image, vae_path
from finetune.backbones.text_embeddings import TextEmbeddings, encode_caption
from finetune.data.buckets import Crop
from finetune.data.cache_files import VERSION, Contents, cache_name, is_whole, read_tensors, write_tensors
from finetune.data.cache_space import CONTENTS, INDEX, LATENTS, TEXT
from finetune.data.dataset import Dataset
from finetune.data.exclusions import write_json
from finetune.data.trained_pixels import trained_pixels
from finetune.json_text import parse_json
from finetune.whole_files import sweep_parts

OnProgress = Callable[[str, int, int], bool]
"""("captions" or "pictures", done, of how many); False asks to stop."""


class CacheStopped(Exception):
    """`on_progress` asked to stop. What was encoded stays; building again goes on from there."""


class CachedItem(NamedTuple):
    """One training example."""

    latents: Tensor
    """(C, h, w) float32, normalised as the transformer sees them, not packed."""

    prompt_embeds: Tensor
    """(tokens, d)"""

    pooled_prompt_embeds: Tensor
    """(d_pooled,)"""

    size_px: tuple[int, int]
    """(width, height) of the crop."""


@dataclass(frozen=True, slots=True)
class CachedDataset:
    """Everything of one dataset, model and choice of crops. Tensors are read when asked for."""

    folder: Path
    entries: tuple[tuple[str, str, str], ...]
    """(file name, name of its latents, name of its text) per index."""

    sizes_px: tuple[tuple[int, int], ...]
    """(width, height) per index, for batches of one size."""

    empty_text: TextEmbeddings
    """Of no caption: what caption dropout puts in."""

    digest: str
    """16 hex digits that tell apart what is trained on: pictures, crops, captions, model, settings."""

    def __len__(self) -> int:
        return len(self.entries)

    def item(self, index: int) -> CachedItem:
        """Read one example. Raises ValueError where its files are damaged or gone."""
        _, latents, text = self.entries[index]
        return CachedItem(
            read_tensors(self.folder / LATENTS / latents)["latents"].float(),
            *_text(self.folder / TEXT / text),
            self.sizes_px[index],
        )


def build_cache(
    pipeline: DiffusionPipeline,
    family: Family,
    dataset: Dataset,
    crops: Sequence[Crop],
    folder: Path,
    *,
    model_digest: str,
    max_sequence_length: int | None = None,
    centred: bool = True,
    on_progress: OnProgress | None = None,
) -> CachedDataset:
    """Encode what is not there yet: all captions first, then all crops (the posterior's mean).

    Args:
        model_digest: Tells the weights of the VAE and the text encoders apart.
        max_sequence_length: Of T5, see `text_embeddings.encode_caption`.
        centred: Subtract the VAE's own shift from latents; False as the published SD3 run.

    Raises:
        CacheStopped: `on_progress` answered False.
        ValueError: no crops; a picture that is gone or changed; no space.
    """
    if not crops:
        raise ValueError("no picture is left to train on; scan the dataset and look at the reasons")
    sweep_parts(folder / TEXT, folder / LATENTS)
    captions = {item.file_name: "" if item.caption is None else item.caption for item in dataset.items}
    if unknown := [crop.file_name for crop in crops if crop.file_name not in captions]:
        raise ValueError(f"{unknown[0]} is no longer in {dataset.root}; scan the dataset again")
    wanted = {captions[crop.file_name] for crop in crops} | {""}
    text_settings = (family.name, model_digest, str(_text_dtype(pipeline)), str(max_sequence_length))
    text_names = {caption: cache_name(*text_settings, caption) for caption in sorted(wanted)}
    left_in = () if centred else ("the VAE's shift left in",)
    latent_settings = (model_digest, str(pipeline.vae.dtype), str(vae_scale_factor(pipeline.vae)), *left_in)
    (folder / LATENTS).mkdir(parents=True, exist_ok=True)
    (folder / TEXT).mkdir(exist_ok=True)
    for done, (caption, name) in enumerate(text_names.items()):
        _tell(on_progress, "captions", done, len(text_names))
        if not is_whole(folder / TEXT / name):
            encoded = encode_caption(pipeline, family, caption, max_sequence_length=max_sequence_length)
            write_tensors(folder / TEXT / name, encoded._asdict())
    contents = Contents(folder / CONTENTS, dataset.root)
    latent_names, in_tiles = [], 0

    def tell(done: int) -> None:
        memory_was_short = f", {in_tiles} of them in tiles: memory was too short" if in_tiles else ""
        _tell(on_progress, f"pictures{memory_was_short}", done, len(crops))

    try:
        for done, crop in enumerate(crops):
            tell(done)
            name = cache_name(
                *latent_settings, contents.digest(crop.file_name), str(crop.box), str(crop.size_px)
            )
            latent_names.append(name)
            if not is_whole(folder / LATENTS / name):
                latents, path = _encode(pipeline, dataset.root, crop, centred=centred)
                in_tiles += path != vae_path(pipeline.vae)
                write_tensors(folder / LATENTS / name, {"latents": latents[0].cpu().contiguous()})
    finally:
        contents.keep()
    entries = [
        (crop.file_name, name, text_names[captions[crop.file_name]])
        for crop, name in zip(crops, latent_names, strict=True)
    ]
    index = {
        "version": VERSION,
        "digest": cache_name(text_names[""], *(part for entry in entries for part in entry[1:]))[:16],
        "empty_text": text_names[""],
        "entries": entries,
        "sizes_px": [crop.size_px for crop in crops],
    }
    write_json(folder / INDEX, index)
    tell(len(crops))
    return open_cache(folder)


def open_cache(folder: Path, *, index_file: Path | None = None) -> CachedDataset:
    """What was built last in `folder`, or what a kept copy of its index lists.

    Raises ValueError where it is missing, unfinished or of a newer version.
    """
    try:
        index_file = folder / INDEX if index_file is None else index_file
        index = parse_json(index_file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{folder} holds no finished cache; build it with `d4k dataset cache`") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{index_file} cannot be read ({error}); build the cache again") from error
    if index["version"] > VERSION:
        raise ValueError(f"{folder} was built by a newer studio; build the cache again, or update the studio")
    entries = tuple((str(a), str(b), str(c)) for a, b, c in index["entries"])
    gone = sum(
        not (folder / LATENTS / latents).is_file() or not (folder / TEXT / text).is_file()
        for _, latents, text in entries
    )
    if gone:
        raise ValueError(f"{gone} of {len(entries)} examples are gone from {folder}; build the cache again")
    return CachedDataset(
        folder=folder,
        entries=entries,
        sizes_px=tuple((int(width), int(height)) for width, height in index["sizes_px"]),
        empty_text=_text(folder / TEXT / index["empty_text"]),
        digest=str(index["digest"]),
    )


def _encode(pipeline: DiffusionPipeline, root: Path, crop: Crop, *, centred: bool) -> Encoded:
    return encode_image(pipeline.vae, trained_pixels(root, crop), centred=centred)


def _text_dtype(pipeline: DiffusionPipeline) -> torch.dtype:
    dtype: torch.dtype = pipeline.text_encoder.dtype
    return dtype


def _text(path: Path) -> TextEmbeddings:
    return TextEmbeddings(**read_tensors(path))


def _tell(on_progress: OnProgress | None, what: str, done: int, total: int) -> None:
    if on_progress is not None and not on_progress(what, done, total):
        raise CacheStopped
