"""A benchmark's pictures measured by its columns, and each contender's against the real ones. Goes on where it was.

torch is imported only by columns that need a network. Not here: what the numbers say (`studio.benchmark.table`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics.pictures import read_picture
from metrics.protocol_scores import Measured, measure_picture, measure_set, open_networks
from metrics.protocols import Column
from studio.benchmark.folder import BenchmarkFolder
from studio.benchmark.plan import BenchmarkPlan, Cell
from studio.benchmark.progress import Standings
from studio.pictures.gallery_rows import Picture

OnStep = Callable[[str, int, int], bool]
"""Told (what is measured, done, of how many) before each step; False: stop, please."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """A picture and the columns that it lacks."""

    cell: Cell
    picture: Picture
    columns: tuple[Column, ...]


def measure_benchmark(
    folder: BenchmarkFolder,
    found: Standings,
    *,
    device: str = "cpu",
    cache: Path | None = None,
    share: tuple[int, int] = (0, 1),
    on_step: OnStep = lambda _what, _done, _total: True,
) -> bool:
    """Measure what is drawn and not measured yet; False if it was stopped, and what was measured is kept.

    A picture that cannot be read costs its own cells alone. `share` is (which, of how many) processes.
    """
    plan = found.plan
    if not measure_pictures(folder, found, device=device, share=share, on_step=on_step):
        return False
    return (
        measure_sets(folder, plan, found, device=device, cache=cache, on_step=on_step)
        if share[0] == 0
        else True
    )


def measure_pictures(
    folder: BenchmarkFolder,
    found: Standings,
    *,
    device: str,
    share: tuple[int, int] = (0, 1),
    on_step: OnStep,
) -> bool:
    """The columns of pictures."""
    plan = found.plan
    columns = tuple(column for column in plan.protocol_columns() if column.is_of_pictures)
    pending = _pending(folder, found, columns, share)
    if not pending:
        return True
    scorer, lacking = open_networks(columns, device=device)
    texts = {prompt.name: prompt.text for prompt in plan.prompts}
    for done, one in enumerate(pending):
        if not on_step("measuring", done, len(pending)):
            return False
        wanted = [column for column in one.columns if column.key not in lacking]
        try:
            pixels = read_picture(one.picture.path).pixels
            measured = measure_picture(pixels, texts[one.cell.prompt], wanted, scorer=scorer)
        except ValueError as error:
            measured = Measured(missing=dict.fromkeys((column.key for column in wanted), str(error)))
        reasons = {column.key: lacking[column.key] for column in one.columns if column.key in lacking}
        folder.add_scores(one.picture.id, measured.values, {**measured.missing, **reasons}, measured.models)
    return True


def measure_sets(
    folder: BenchmarkFolder,
    plan: BenchmarkPlan,
    found: Standings,
    *,
    device: str,
    cache: Path | None,
    on_step: OnStep,
) -> bool:
    """The columns of sets, for each contender whose pictures are not those that were measured last."""
    columns = [column for column in plan.protocol_columns() if not column.is_of_pictures]
    if not columns:
        return True
    kept = folder.sets()
    references = {prompt.name: Path(prompt.reference) for prompt in plan.prompts if prompt.reference}
    for done, contender in enumerate(plan.contenders):
        pictures = found.pictures(contender.name)
        mark = _mark(
            [picture.id for _, picture in pictures], [str(path) for path in references.values()], columns
        )
        held = kept.get(contender.name)
        if isinstance(held, dict) and held.get("of") == mark and not held.get("missing"):
            continue
        if not on_step("comparing with the real pictures", done, len(plan.contenders)):
            return False
        measured = measure_set(
            [picture.path for _, picture in pictures],
            [path for path in references.values() if path.is_file()],
            columns,
            cache=cache,
            device=device,
        )
        kept[contender.name] = {
            "of": mark,
            "values": dict(measured.values),
            "missing": dict(measured.missing),
            "notes": [
                *measured.notes,
                *(
                    f"left out: {path} is no longer there"
                    for path in references.values()
                    if not path.is_file()
                ),
            ],
        }
        folder.write_sets(kept)
    return True


def _pending(
    folder: BenchmarkFolder, found: Standings, columns: Sequence[Column], share: tuple[int, int]
) -> list[_Pending]:
    known = folder.scores()
    pending = []
    for number, (cell, standing) in enumerate(found.cells):
        if standing.picture is None or number % share[1] != share[0]:
            continue
        values = known.get(standing.picture.id, {}).get("values", {})
        lacking = tuple(column for column in columns if column.key not in values)
        if lacking:
            pending.append(_Pending(cell, standing.picture, lacking))
    return pending


def _mark(pictures: Sequence[str], references: Sequence[str], columns: Sequence[Column]) -> str:
    """Changes with any of them."""
    said = json.dumps([sorted(pictures), sorted(references), sorted(column.key for column in columns)])
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:20]
