"""A dataset encoded ahead of its training, into the very files that a run of it would write.

Not here: the files (`finetune.data.cache`), what they take (`studio.datasets.cache`).
"""

from __future__ import annotations

from pathlib import Path

import torch

from finetune.backbones import family_of
from finetune.config.files import from_values
from finetune.config.run_config import Precision
from finetune.data.cache import CachedDataset, OnProgress, build_cache
from finetune.data.dataset import open_dataset
from finetune.data.encoder_digest import encoder_digest
from finetune.data.scan import ScanReport
from finetune.preparing import base_folder, open_encoders
from studio.models.lookup import check_available, check_is_folder, find_model


def encode_dataset(
    root: Path,
    report: ScanReport,
    *,
    model: str,
    precision: Precision,
    device: torch.device,
    folder: Path,
    on_progress: OnProgress,
) -> CachedDataset:
    """Encode what a scan found fit and what is not in `folder` yet.

    Args:
        root: Of the dataset.
        precision: Of the run that is to come: numbers are kept as they were encoded.
    """
    entry = find_model(model)
    check_available(entry)
    check_is_folder(entry)
    base = entry.source if entry.folder is None else str(entry.folder)
    config = from_values(
        {"model": {"base": base, "autoencoder": entry.autoencoder}, "resources": {"precision": precision}}
    )
    home = base_folder(base)
    family = family_of(home)
    return build_cache(
        open_encoders(home, family, config, device),
        family,
        open_dataset(root),
        report.crops,
        folder,
        model_digest=encoder_digest(home),
        max_sequence_length=entry.max_sequence_length,
        on_progress=on_progress,
    )
