"""What a benchmark is: contenders x prompts x seeds at one size, every cell an ordinary render. No torch.

Not here: where prompts come from (`studio.benchmark.prompts`), how far the cells are (`studio.benchmark.progress`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from metrics.protocols import PROTOCOLS, Column, find_column
from studio.render_request import AdapterUse, RenderRequest

VERSION = 1
MAX_CELLS, MAX_CONTENDERS = 20_000, 12
_NAME = re.compile(r"[\w][\w. -]{0,79}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One model as it is to draw."""

    name: str
    model: str
    num_inference_steps: int
    guidance_scale: float
    coarse_first: float = 0.0
    negative_prompt: str = ""
    adapters: tuple[AdapterUse, ...] = ()
    rope: str = "none"
    speed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt, and the real picture that it describes, where there is one."""

    name: str
    """Unique in a benchmark: the reference's file name, or a number."""

    text: str
    reference: str = ""
    """Path of the real picture; empty for none."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of a benchmark."""

    contender: str
    prompt: str
    seed: int
    request: RenderRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkPlan:
    """Checked when it is made: names are unique, and no cell asks for what no render takes."""

    name: str
    contenders: tuple[Contender, ...]
    prompts: tuple[Prompt, ...]
    prompt_set: str
    """What the prompts are called, such as "Aesthetic-Eval@4096": published numbers compare on the same set alone."""

    seeds: tuple[int, ...]
    width_px: int
    height_px: int
    columns: tuple[str, ...]
    """Keys of `metrics.protocols`, in the order of the table."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"a benchmark's name is letters, digits, spaces, . _ -, at most 80, got {self.name[:90]!r}; change it"
            )
        _once("contender", [one.name for one in self.contenders])
        _once("prompt", [one.name for one in self.prompts])
        _once("seed", [str(seed) for seed in self.seeds])
        _once("column", list(self.columns))
        if len(self.contenders) > MAX_CONTENDERS:
            raise ValueError(
                f"a benchmark has at most {MAX_CONTENDERS} contenders, got {len(self.contenders)}"
            )
        if self.num_cells > MAX_CELLS:
            raise ValueError(
                f"{self.num_cells} pictures were asked for, and a benchmark has at most {MAX_CELLS}; "
                "take fewer prompts, seeds or models"
            )
        for key in self.columns:
            find_column(key)
        self.cells()

    @property
    def num_cells(self) -> int:
        return len(self.contenders) * len(self.prompts) * len(self.seeds)

    def cells(self) -> tuple[Cell, ...]:
        """Contender by contender, so that each model is opened once. Raises ValueError, naming the cell."""
        found = []
        for contender in self.contenders:
            for prompt in self.prompts:
                for seed in self.seeds:
                    try:
                        request = self._request(contender, prompt, seed)
                    except ValueError as error:
                        raise ValueError(f"{contender.name}, prompt {prompt.name}: {error}") from error
                    found.append(Cell(contender.name, prompt.name, seed, request))
        return tuple(found)

    def protocol_columns(self) -> tuple[Column, ...]:
        return tuple(find_column(key) for key in self.columns)

    def references(self) -> tuple[str, ...]:
        """Paths of the real pictures, in the order of the prompts that have one."""
        return tuple(prompt.reference for prompt in self.prompts if prompt.reference)

    def to_dict(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The opposite of `to_dict`. Raises ValueError for what is none, and for a newer version."""
        if values.get("version") != VERSION:
            raise ValueError(f"it is of version {values.get('version')!r}, this studio reads {VERSION}")
        known = {name: value for name, value in values.items() if name != "version"}
        try:
            return cls(
                **{
                    **known,
                    "contenders": tuple(_contender(one) for one in known["contenders"]),
                    "prompts": tuple(Prompt(**one) for one in known["prompts"]),
                    "seeds": tuple(known["seeds"]),
                    "columns": tuple(known["columns"]),
                }
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"it is no benchmark ({error})") from error

    def _request(self, contender: Contender, prompt: Prompt, seed: int) -> RenderRequest:
        return RenderRequest(
            prompt=prompt.text,
            negative_prompt=contender.negative_prompt,
            model=contender.model,
            width_px=self.width_px,
            height_px=self.height_px,
            num_inference_steps=contender.num_inference_steps,
            guidance_scale=contender.guidance_scale,
            seed=seed,
            coarse_first=contender.coarse_first,
            adapters=contender.adapters,
            rope=contender.rope,
            speed=contender.speed,
        )


def all_columns() -> tuple[str, ...]:
    """Of every protocol, the published one first."""
    return tuple(column.key for protocol in PROTOCOLS for column in protocol.columns)


def _contender(values: Mapping[str, Any]) -> Contender:
    worn = tuple(AdapterUse(**one) for one in values.get("adapters", ()))
    return Contender(**{**values, "adapters": worn})


def _once(what: str, names: Sequence[str]) -> None:
    if not names:
        raise ValueError(f"a benchmark has at least one {what}; name one")
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise ValueError(f"the {what} {twice[0][:60]!r} is named twice; once is enough")
