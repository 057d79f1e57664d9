"""Before the first step: scan, encode, measure. Kept in the run's folder, so that going on needs no encoder.

Not here: judging pictures (`finetune.data.scan`), encoding (`finetune.data.cache`), training (`finetune.loop`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import diffusers
import torch
from diffusers import DiffusionPipeline

from finetune.backbones import Family, family_of
from finetune.backbones.checkpoints import pipeline_folder
from finetune.backbones.text_embeddings import TextEmbeddings, encode_caption
from finetune.config.run_config import FinetuneConfig
from finetune.data.archives import only_folder, unpack_zip
from finetune.data.batches import split_validation
from finetune.data.cache import CachedDataset, build_cache, open_cache
from finetune.data.cache_files import read_tensors, write_tensors
from finetune.data.cache_space import INDEX
from finetune.data.dataset import Dataset, open_dataset
from finetune.data.encoder_digest import encoder_digest
from finetune.data.scan import ScanReport, ScanSettings, scan
from finetune.data.token_limits import token_limits
from finetune.json_text import parse_json
from finetune.named_paths import expanded, is_folder
from finetune.objectives.losses import energy_of_bands
from finetune.objectives.wavelet_fit import check_wavelet
from finetune.run_folder import RunFolder, write_whole
from finetune.whole_files import sweep_parts, whole_file

PREPARED, INDEX_COPY, PROMPTS = "prepared.json", "examples.json", "prompts.safetensors"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LEAST_MULTIPLE_PX = 32

OnStage = Callable[[str, str], None]
"""(stage, what of it); raises to stop."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that training reads."""

    data: CachedDataset
    train: list[int]
    """Indexes of the examples trained on."""

    validation: list[int]
    """Of those kept out of it."""

    prompts: tuple[TextEmbeddings, ...]
    """Of `samples.prompts`."""

    band_energy: tuple[float, ...] | None
    """Of the training examples, where the objective is weighted by it."""


def base_folder(base: str) -> Path:
    """The folder of `model.base`: as it is, beside the package, or fetched from the hub."""
    beside = Path(__file__).parents[1] / base
    return pipeline_folder(beside if not is_folder(expanded(base)) and beside.is_dir() else base)


def scan_settings(config: FinetuneConfig, *, multiple_px: int, max_side_px: int | None) -> ScanSettings:
    """What the dataset is judged by: the same as `d4k dataset scan`."""
    return ScanSettings(
        resolution_px=config.data.resolution_px,
        multiple_px=max(LEAST_MULTIPLE_PX, multiple_px),
        square_only=config.data.square_only,
        max_side_px=max_side_px,
    )


def prepare(run: RunFolder, config: FinetuneConfig, *, device: torch.device, on_stage: OnStage) -> None:
    """Scan the dataset, encode what is not in the cache, measure bands; writes `prepared.json`. Done once a run.

    Raises ValueError for a dataset or a model that cannot be used, and where the dataset has changed since.
    """
    if (run.path / PREPARED).exists():
        try:
            open_prepared(run, config)
            return
        except ValueError as error:
            on_stage("opening the model", f"the cache is not what it was ({error}); encoding again")
    check_wavelet(config.objective, (), 1)  # its name, before anything is opened
    folder = base_folder(config.model.base)
    family = family_of(folder)
    on_stage("opening the model", f"text encoders and VAE of {folder.name}")
    pipeline = open_encoders(folder, family, config, device)
    length = config.data.max_sequence_length
    max_sequence_length = None if length == 0 else length
    limits = token_limits(folder, family.name, max_sequence_length=max_sequence_length)
    on_stage("scanning", config.data.source)
    dataset = _opened_dataset(config.data.source, run.path / "unpacked")
    geometry = family.geometry(pipeline)
    settings = scan_settings(config, multiple_px=geometry.multiple_px, max_side_px=geometry.max_side_px)

    def scanned(done: int, total: int) -> bool:
        on_stage("scanning", f"{done} of {total} pictures")
        return True

    report = scan(dataset, settings, token_limits=limits, on_progress=scanned)
    assert report is not None  # `on_stage` raises to stop
    summary = _what_was_left_out(report)
    if len(report.crops) <= config.validation.num_examples:
        raise ValueError(
            f"{summary}, and validation.num_examples keeps {config.validation.num_examples} of them out of training; "
            "add pictures, put some back, or lower it"
        )
    check_wavelet(config.objective, report.per_bucket(), geometry.vae_scale_factor)
    on_stage("encoding", summary)

    def encoded(what: str, done: int, total: int) -> bool:
        on_stage("encoding", f"{done} of {total} {what}")
        return True

    cache = expanded(config.data.cache) if config.data.cache else run.path / "cache"
    data = build_cache(
        pipeline,
        family,
        dataset,
        report.crops,
        cache,
        model_digest=encoder_digest(folder),
        max_sequence_length=max_sequence_length,
        centred=config.model.latent_shift,
        on_progress=encoded,
    )
    _refuse_another_dataset(run, data)
    prompts = [
        encode_caption(pipeline, family, prompt, max_sequence_length=max_sequence_length)
        for prompt in config.samples.prompts
    ]
    del pipeline
    train, _ = split_validation(len(data), config.validation.num_examples, seed=config.validation.seed)
    energy = None
    if config.objective.kind == "wavelet" and config.objective.weights_from == "data":
        energy = _mean_energy(data, train, config, on_stage)
    named = {f"{i}/{key}": t for i, text in enumerate(prompts) for key, t in text._asdict().items()}
    write_tensors(run.path / PROMPTS, {**named, "num_prompts": torch.tensor(len(prompts))})
    write_whole(run.path / INDEX_COPY, (cache / INDEX).read_text(encoding="utf-8"))
    about = {"cache": str(cache.resolve()), "digest": data.digest, "band_energy": energy}
    write_whole(run.path / PREPARED, json.dumps(about))


def open_prepared(run: RunFolder, config: FinetuneConfig) -> Prepared:
    """What `prepare` left. Raises ValueError where any of it is gone."""
    about = parse_json((run.path / PREPARED).read_text(encoding="utf-8"))
    data = open_cache(Path(about["cache"]), index_file=run.path / INDEX_COPY)
    kept = read_tensors(run.path / PROMPTS)
    prompts = tuple(
        TextEmbeddings(kept[f"{i}/prompt_embeds"], kept[f"{i}/pooled_prompt_embeds"])
        for i in range(int(kept["num_prompts"]))
    )
    train, validation = split_validation(
        len(data), config.validation.num_examples, seed=config.validation.seed
    )
    energy = about["band_energy"]
    return Prepared(data, train, validation, prompts, None if energy is None else tuple(energy))


def open_encoders(
    folder: Path, family: Family, config: FinetuneConfig, device: torch.device
) -> DiffusionPipeline:
    """A pipeline that encodes; its transformer has a shape and no weights."""
    pipeline, _ = family.load(
        folder,
        dtype=DTYPES[config.resources.precision],
        autoencoder=config.model.autoencoder,
        without=("transformer",),
    )
    for name in ("vae", "text_encoder", "text_encoder_2", "text_encoder_3"):
        part = getattr(pipeline, name, None)
        if part is not None:
            part.to(device)
    settings = parse_json((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        pipeline.register_modules(
            transformer=getattr(diffusers, settings["_class_name"]).from_config(settings)
        )
    return pipeline


def _opened_dataset(source: str, unpacked: Path) -> Dataset:
    """The dataset of a folder, or of a zip, which is unpacked once; a run that ended midway unpacks it anew."""
    archive = expanded(source)
    if archive.is_dir() or archive.suffix.lower() != ".zip":
        return open_dataset(source)
    if not unpacked.is_dir():
        sweep_parts(unpacked.parent)
        with whole_file(unpacked) as part:
            unpack_zip(archive, part)
    return open_dataset(only_folder(unpacked))


def _refuse_another_dataset(run: RunFolder, data: CachedDataset) -> None:
    path = run.path / PREPARED
    if path.exists() and parse_json(path.read_text(encoding="utf-8"))["digest"] != data.digest:
        raise ValueError(
            "the dataset is not the one this run began with (pictures, captions or what is left out have changed); "
            "put it back, or duplicate the run and begin anew"
        )


def _mean_energy(
    data: CachedDataset, indexes: list[int], config: FinetuneConfig, on_stage: OnStage
) -> tuple[float, ...]:
    """Mean square of each band over the training examples, by number of coefficients."""
    total, count = torch.zeros(1 + 3 * config.objective.levels, dtype=torch.float64), 0
    for done, index in enumerate(indexes):
        on_stage("measuring bands", f"{done} of {len(indexes)} examples")
        latents = data.item(index).latents[None]
        total += (
            torch.tensor(energy_of_bands(latents, config.objective), dtype=torch.float64) * latents.numel()
        )
        count += latents.numel()
    return tuple((total / count).tolist())


def _what_was_left_out(report: ScanReport) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(report.per_reason().items()))
    left_out = f" (left out: {reasons})" if reasons else ""
    return f"{len(report.crops)} of {report.num_pictures} pictures are fit to train on{left_out}"
