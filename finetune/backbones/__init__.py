"""Backbone families: `FAMILIES["sd3"]` and `FAMILIES["flux"]`; `family` says what each answers for."""

from __future__ import annotations

from pathlib import Path

from finetune.backbones import checkpoints
from finetune.backbones.family import Family, FamilyName, LatentGeometry
from finetune.backbones.flux import Flux
from finetune.backbones.sd3 import Sd3

__all__ = ["FAMILIES", "Family", "FamilyName", "LatentGeometry", "family_of"]

FAMILIES: dict[str, Family] = {"sd3": Sd3(), "flux": Flux()}


def family_of(folder: str | Path) -> Family:
    """The family of a pipeline folder, by the class that its `model_index.json` names."""
    found = checkpoints.pipeline_class_name(Path(folder))
    for family in FAMILIES.values():
        if family.pipeline_class.__name__ == found:
            return family
    known = ", ".join(family.pipeline_class.__name__ for family in FAMILIES.values())
    raise ValueError(f"{folder} is a {found}; the studio opens {known}")
