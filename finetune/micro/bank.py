"""The bank of rendered scenes that every stage of Micro-4K learns from: one .npy per picture, made once, resumable.

A picture's number decides its scene, so names are enough to know what is in a file. The codec is measured on any land,
the transformer learns the known places, decoder, CLIP and judge both. Not here: latents (`latents`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finetune.micro.scenes.description import Scene, known_scenes, random_scene
from finetune.whole_files import whole_file

HELD_OUT_SEED = 10_000_000  # seeds from here on are for evaluation, never trained on


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures of one size; their numbers are `first` onward."""

    width_px: int
    height_px: int
    count: int
    first: int
    known: bool = False
    """Of `known_scenes`, by their order; otherwise the numbers are seeds of `random_scene`."""

    @property
    def name(self) -> str:
        return f"{'known-' if self.known else ''}{self.width_px}x{self.height_px}"


GROUPS = (
    Group(512, 512, len(known_scenes()), 0, known=True),  # for the transformer, from here
    Group(768, 512, 144, 0, known=True),
    Group(512, 768, 144, 144, known=True),
    Group(1024, 512, 96, 288, known=True),
    Group(512, 1024, 96, 384, known=True),
    Group(1024, 1024, 288, 0, known=True),
    Group(1024, 768, 48, 288, known=True),
    Group(768, 1024, 48, 336, known=True),
    Group(2048, 2048, 96, 384, known=True),
    Group(4096, 4096, 48, 480, known=True),  # to here
    Group(1024, 1024, 480, 0),
    Group(1024, 768, 60, 100_000),
    Group(768, 1024, 60, 200_000),
    Group(2048, 2048, 36, 300_000),
    Group(4096, 4096, 16, 400_000),
    Group(256, 256, 1600, 500_000),  # composition only: for the small CLIP and the judge
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture of the bank: where it is, and the scene it shows."""

    path: Path
    group: Group
    number: int

    @property
    def scene(self) -> Scene:
        return known_scenes()[self.number] if self.group.known else random_scene(self.number)

    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, mapped from disk: crops read only what they show."""
        return np.load(self.path, mmap_mode="r")


def entries(folder: Path, *, made: bool = True) -> list[Entry]:
    """Every picture of the bank; with `made`, those that are on disk already."""
    listed = [
        Entry(folder / group.name / f"{number}.npy", group, number)
        for group in GROUPS
        for number in range(group.first, group.first + group.count)
    ]
    return [entry for entry in listed if entry.path.exists()] if made else listed


def fill(folder: Path) -> Iterator[tuple[int, int]]:
    """Render what is missing, all groups in step; yields (pictures on disk, pictures wanted) after each."""
    from finetune.micro.scenes.render import render  # compiles for some ten seconds

    listed = entries(folder, made=False)
    # A share of each group at a time: later stages can begin on a part of the bank.
    listed.sort(key=lambda entry: (entry.number - entry.group.first) / entry.group.count)
    have = sum(entry.path.exists() for entry in listed)
    for entry in listed:
        if entry.path.exists():
            continue
        pixels = render(entry.scene, entry.group.width_px, entry.group.height_px)
        entry.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(entry.path) as part, part.open("wb") as file:
            np.save(file, pixels)
        have += 1
        yield have, len(listed)
