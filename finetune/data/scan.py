"""Which pictures of a dataset are fit for a resolution, which are not and why, and the crops that remain. No torch.

Nothing is changed but `excluded.json` and `scan.json` beside the pictures, and what a person decided there stands.
Not here: measuring (`finetune.data.picture_facts`), the crops' geometry (`finetune.data.buckets`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from finetune.data.buckets import DEFAULT_MULTIPLE_PX, Bucket, Crop, crop_of, make_buckets
from finetune.data.dataset import Dataset, Item
from finetune.data.exclusions import Exclusion, Exclusions, load_exclusions, save_exclusions
from finetune.data.near_duplicates import LookHash, near_duplicates
from finetune.data.picture_facts import OnProgress, PictureFacts, measure_all

HISTOGRAM_EDGES_PX = (0, 512, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
"""Lower ends of the size histogram's bins, by short side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSettings:
    """What pictures are judged by."""

    resolution_px: int = 4096
    multiple_px: int = DEFAULT_MULTIPLE_PX
    """The model's: a token of its transformer."""

    square_only: bool = False
    max_side_px: int | None = None
    """Where the model's positions end."""

    min_real_share: float = 0.9
    """Real detail, as a share of the trained size along a side: below it a picture was enlarged. 0 lets all pass."""

    min_sharpness: float = 2.0
    """Grey levels at the trained size, see `picture_facts.sharpness_of`. 0 lets all pass. Rounding alone leaves 1.3."""

    without_duplicates: bool = True
    without_caption: bool = False
    """Keep pictures that have none; they are trained with an empty one."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_real_share <= 1:
            raise ValueError(
                f"the real share must lie between 0 and 1, got {self.min_real_share}; 0.9 is usual"
            )
        if self.min_sharpness < 0:
            raise ValueError(f"the sharpness must be 0 or more, got {self.min_sharpness}; 2 is usual")
        self.buckets()

    def buckets(self) -> tuple[Bucket, ...]:
        return make_buckets(
            self.resolution_px,
            multiple_px=self.multiple_px,
            square_only=self.square_only,
            max_side_px=self.max_side_px,
        )


@dataclass(frozen=True, slots=True)
class TokenLimit:
    """One of a model's tokenizers."""

    name: str
    longest: int
    """Tokens that it reads, its own marks included."""

    count: Callable[[str], int]


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What a scan found."""

    num_pictures: int
    facts: Mapping[str, PictureFacts]
    exclusions: Exclusions
    crops: tuple[Crop, ...]
    """Of what remains, in the order of the dataset: exactly what training sees."""

    captions: Mapping[str, str]
    """File name -> caption, of the same."""

    size_histogram: tuple[tuple[int, int], ...]
    """(lower end of the short side in px, pictures)."""

    captions_without_picture: tuple[str, ...]
    notes: tuple[str, ...]
    """One sentence each: cut captions, lines that cannot be read."""

    def per_reason(self) -> dict[str, int]:
        return dict(Counter(exclusion.reason for exclusion in self.exclusions.all()))

    def per_bucket(self) -> dict[tuple[int, int], int]:
        """(width, height) -> crops, the fullest first."""
        return dict(Counter(crop.size_px for crop in self.crops).most_common())


def scan(
    dataset: Dataset,
    settings: ScanSettings,
    *,
    token_limits: Sequence[TokenLimit] = (),
    workers: int = 2,
    on_progress: OnProgress | None = None,
) -> ScanReport | None:
    """Measure what is new, judge all, and keep the verdicts in `excluded.json`.

    Returns None where `on_progress` asked to stop; what was measured is remembered.
    """
    names = [item.file_name for item in dataset.items]
    facts = measure_all(dataset.root, names, workers=workers, on_progress=on_progress)
    if facts is None:
        return None
    buckets = settings.buckets()
    crops = {name: _crop(name, facts[name], buckets) for name in names}
    found: dict[str, Exclusion] = {}
    notes = list(dataset.problems)
    for item in dataset.items:
        verdict = _judge(item, facts[item.file_name], crops[item.file_name], settings)
        if verdict is None and item.caption is not None:
            verdict = _too_long(item.file_name, item.caption, token_limits, notes)
        if verdict is not None:
            found[item.file_name] = verdict
    if settings.without_duplicates:
        left = [name for name in names if name not in found]
        found |= {verdict.file_name: verdict for verdict in _duplicates(left, facts)}
    exclusions = load_exclusions(dataset.root).with_found(found.values())
    save_exclusions(dataset.root, exclusions)
    kept, left_out = [], exclusions.names()
    for item in dataset.items:
        crop = crops[item.file_name]
        if item.file_name not in left_out and crop is not None:
            kept.append((crop, "" if item.caption is None else item.caption))
    return ScanReport(
        num_pictures=len(names),
        facts=facts,
        exclusions=exclusions,
        crops=tuple(crop for crop, _ in kept),
        captions={crop.file_name: caption for crop, caption in kept},
        size_histogram=_histogram(facts.values()),
        captions_without_picture=dataset.captions_without_picture,
        notes=tuple(notes),
    )


def _crop(name: str, facts: PictureFacts, buckets: tuple[Bucket, ...]) -> Crop | None:
    return None if facts.error is not None else crop_of(name, facts.width_px, facts.height_px, buckets)


def _judge(item: Item, facts: PictureFacts, crop: Crop | None, settings: ScanSettings) -> Exclusion | None:
    """The first thing that speaks against a picture, the gravest first."""
    name, size = item.file_name, f"{facts.width_px} x {facts.height_px} px"
    if facts.error is not None:
        return Exclusion(name, "unreadable", f"{facts.error}.")
    if crop is None:
        return Exclusion(
            name,
            "too-small",
            f"It is {size}, too small for {settings.resolution_px} px; it is not scaled up.",
        )
    real_share = facts.effective_scale * crop.scale
    if real_share < settings.min_real_share:
        width, height = (round(side * facts.effective_scale) for side in (facts.width_px, facts.height_px))
        return Exclusion(
            name, "not-native", f"It is {size} but holds detail for {width} x {height}: enlarged."
        )
    if facts.sharpness:
        octave = min(max(0, int(crop.scale).bit_length() - 1), len(facts.sharpness) - 1)
        sharpness = facts.sharpness[octave]
        if sharpness < settings.min_sharpness:
            return Exclusion(
                name,
                "blurred",
                f"Its sharpest part measures {sharpness:.1f} grey levels, below {settings.min_sharpness:g}: blurred.",
            )
    if item.caption is None and not settings.without_caption:
        return Exclusion(name, "no-caption", "It has no caption; write one, or let a model write it.")
    return None


def _too_long(name: str, caption: str, limits: Sequence[TokenLimit], notes: list[str]) -> Exclusion | None:
    """Left out only where no encoder reads the caption whole; a note where some do not."""
    counts = [(limit, limit.count(caption)) for limit in limits]
    over = [
        f"{limit.name} reads {limit.longest} of {tokens} tokens"
        for limit, tokens in counts
        if tokens > limit.longest
    ]
    if not over:
        return None
    if len(over) == len(counts):
        return Exclusion(name, "long-caption", f"No text encoder reads its whole caption: {', '.join(over)}.")
    notes.append(f"{name}: {', '.join(over)}.")
    return None


def _duplicates(names: list[str], facts: Mapping[str, PictureFacts]) -> list[Exclusion]:
    """Of each group the largest picture stays; of equals the sharpest, then the first."""
    verdicts = []
    for group in near_duplicates([LookHash.from_text(facts[name].look) for name in names]):
        members = [names[i] for i in group]
        best = max(members, key=lambda name: _worth(facts[name]))
        verdicts += [
            Exclusion(name, "duplicate", f"It is nearly the same picture as {best}, which stays.")
            for name in members
            if name != best
        ]
    return verdicts


def _worth(facts: PictureFacts) -> tuple[float, ...]:
    real_pixels = facts.width_px * facts.height_px * facts.effective_scale**2
    return (real_pixels, *facts.sharpness[:1])


def _histogram(facts: Iterable[PictureFacts]) -> tuple[tuple[int, int], ...]:
    counts = Counter[int]()
    for found in facts:
        if found.error is None:
            short = min(found.width_px, found.height_px)
            counts[max(edge for edge in HISTOGRAM_EDGES_PX if edge <= short)] += 1
    return tuple((edge, counts[edge]) for edge in HISTOGRAM_EDGES_PX)
