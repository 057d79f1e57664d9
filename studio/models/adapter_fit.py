"""How LoRA files fit a model: which of their keys change a layer, and why the others do not. No torch.

Read by a process of its own (`adapter_fit_child`), since it takes torch. Not here: the matching
(`finetune.lora.matching`), putting a LoRA on a model (`studio.pipeline.adapter_stack`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from studio.home.child_lines import EXIT, said_by
from studio.models.adapters import resolve_adapter
from studio.models.catalogue import Family
from studio.models.lookup import cached_folder, check_is_folder, find_model

CHILD = "studio.models.adapter_fit_child"


class Unused(NamedTuple):
    """Keys that change nothing, for one reason."""

    reason: str
    num_keys: int
    example: str


@dataclass(frozen=True, slots=True)
class AdapterFit:
    """One file against one model."""

    words: str
    """Layers, ranks and keys, or what is wrong with the file, in one line."""

    fits: bool
    """Whether it changes any layer."""

    unused: tuple[Unused, ...] = ()


class _Question(NamedTuple):
    file: Path
    stamp: tuple[int, int]
    """Size in bytes, time of the last change in nanoseconds."""

    folder: Path
    family: Family


@dataclass(slots=True)
class AdapterFits:
    """Answers of one studio, each found once. Safe from any thread; one process at a time looks."""

    root: Path | None
    """The studio's home, which relative paths lie under."""

    environ: Mapping[str, str]
    _known: dict[_Question, AdapterFit] = field(default_factory=dict)
    _broken: dict[_Question, AdapterFit] = field(default_factory=dict)
    """What could not be looked at: told, and looked at again when it is asked for again."""

    _looking: threading.Lock = field(default_factory=threading.Lock)

    def known(self, paths: Sequence[str], model: str) -> dict[str, AdapterFit]:
        """What was found before, by path: at once. Raises as `find` does."""
        asked = self._questions(paths, model)
        found = self._broken | self._known
        return {path: found[one] for path, one in asked.items() if one in found}

    def find(self, paths: Sequence[str], model: str) -> dict[str, AdapterFit]:
        """By path; some seconds for what is not known yet, in which this thread waits.

        Raises ValueError for a model that is not on this machine, or a file that is missing.
        """
        asked = self._questions(paths, model)
        with self._looking:
            new = [one for one in dict.fromkeys(asked.values()) if one not in self._known]
            for one in new:
                self._broken.pop(one, None)
            if new:
                try:
                    self._known |= zip(new, _look(new, self.environ), strict=True)
                except (OSError, ValueError) as error:
                    self._broken |= dict.fromkeys(new, AdapterFit(str(error), False))
        return self.known(paths, model)

    def _questions(self, paths: Sequence[str], model: str) -> dict[str, _Question]:
        folder, family = _folder_of(model)
        return {path: _question(resolve_adapter(self.root, path), folder, family) for path in paths}


def _question(file: Path, folder: Path, family: Family) -> _Question:
    state = file.stat()
    return _Question(file, (state.st_size, state.st_mtime_ns), folder, family)


def _folder_of(model: str) -> tuple[Path, Family]:
    entry = find_model(model)
    check_is_folder(entry)
    folder = cached_folder(entry.source) if entry.folder is None else entry.folder
    if folder is None:
        raise ValueError(
            f"{entry.title} is not on this machine yet, so its layers are not known; download it"
        )
    return folder, entry.family


def _look(questions: Sequence[_Question], environ: Mapping[str, str]) -> list[AdapterFit]:
    """In a process of its own; all questions are of one model."""
    order = {
        "folder": str(questions[0].folder),
        "family": questions[0].family,
        "files": [str(one.file) for one in questions],
    }
    found: list[AdapterFit] = []
    with closing(said_by(CHILD, order, environ=environ)) as lines:
        for said in lines:
            if EXIT in said:
                break
            if "error" in said:
                raise ValueError(said["error"])
            if said:
                unused = tuple(Unused(*one) for one in said["unused"])
                found.append(AdapterFit(said["words"], said["fits"], unused))
    if len(found) < len(questions):
        raise ValueError(
            f"reading the keys of {questions[len(found)].file.name} broke off; change the list to look again"
        )
    return found
