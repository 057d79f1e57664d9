"""LoRAs on a warm pipeline: each file is read once, and weights change without reading it again.

A weight of 0 takes an adapter out of the sum altogether, so that the picture is the base model's, bit for bit.
Not here: which files there are (`studio.models.adapters`), their keys (`finetune.lora.matching`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from diffusers import DiffusionPipeline

from finetune.backbones import FamilyName
from finetune.lora.files import diffusers_state, layer_shapes, read_adapter
from finetune.lora.matching import MatchReport
from studio.models.adapters import file_digest, resolve_adapter
from studio.render_request import AdapterUse


@dataclass(frozen=True, slots=True)
class WornAdapter:
    """One LoRA as it takes part in a picture."""

    path: str
    """As the request named it."""

    weight: float
    digest: str
    """16 hex digits of the file's SHA-256."""

    report: MatchReport


@dataclass(frozen=True, slots=True)
class _Loaded:
    name: str
    """In the pipeline."""

    stamp: tuple[int, int]
    digest: str
    report: MatchReport


@dataclass(slots=True)
class AdapterStack:
    """What one pipeline wears. Belongs to its `OpenedModel`."""

    worn: tuple[WornAdapter, ...] = ()
    _loaded: dict[Path, _Loaded] = field(default_factory=dict)
    _num_named: int = 0

    def wear(
        self, pipeline: DiffusionPipeline, family: FamilyName, uses: Sequence[AdapterUse], root: Path | None
    ) -> None:
        """Make the pipeline draw with exactly these adapters.

        Raises ValueError for a file that is missing, unreadable, or fits no layer; the pipeline is bare then.
        """
        active = [use for use in uses if use.weight != 0]
        try:
            files = {use.path: resolve_adapter(root, use.path) for use in active}
            self._take_off(pipeline, keep=set(files.values()))
            for path in files.values():
                if path not in self._loaded:
                    self._load(pipeline, family, path)
        except BaseException:
            self._take_off(pipeline, keep=set())
            self.worn = ()
            raise
        loaded = [self._loaded[files[use.path]] for use in active]
        if active:
            pipeline.set_adapters([one.name for one in loaded], [float(use.weight) for use in active])
        self.worn = tuple(
            WornAdapter(use.path, use.weight, one.digest, one.report)
            for use, one in zip(active, loaded, strict=True)
        )

    def notes(self) -> tuple[str, ...]:
        """One sentence for each adapter that is not used whole."""
        return tuple(
            f"Of {Path(worn.path).name}, {len(worn.report.unmatched)} keys fit nothing here and were not used."
            for worn in self.worn
            if worn.report.unmatched
        )

    def _load(self, pipeline: DiffusionPipeline, family: FamilyName, path: Path) -> None:
        stamp = _stamp(path)
        adapter = read_adapter(path, family=family, shapes=layer_shapes(pipeline.transformer))
        if not adapter.pairs:
            reason = next(iter(adapter.report.unmatched.values()), "It is empty.")
            raise ValueError(
                f"{path.name} fits no layer of this model ({reason}) Choose another adapter or model"
            )
        digest = file_digest(path)
        name = f"d4k_{self._num_named}"
        self._num_named += 1
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="Already found a `peft_config`"
            )  # a stack is what we want
            # As `load_lora_weights` does, which would also complain that there is nothing for the text encoders.
            pipeline.transformer.load_lora_adapter(
                diffusers_state(adapter.pairs), prefix="transformer", adapter_name=name, _pipeline=pipeline
            )
        self._loaded[path] = _Loaded(name, stamp, digest, adapter.report)

    def _take_off(self, pipeline: DiffusionPipeline, *, keep: set[Path]) -> None:
        gone = [p for p, one in self._loaded.items() if p not in keep or _stamp(p) != one.stamp]
        if not gone:
            return
        if len(gone) == len(self._loaded):
            pipeline.unload_lora_weights()
        else:
            pipeline.delete_adapters([self._loaded[path].name for path in gone])
        for path in gone:
            del self._loaded[path]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except FileNotFoundError:
        return (-1, -1)
    return state.st_size, state.st_mtime_ns
