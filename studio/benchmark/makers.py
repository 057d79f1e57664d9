"""What drew a benchmark's pictures, as the pictures themselves say: weights by hash, LoRAs by digest, device, versions.

Not here: what was asked for (`studio.benchmark.plan`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from studio.benchmark.progress import Standings
from studio.pictures.record import PictureRecord


@dataclass(frozen=True, slots=True)
class Maker:
    """Of one contender; a contender has several where its pictures were drawn in different ways."""

    contender: str
    num_pictures: int
    model: str
    weights: str
    """The weights' hash; empty where the pictures do not say."""

    adapters: tuple[str, ...]
    """File, weight and digest of each LoRA."""

    device: str
    dtype: str
    versions: tuple[str, ...]


def makers_of(found: Standings) -> list[Maker]:
    """Contender by contender, the one with most pictures first."""
    makers = []
    for contender in found.plan.contenders:
        counts = Counter(_key(picture.record) for _, picture in found.pictures(contender.name))
        makers += [Maker(contender.name, number, *key) for key, number in counts.most_common()]
    return makers


def _key(record: PictureRecord) -> tuple[str, str, tuple[str, ...], str, str, tuple[str, ...]]:
    named = record.model.source or record.model.id or record.settings.model
    worn = tuple(f"{use.path} at {use.weight:g}, {use.digest}" for use in record.adapters)
    versions = tuple(f"{name} {number}" for name, number in sorted(record.versions.items()))
    return named, record.model.weights_hash, worn, record.device, record.dtype, versions
