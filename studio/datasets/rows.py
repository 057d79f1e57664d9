"""What is known of each picture of a dataset, on one line. Nothing is read here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from finetune.data.buckets import Bucket, Crop, crop_of
from finetune.data.dataset import Item
from finetune.data.exclusions import FINAL, Exclusion, Exclusions
from finetune.data.picture_facts import PictureFacts


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One picture of the dataset, as far as it is known."""

    file_name: str
    caption: str
    caption_by: str
    """"original", "hand", a model's name, or empty without a caption."""

    facts: PictureFacts | None = None
    """None before the first scan."""

    crop: Crop | None = None
    """What training would see; None where it fills no bucket, or before the first scan."""

    exclusion: Exclusion | None = None
    """Why it is left out; None where it is trained on."""

    kept: bool = False
    """Kept by hand against the scan."""

    @property
    def final(self) -> bool:
        """Left out for good: there is nothing to train on."""
        return self.exclusion is not None and self.exclusion.reason in FINAL


def rows_of(
    items: Iterable[Item],
    facts: Mapping[str, PictureFacts],
    exclusions: Exclusions,
    crops: Mapping[str, Crop],
) -> tuple[PictureRow, ...]:
    """One row for each item, in their order."""
    left_out = {exclusion.file_name: exclusion for exclusion in exclusions.all()}
    return tuple(
        PictureRow(
            file_name=item.file_name,
            caption="" if item.caption is None else item.caption,
            caption_by="" if item.caption_by is None else item.caption_by,
            facts=facts.get(item.file_name),
            crop=crops.get(item.file_name),
            exclusion=left_out.get(item.file_name),
            kept=item.file_name in exclusions.kept,
        )
        for item in items
    )


def crops_of(facts: Mapping[str, PictureFacts], buckets: tuple[Bucket, ...]) -> dict[str, Crop]:
    """Of every picture that fills a bucket, left out or not."""
    readable = {name: found for name, found in facts.items() if found.error is None}
    crops = {n: crop_of(n, found.width_px, found.height_px, buckets) for n, found in readable.items()}
    return {name: crop for name, crop in crops.items() if crop is not None}
