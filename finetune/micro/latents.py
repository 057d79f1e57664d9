"""Stage `latents`: the bank through the encoder's cascade, once, so that the transformer never waits for pixels.

A file holds the latents of a picture or of its mirror image, (16, h, w) float16, as the pipeline's scaling factor of 1
and shift of 0 have them. Not here: the cascade itself (`codec`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from finetune.micro.bank import Entry, entries
from finetune.micro.captions import mirrored
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


def wanted(bank: Path, folder: Path) -> list[tuple[Entry, bool, int, LatentFile]]:
    """(picture, mirrored?, shrink factor, file) for all that should exist."""
    listed = []
    for entry in entries(bank):
        if entry.group.width_px < 512:
            continue
        for flip in (False, True):
            for shrink in (1, 2) if entry.group.width_px == entry.group.height_px == 1024 else (1,):
                width, height = entry.group.width_px // shrink, entry.group.height_px // shrink
                name = f"{entry.seed}{'m' if flip else ''}.npy"
                path = folder / f"{width}x{height}" / name
                scene = mirrored(entry.scene) if flip else entry.scene
                listed.append((entry, flip, shrink, LatentFile(path, scene, width, height)))
    return listed


def made(bank: Path, folder: Path) -> list[LatentFile]:
    return [file for *_, file in wanted(bank, folder) if file.path.exists()]


def encode_bank(cascade: Cascade, bank: Path, folder: Path) -> Iterator[tuple[int, int]]:
    """Encode what is missing, every size in step; yields (made, wanted)."""
    listed = wanted(bank, folder)
    listed.sort(key=lambda item: (item[0].seed - item[0].group.first_seed) / item[0].group.count)
    for i, (entry, flip, shrink, file) in enumerate(listed):
        if file.path.exists():
            continue
        pixels = np.asarray(entry.pixels())
        x = torch.from_numpy(np.ascontiguousarray(pixels[:, ::-1] if flip else pixels)).permute(2, 0, 1)[None]
        x = x.float().div(127.5).sub(1)
        if shrink > 1:
            x = F.avg_pool2d(x, shrink)
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file.path) as part, part.open("wb") as out:
            np.save(out, cascade.encode(x)[0].numpy().astype(np.float16))
        yield i + 1, len(listed)
