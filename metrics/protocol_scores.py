"""Pictures measured by the columns of a protocol. What needs a network imports torch only when it is asked for.

Not here: the columns (`metrics.protocols`), means and differences (`metrics.prompt_statistics`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metrics.compression import as_jpeg, through_jpeg
from metrics.evaluate import LEARNED, score_what_fits
from metrics.glcm import glcm_score
from metrics.protocols import AS_PUBLISHED, Column
from metrics.set_evaluation import LEARNED_SET_METRICS

if TYPE_CHECKING:
    from metrics.learned import LearnedScorer


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one picture, or of one set, by column key."""

    values: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why a column has no value."""

    notes: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    """Folder or hub id of the network behind a value, where another may be named."""


def open_networks(columns: Sequence[Column], *, device: str) -> tuple[LearnedScorer | None, dict[str, str]]:
    """What the columns of pictures need, opened once; and why columns cannot be had, by key."""
    wanted = {column.metric for column in columns if column.metric in LEARNED}
    if not wanted:
        return None, {}
    from metrics.learned import LearnedScorer

    scorer = LearnedScorer(device=device)
    lacking = scorer.open(sorted(wanted))
    return scorer, {column.key: lacking[column.metric] for column in columns if column.metric in lacking}


def measure_picture(
    pixels: NDArray[np.uint8],
    prompt: str,
    columns: Sequence[Column],
    *,
    scorer: LearnedScorer | None = None,
) -> Measured:
    """One picture, (H, W, 3) uint8 RGB. Columns of sets are passed over."""
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    notes: list[str] = []
    models: dict[str, str] = {}
    plain = [column for column in columns if column.is_of_pictures and column.metric not in LEARNED]
    published = [column for column in plain if column.protocol == AS_PUBLISHED.name]
    for column in published:
        try:
            values[column.key] = _PUBLISHED[column.metric](pixels)
        except ValueError as error:
            missing[column.key] = str(error)
    ours = {column.metric: column.key for column in plain if column.protocol != AS_PUBLISHED.name}
    if ours:
        found, why = score_what_fits(pixels, metrics=tuple(ours))
        values |= {ours[metric]: score.value for metric, score in found.items()}
        missing |= {ours[metric]: reason for metric, reason in why.items()}
    for column in columns:
        if column.metric not in LEARNED:
            continue
        if scorer is None:
            missing[column.key] = f"{column.metric} needs a network, and none was opened"
            continue
        cut = column.protocol == AS_PUBLISHED.name
        shown = through_jpeg(pixels) if cut else pixels
        try:
            scores, told = scorer.scores(
                shown, prompt, metrics=[column.metric], long_prompts="cut" if cut else "split"
            )
        except ValueError as error:
            missing[column.key] = str(error)
            continue
        values[column.key] = scores[column.metric].value
        if place := scorer.model(column.metric):
            models[column.key] = place
        notes += told
    return Measured(values, missing, tuple(notes), models)


def measure_set(
    generated: Sequence[Path],
    reference: Sequence[Path],
    columns: Sequence[Column],
    *,
    cache: Path | None = None,
    device: str = "cpu",
) -> Measured:
    """A model's pictures against real ones. Columns of pictures are passed over."""
    wanted = [column for column in columns if not column.is_of_pictures]
    if not wanted:
        return Measured()
    if min(len(generated), len(reference)) < 2:
        few = (
            f"{len(generated)} drawn and {len(reference)} real pictures; a distance of sets needs two of each"
        )
        return Measured(missing=dict.fromkeys((column.key for column in wanted), few))
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    notes: list[str] = []
    for protocol in dict.fromkeys(column.protocol for column in wanted):
        keys = {column.metric: column.key for column in wanted if column.protocol == protocol}
        learned = [metric for metric in keys if metric in LEARNED_SET_METRICS]
        if learned:
            from metrics.learned_sets import learned_distances

            try:
                found, told, unreadable, lacking = learned_distances(
                    generated,
                    reference,
                    metrics=learned,
                    cache=cache,
                    device=device,
                    as_published=protocol == AS_PUBLISHED.name,
                )
            except ValueError as error:
                found, told, unreadable, lacking = {}, [], {}, dict.fromkeys(learned, str(error))
            values |= {keys[metric]: value for metric, value in found.items()}
            missing |= {keys[metric]: reason for metric, reason in lacking.items()}
            notes += [*told, *(f"left out: {reason}" for reason in unreadable.values())]
        if "texture_frechet" in keys:
            key = keys["texture_frechet"]
            try:
                values[key], told = _texture_distance(generated, reference)
                notes += told
            except ValueError as error:
                missing[key] = str(error)
    return Measured(values, missing, tuple(dict.fromkeys(notes)))


def _texture_distance(generated: Sequence[Path], reference: Sequence[Path]) -> tuple[float, list[str]]:
    from metrics.set_evaluation import evaluate_sets

    table, notes = evaluate_sets(generated, reference, metrics=["texture_frechet"])
    left_out = [f"left out: {reason}" for reason in table.skipped.values()]
    return table.rows[0].scores["texture_frechet"], [*notes, *left_out]


def _published_ratio(pixels: NDArray[np.uint8]) -> float:
    return pixels.nbytes / len(as_jpeg(pixels))


_PUBLISHED = {
    "glcm_score": lambda pixels: glcm_score(through_jpeg(pixels)),
    "compression_ratio": _published_ratio,
}
