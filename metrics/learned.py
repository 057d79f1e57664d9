"""Scores of one picture that need a network: CLIPScore, the bundled CLIP's own, aesthetics. Each opened once.

Imports torch. Not here: scores that need nothing (`metrics.evaluate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from metrics.aesthetics import AestheticHead
from metrics.catalogue import card
from metrics.clip_score import ClipScorer, LongPrompts
from metrics.evaluate import Score
from metrics.weights import AESTHETIC_HEAD, CLIP_B16, CLIP_L14, MICRO_CLIP, found_file


class LearnedScorer:
    """Networks kept open from the first picture that needs them."""

    def __init__(self, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.device, self.dtype = device, dtype

    @cached_property
    def _published(self) -> ClipScorer:
        return ClipScorer(CLIP_B16, device=self.device, dtype=self.dtype)

    @cached_property
    def _micro(self) -> ClipScorer:
        return ClipScorer(MICRO_CLIP, device=self.device, dtype=self.dtype)

    @cached_property
    def _large(self) -> ClipScorer:
        return ClipScorer(CLIP_L14, device=self.device, dtype=self.dtype)

    @cached_property
    def _head(self) -> AestheticHead:
        return AestheticHead.load(Path(found_file(AESTHETIC_HEAD)))

    def open(self, metrics: Sequence[str]) -> dict[str, str]:
        """Open what these metrics need, so that missing weights are told before the first picture.

        Returns the metrics that cannot be had, each with file, size, licence and place of what is missing.
        """
        lacking: dict[str, str] = {}
        for name in metrics:
            try:
                self._open(name)
            except ValueError as error:
                lacking[name] = str(error)
        return lacking

    def _open(self, metric: str) -> None:
        if metric == "clip_score":
            _ = self._published
        elif metric == "clip_score[micro]":
            _ = self._micro
        elif metric == "aesthetics":
            _ = self._head, self._large

    def model(self, metric: str) -> str:
        """Folder or hub id of what makes a metric of `metrics.weights.CLIP_OF`; empty for another metric."""
        if metric == "clip_score":
            return self._published.place
        return self._large.place if metric == "aesthetics" else ""

    def scores(
        self,
        pixels: NDArray[np.uint8],
        prompt: str | None,
        *,
        metrics: Sequence[str],
        long_prompts: LongPrompts = "split",
    ) -> tuple[dict[str, Score], tuple[str, ...]]:
        """Of (H, W, 3) uint8 RGB: scores by name in the order asked, and notes such as a long prompt's parts.

        Raises:
            ValueError: a metric that compares with a prompt and none is given.
        """
        found: dict[str, Score] = {}
        notes: list[str] = []
        for name in metrics:
            if name == "aesthetics":
                value = float(self._head.scores(self._large.embed_images([pixels]))[0])
            else:
                scorer = self._published if name == "clip_score" else self._micro
                (one,) = scorer.scores(
                    [pixels], ["" if prompt is None else prompt], long_prompts=long_prompts
                )
                value = one.value
                if one.num_parts > 1:
                    notes.append(
                        f"{name}: the prompt is longer than CLIP reads and was averaged over {one.num_parts} parts"
                    )
            found[name] = Score(name, value, card(name).unit)
        return found, tuple(notes)
