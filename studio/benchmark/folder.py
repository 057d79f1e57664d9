"""A benchmark on disk: its plan, what was measured, and how people judged. Each file is whole or was never written.

`benchmarks/NAME/` under the home: plan.json, scores.jsonl (a line each picture), sets.json, failures.jsonl of what was
drawn in place (a job keeps its own), votes.jsonl, and reports.
Lines that cannot be read cost themselves alone. Not here: drawing (`studio.benchmark.progress`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from finetune.json_text import parse_json
from finetune.locking import tried_lock
from studio.benchmark.plan import BenchmarkPlan
from studio.home.disk import disk_words, whole_file
from studio.home.workspace import Workspace

PLAN, SCORES, SETS, VOTES = "plan.json", "scores.jsonl", "sets.json", "votes.jsonl"
FAILURES = "failures.jsonl"


@dataclass(frozen=True, slots=True)
class BenchmarkFolder:
    """One benchmark of a home."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def plan(self) -> BenchmarkPlan:
        """Raises ValueError for no benchmark, a damaged one, and one of a newer version."""
        file = self.path / PLAN
        try:
            values = parse_json(file.read_text(encoding="utf-8"))
            if not isinstance(values, dict):
                raise ValueError("it is no object")
            return BenchmarkPlan.from_dict(values)
        except FileNotFoundError as error:
            raise ValueError(f"{self.path} is no benchmark: it has no {PLAN}") from error
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{file} cannot be read ({error}); make the benchmark again under another name"
            ) from error

    def write_plan(self, plan: BenchmarkPlan) -> None:
        with disk_words(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self._write(PLAN, json.dumps(plan.to_dict(), ensure_ascii=False, indent=1))

    def scores(self) -> dict[str, dict[str, Any]]:
        """By picture id: {"values": by column key, "missing": reasons by column key}; a later line adds to it.

        Where a network could have been another one, also {"models": its folder or hub id by column key}.
        """
        found: dict[str, dict[str, Any]] = {}
        for line in self._lines(SCORES):
            picture, values, missing = line.get("picture"), line.get("values"), line.get("missing")
            if isinstance(picture, str) and isinstance(values, dict) and isinstance(missing, dict):
                held = found.setdefault(picture, {"values": {}, "missing": {}})
                held["values"] |= {k: v for k, v in values.items() if isinstance(v, int | float)}
                held["missing"] = {
                    k: v for k, v in {**held["missing"], **missing}.items() if k not in held["values"]
                }
                if isinstance(models := line.get("models"), dict):
                    held["models"] = held.get("models", {}) | {k: str(v) for k, v in models.items()}
        return found

    def add_scores(
        self,
        picture: str,
        values: Mapping[str, float],
        missing: Mapping[str, str],
        models: Mapping[str, str] | None = None,
    ) -> None:
        line = {"picture": picture, "values": dict(values), "missing": dict(missing)}
        self._append(SCORES, line | ({"models": dict(models)} if models else {}))

    def sets(self) -> dict[str, Any]:
        """By contender: what was measured of its pictures together; empty where nothing was."""
        try:
            found = parse_json((self.path / SETS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # measured again
        return found if isinstance(found, dict) else {}

    def write_sets(self, values: Mapping[str, Any]) -> None:
        self._write(SETS, json.dumps(dict(values), indent=1))

    def failures(self) -> dict[tuple[str, str, int], str]:
        """Why a cell could not be drawn in place, by contender, prompt and seed; a later reason counts."""
        found: dict[tuple[str, str, int], str] = {}
        for line in self._lines(FAILURES):
            contender, prompt, seed, why = (line.get(k) for k in ("contender", "prompt", "seed", "why"))
            named = isinstance(contender, str) and isinstance(prompt, str) and isinstance(why, str)
            if named and isinstance(seed, int):
                found[str(contender), str(prompt), seed] = str(why)
        return found

    def add_failure(self, contender: str, prompt: str, seed: int, why: str) -> None:
        self._append(FAILURES, {"contender": contender, "prompt": prompt, "seed": seed, "why": why})

    def votes(self) -> list[dict[str, Any]]:
        """Every line that is an object, oldest first."""
        return list(self._lines(VOTES))

    def add_vote(self, vote: Mapping[str, Any]) -> None:
        self._append(VOTES, vote)

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        try:
            lines = (self.path / name).read_bytes().split(b"\n")
        except OSError:
            return
        for line in lines:
            try:
                entry = parse_json(line)
            except ValueError:  # cut off by a kill or a full disk
                continue
            if isinstance(entry, dict):
                yield entry

    def _append(self, name: str, entry: Mapping[str, Any]) -> None:
        path = self.path / name
        with disk_words(path), path.open("ab+") as file:
            file.seek(0, 2)
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":  # a line before was cut off
                    file.write(b"\n")
            file.write((json.dumps(entry, ensure_ascii=False) + "\n").encode("utf-8", "replace"))

    def _write(self, name: str, text: str) -> None:
        with disk_words(self.path / name), whole_file(self.path / name) as part:
            part.write_text(text, encoding="utf-8")


def benchmarks_of(workspace: Workspace) -> Path:
    return workspace.root / "benchmarks"


def create_benchmark(workspace: Workspace, plan: BenchmarkPlan) -> BenchmarkFolder:
    """A new one, or the one of that name where its plan is the very same. Raises ValueError where it is another."""
    folder = BenchmarkFolder(benchmarks_of(workspace) / plan.name)
    with disk_words(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
    with tried_lock(folder.path / "lock") as ours:
        if not ours:
            raise ValueError(
                f"the benchmark {plan.name} is being made or run by another process; wait for it"
            )
        if (folder.path / PLAN).exists():
            if folder.plan() != plan:
                raise ValueError(
                    f"there is a benchmark {plan.name} already, of other settings; choose another name"
                )
        else:
            folder.write_plan(plan)
    return folder


def find_benchmark(workspace: Workspace, name: str) -> BenchmarkFolder:
    """By name. Raises ValueError, with the names there are, where there is none."""
    root = benchmarks_of(workspace)
    folder = BenchmarkFolder(root / name)
    if not name or folder.path.parent != root or not (folder.path / PLAN).is_file():
        names = ", ".join(one.name for one in list_benchmarks(workspace))
        hint = f"there are {names}" if names else "make one first"
        raise ValueError(f"there is no benchmark {name!r}; {hint}")
    return folder


def list_benchmarks(workspace: Workspace) -> list[BenchmarkFolder]:
    """The last made first, damaged ones among them."""
    root = benchmarks_of(workspace)
    try:
        found = [path for path in root.iterdir() if (path / PLAN).is_file()]
        return [
            BenchmarkFolder(p) for p in sorted(found, key=lambda p: (p / PLAN).stat().st_mtime, reverse=True)
        ]
    except OSError:
        return []


def free_name(workspace: Workspace) -> str:
    """Such as "benchmark 3": the first of these that no benchmark has."""
    taken = {one.name for one in list_benchmarks(workspace)}
    return next(name for number in count(1) if (name := f"benchmark {number}") not in taken)
