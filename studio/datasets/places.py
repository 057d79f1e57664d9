"""Where a training finds its model, its dataset and its cache, and what crops of that model are multiples of."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from finetune.config.files import changed
from finetune.config.run_config import FinetuneConfig
from finetune.data.hub_stream import HubSource, is_hub_id
from finetune.model_folder import read_json
from finetune.named_paths import is_there
from studio.datasets.fetching import fetch_folder
from studio.home.roots import check_inside, is_inside, named_path
from studio.home.workspace import Workspace
from studio.models.catalogue import ModelEntry
from studio.models.lookup import check_available, check_is_folder, find_model


def located(config: FinetuneConfig, workspace: Workspace) -> FinetuneConfig:
    """Settings with the model's id turned into where it lies, and the cache that runs of one dataset share.

    Raises ValueError for a model that is unknown or cannot run here, and for a missing dataset.
    """
    if not config.data.source:
        raise ValueError("data.source is empty; give the folder of pictures and captions, or a zip of one")
    source = dataset_place(config.data.source, workspace)
    if not is_there(source):
        raise ValueError(f"data.source: there is no {source}; check the path")
    entry = find_model(config.model.base)
    check_available(entry)
    check_is_folder(entry)
    base = entry.source if entry.folder is None else str(entry.folder)
    # A stock VAE does not say that the studio draws with it as F16, and what is trained is drawn with.
    asked = config.model.autoencoder
    config = changed(config, "model", base=base, autoencoder=entry.autoencoder if asked == "auto" else asked)
    if not config.data.max_sequence_length and entry.max_sequence_length is not None:
        config = changed(config, "data", max_sequence_length=entry.max_sequence_length)
    cache = config.data.cache if config.data.cache else str(cache_folder(workspace, source, entry.id))
    return changed(config, "data", source=str(source), cache=cache)


def dataset_place(source: str, workspace: Workspace) -> Path:
    """Where `data.source` lies: the folder or zip that it names, or what was fetched of a dataset of the hub.

    Raises ValueError for a dataset of the hub that was not fetched yet, and for what lies outside of the studio's
    folders where others reach it. Any other path may be absent.
    """
    path, home = named_path(source), workspace.root
    if is_hub_id(source) and not (is_inside(path, home=home) and is_there(path)):
        fetched = fetch_folder(workspace, HubSource.parse(source))
        if not fetched.is_dir():
            raise ValueError(
                f"data.source: there is no {path.resolve()}; if {source} is a dataset of the hub, fetch it first: "
                f"`d4k dataset fetch {source}`, or From the hub in step 1"
            )
        path = fetched
    check_inside(path, home=home)
    return path.resolve()


def cache_folder(workspace: Workspace, source: Path, model: str) -> Path:
    """Where a dataset's latents and text embeddings lie: one folder for each dataset and model."""
    where = sha256(f"{source.expanduser().resolve()}\n{model}".encode()).hexdigest()[:8]
    return workspace.cache / "encoded" / f"{source.stem}-{where}"


def picture_multiple_px(entry: ModelEntry) -> int:
    """What sides must be multiples of for a model: a token of its transformer, 32 for F16 models."""
    patch, per_latent = 2, 16 if entry.autoencoder == "f16" else 8
    config = None if entry.folder is None else entry.folder / "transformer" / "config.json"
    if entry.family == "sd3" and config is not None and config.is_file():
        patch = int(read_json(config).get("patch_size", patch))
    return max(32, patch * per_latent)
