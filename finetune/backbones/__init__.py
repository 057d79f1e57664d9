"""Backbone families: `FAMILIES["sd3"]` and `FAMILIES["flux"]`; `family` says what each answers for."""

from __future__ import annotations

from pathlib import Path

from finetune.backbones.family import Family, LatentGeometry
from finetune.backbones.flux import Flux
from finetune.backbones.sd3 import Sd3
from finetune.model_folder import FamilyName, ModelFolder

__all__ = ["FAMILIES", "Family", "FamilyName", "LatentGeometry", "family_of"]

FAMILIES: dict[str, Family] = {"sd3": Sd3(), "flux": Flux()}


def family_of(folder: str | Path) -> Family:
    """The family of a pipeline folder, by the class that its `model_index.json` names."""
    return FAMILIES[ModelFolder.open(Path(folder)).family]
