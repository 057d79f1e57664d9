"""Which crops a run will see, counted from the headers of its pictures: a line of the preflight. No torch.

Not here: judging the pictures (`finetune.data.scan`), the other lines (`studio.training.preflight`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, UnidentifiedImageError

from finetune.config.run_config import FinetuneConfig
from finetune.data.buckets import crop_of, make_buckets
from finetune.data.dataset import Dataset
from finetune.data.exclusions import load_exclusions
from finetune.objectives.wavelet_fit import check_wavelet
from metrics.pictures import FORMATS
from studio.datasets.places import picture_multiple_px
from studio.models.lookup import find_model
from studio.training.needs import Check
from studio.training.weights import is_f16

SHAPES_TOLD = 4


@dataclass(frozen=True, slots=True)
class CropCount:
    """What a dataset gives at a run's resolution."""

    sizes_px: Mapping[tuple[int, int], int]
    """(width, height) -> crops."""

    too_small: int
    left_out: int
    """Pictures, by the last scan, by hand, or because they cannot be read."""

    @property
    def total(self) -> int:
        return sum(self.sizes_px.values())


def count_crops(dataset: Dataset, config: FinetuneConfig) -> CropCount:
    """Raises ValueError for a resolution that the model cannot be trained at."""
    try:
        entry = find_model(config.model.base)
        multiple, longest = picture_multiple_px(entry), entry.max_side_px
    except ValueError:  # the model's own check says so
        multiple, longest = 32, max(8192, config.data.resolution_px)
    buckets = make_buckets(
        config.data.resolution_px,
        multiple_px=multiple,
        square_only=config.data.square_only,
        max_side_px=longest,
    )
    out = load_exclusions(dataset.root).names()
    sizes = Counter[tuple[int, int]]()
    too_small = left_out = 0
    for item in dataset.items:
        path = dataset.path(item)
        size = _size_px(str(path), path.stat().st_mtime_ns)
        if item.file_name in out or size is None:
            left_out += 1
            continue
        crop = crop_of(item.file_name, *size, buckets)
        if crop is None:
            too_small += 1
        elif item.caption is not None:
            sizes[crop.size_px] += 1
    return CropCount(sizes, too_small, left_out)


def crops_check(count: CropCount, config: FinetuneConfig) -> Check:
    """The shapes, whether the objective can split them, and whether samples of the asked size can be drawn."""
    try:
        entry = find_model(config.model.base)
    except ValueError:  # the model's own check says so
        return Check("Crops", "ok", _shapes(count))
    try:
        check_wavelet(config.objective, count.sizes_px, 16 if is_f16(config, entry) else 8)
    except ValueError as error:
        return Check("Crops", "problem", str(error))
    samples, multiple = config.samples, picture_multiple_px(entry)
    if samples.prompts and (samples.width_px % multiple or samples.height_px % multiple):
        return Check(
            "Crops",
            "warning",
            f"{_shapes(count)}; samples of {samples.width_px} x {samples.height_px} px cannot be drawn, sides are "
            f"multiples of {multiple}",
        )
    return Check("Crops", "ok", _shapes(count))


def _shapes(count: CropCount) -> str:
    """Such as "12 of 2048 x 2048 px, 3 of 2496 x 1664 px", the fullest first."""
    ranked = Counter(count.sizes_px).most_common()
    told = [f"{number} of {width} x {height} px" for (width, height), number in ranked[:SHAPES_TOLD]]
    more = len(ranked) - SHAPES_TOLD
    return ", ".join([*told, *([f"{more} more shapes"] if more > 0 else [])])


@lru_cache(maxsize=65_536)
def _size_px(path: str, _changed_ns: int) -> tuple[int, int] | None:
    """(width, height) from the file's header; None for no picture. Turned or not counts the same: buckets come both
    lying and standing."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return None
