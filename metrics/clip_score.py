"""CLIPScore: 100 times the cosine between a picture and its prompt (Hessel et al., 2021), by any CLIP.

The published numbers use ViT-B/16. A prompt longer than the model reads is split where sentences or phrases end, its
parts are embedded and averaged, and the result says how many parts there were; nothing is cut off unless that is asked
for, to compare with published numbers. Imports torch.
Not here: opening a model (`metrics.clip_models`), where models lie (`metrics.weights`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from metrics.clip_models import opened_clip
from metrics.weights import CLIP_B16, Weights, found

LongPrompts = Literal["split", "cut"]
"""Read in parts, or cut where the model ends, as published."""

_ENDS = (r"(?<=[.;!?])\s+", r"(?<=,)\s+", r"\s+")


@dataclass(frozen=True, slots=True)
class ClipScore:
    """Of one picture and its prompt."""

    value: float
    """0 to 100; a negative cosine counts as 0, as published."""

    num_parts: int
    """How many parts the prompt was read in; 1 unless it is long."""


class ClipScorer:
    """A CLIP kept open. Not for use from two threads at once."""

    def __init__(
        self, source: Weights | Path = CLIP_B16, *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        """Open a CLIP folder, or fetch a known one from the hub.

        Raises ValueError with file, size, licence and place if it is not there and cannot be fetched.
        """
        self.place = place = found(source) if isinstance(source, Weights) else str(source)
        try:
            self.clip = opened_clip(place, device=device, dtype=dtype)
        except ValueError as error:  # nothing cached and no network, or a folder of something else
            remedy = source.remedy() if isinstance(source, Weights) else "name a folder that holds a CLIP"
            raise ValueError(f"{error}; {remedy}") from error

    def scores(
        self,
        images: Sequence[NDArray[np.uint8]],
        prompts: Sequence[str],
        *,
        batch_size: int = 16,
        long_prompts: LongPrompts = "split",
    ) -> list[ClipScore]:
        """Of (H, W, 3) uint8 RGB pictures and their prompts, in pairs."""
        if len(images) != len(prompts):
            raise ValueError(
                f"every picture needs one prompt, got {len(images)} pictures and {len(prompts)} prompts"
            )
        for index, prompt in enumerate(prompts):
            if not prompt.strip():
                raise ValueError(
                    f"picture {index + 1} has no prompt, and CLIPScore compares with one; pass --prompt"
                )
        seen = self.embed_images(images, batch_size=batch_size)
        said = [
            self.embed_prompt(prompt) if long_prompts == "split" else (self.embed_start(prompt), 1)
            for prompt in prompts
        ]
        return [
            ClipScore(max(0.0, 100 * float(picture @ text)), parts)
            for picture, (text, parts) in zip(seen, said, strict=True)
        ]

    @torch.inference_mode()
    def embed_images(
        self, images: Sequence[NDArray[np.uint8]], *, batch_size: int = 16
    ) -> NDArray[np.float64]:
        """(N, D), each of length 1; preprocessing is the model's own."""
        rows = []
        for start in range(0, len(images), batch_size):
            batch = [Image.fromarray(image) for image in images[start : start + batch_size]]
            rows.append(_numbers(self.clip.see(batch)))
        stacked = np.concatenate(rows)
        return np.asarray(stacked / np.linalg.norm(stacked, axis=1, keepdims=True))

    @torch.inference_mode()
    def embed_prompt(self, prompt: str) -> tuple[NDArray[np.float64], int]:
        """((D,) of length 1, how many parts it was read in)."""
        parts = self.parts(prompt)
        rows = _numbers(self.clip.read(parts))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        mean = rows.mean(0)
        return np.asarray(mean / np.linalg.norm(mean)), len(parts)

    @torch.inference_mode()
    def embed_start(self, prompt: str) -> NDArray[np.float64]:
        """(D,) of length 1, of the first tokens alone, as the published evaluation reads a long prompt."""
        row = _numbers(self.clip.read_start(prompt))[0]
        return np.asarray(row / np.linalg.norm(row))

    def parts(self, prompt: str) -> list[str]:
        """The prompt in parts that the model reads whole, split as late as it can be."""
        return _split(prompt.strip(), self._fits)

    def _fits(self, text: str) -> bool:
        return self.clip.count_tokens(text) <= self.clip.max_tokens


def _numbers(rows: Tensor) -> NDArray[np.float64]:
    return np.asarray(rows.double().cpu().numpy())


def _split(text: str, fits: Any, level: int = 0) -> list[str]:
    if fits(text):
        return [text]
    if level == len(_ENDS):  # one word longer than the model reads
        middle = len(text) // 2
        return [*_split(text[:middle], fits, level), *_split(text[middle:], fits, level)]
    found_parts: list[str] = []
    current = ""
    for piece in re.split(_ENDS[level], text):
        together = f"{current} {piece}".strip()
        if fits(together):
            current = together
            continue
        if current:
            found_parts.append(current)
        current = piece
        if not fits(piece):
            *whole, current = _split(piece, fits, level + 1)
            found_parts += whole
    return [*found_parts, current] if current else found_parts
