"""Stage `latents`: the bank through the encoder's cascade, once, so that the transformer never waits for pixels.

A file holds the latents of one picture of the known places, (16, h, w) float16, as the pipeline's scaling factor of 1
and shift of 0 have them. Not here: the cascade itself (`codec`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune.micro.bank import Entry, entries
from finetune.micro.codec import Cascade
from finetune.micro.scenes.description import Scene
from finetune.whole_files import whole_file


@dataclass(frozen=True, slots=True)
class LatentFile:
    path: Path
    scene: Scene
    width_px: int
    height_px: int

    def load(self) -> NDArray[np.float16]:
        return np.load(self.path, mmap_mode="r")


def wanted(bank: Path, folder: Path) -> list[tuple[Entry, LatentFile]]:
    """(picture, file) for all that should exist."""
    listed = []
    for entry in entries(bank):
        if not entry.group.known:
            continue
        width, height = entry.group.width_px, entry.group.height_px
        path = folder / entry.group.name / f"{entry.number}.npy"
        listed.append((entry, LatentFile(path, entry.scene, width, height)))
    return listed


def made(bank: Path, folder: Path) -> list[LatentFile]:
    return [file for _, file in wanted(bank, folder) if file.path.exists()]


def encode_bank(cascade: Cascade, bank: Path, folder: Path) -> Iterator[tuple[int, int]]:
    """Encode what is missing, every size in step; yields (made, wanted)."""
    listed = wanted(bank, folder)
    listed.sort(key=lambda item: (item[0].number - item[0].group.first) / item[0].group.count)
    for i, (entry, file) in enumerate(listed):
        if file.path.exists():
            continue
        pixels = torch.from_numpy(np.array(entry.pixels())).permute(2, 0, 1)[None].float().div(127.5).sub(1)
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file.path) as part, part.open("wb") as out:
            np.save(out, cascade.encode(pixels)[0].numpy().astype(np.float16))
        yield i + 1, len(listed)


def loaded(file: LatentFile, cut: tuple[slice, slice] = (slice(None), slice(None))) -> Tensor:
    """A file's latents, or a part of them: (16, h, w) float32."""
    return torch.from_numpy(file.load()[(slice(None), *cut)].astype(np.float32))


def by_terrain(files: list[LatentFile]) -> dict[tuple[int, int], list[list[LatentFile]]]:
    """For each shape a list for each terrain: some have more scenes, none is drawn more often."""
    shapes: dict[tuple[int, int], dict[str, list[LatentFile]]] = {}
    for file in files:
        terrains = shapes.setdefault((file.width_px, file.height_px), {})
        terrains.setdefault(file.scene.terrain, []).append(file)
    return {shape: list(terrains.values()) for shape, terrains in shapes.items()}
