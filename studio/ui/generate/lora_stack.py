"""LoRAs of a render: a list with a switch and a weight each, and the strengths to draw every picture at.

Strength 0 is the model alone, so "0, 1" is base against LoRA with equal seeds. Not here: which files there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gradio.data_classes import GradioModel

from studio.home.workspace import Workspace
from studio.models.adapters import list_adapters
from studio.render_request import MAX_ADAPTER_WEIGHT, AdapterUse, RenderRequest
from studio.ui.components import Drawn

MAX_STRENGTHS = 8


class LoraOption(GradioModel):
    path: str
    title: str = ""
    note: str = ""
    trigger: str = ""
    broken: str = ""


class LoraRow(GradioModel):
    path: str
    weight: float = 1.0
    on: bool = True


class LoraContent(GradioModel):
    """What the form holds."""

    rows: tuple[LoraRow, ...] = ()
    strengths: str = "1"


def not_wired() -> tuple[LoraOption, ...]:
    raise RuntimeError("the LoRA stack was built but not wired")


@dataclass(slots=True)
class LoraServer:
    """What the page's script may ask for. Apart from the widget, of which Gradio makes a new one for each visitor."""

    offers: Callable[[], tuple[LoraOption, ...]] = not_wired
    """What can be added; filled in when the page is wired."""


class LoraStack(Drawn):
    """Event: change, after each edit. The page owns the rows; what can be added it asks for by itself."""

    data_model = LoraContent
    scripts = ("lora_stack.js",)
    markup = """
<section class="loras" aria-label="LoRAs">
  <select class="loras-add" aria-label="Add a LoRA"></select>
  <ul class="loras-rows"></ul>
  <label class="loras-strengths" hidden><span>Strengths</span>
    <input type="text" inputmode="decimal"
      title="Each picture is drawn at each of them, with one seed; 0 is the model alone"></label>
</section>
"""

    def __init__(
        self, value: LoraContent | None = None, *, server: LoraServer | None = None, **kwargs: Any
    ) -> None:
        asked = LoraServer() if server is None else server
        self.asked = asked

        def list_loras(_asked: object = None) -> list[dict[str, Any]]:
            return [option.model_dump() for option in asked.offers()]

        super().__init__(value, **{**kwargs, "server_functions": [list_loras]})


def lora_options(workspace: Workspace) -> tuple[LoraOption, ...]:
    """Every LoRA of the home, the newest first."""
    return tuple(
        LoraOption(
            path=found.path,
            title=found.title,
            note=" ".join(found.metadata[name] for name in ("family", "rank") if name in found.metadata),
            trigger=found.metadata.get("trigger", ""),
            broken=found.error or "",
        )
        for found in list_adapters(workspace)
    )


def adapters_of(stack: LoraContent) -> tuple[AdapterUse, ...]:
    """The LoRAs that are switched on. Raises ValueError for a weight that cannot be used."""
    return tuple(AdapterUse(row.path, row.weight) for row in stack.rows if row.on)


def strengths_of(text: str) -> tuple[float, ...]:
    """Numbers between commas, each once. Raises ValueError for what is none."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        strengths = tuple(dict.fromkeys(float(word) for word in words))
    except ValueError as error:
        raise ValueError(
            f"strengths are numbers between commas, such as 0, 0.5, 1; got {text[:60]!r}"
        ) from error
    if not 1 <= len(strengths) <= MAX_STRENGTHS:
        raise ValueError(f"give 1 to {MAX_STRENGTHS} strengths, such as 0, 1; got {len(strengths)}")
    return strengths


def at_strengths(requests: list[RenderRequest], strengths: tuple[float, ...]) -> list[RenderRequest]:
    """Each request at each strength, side by side, with its own seed; without LoRAs the requests as they are."""
    if not requests[0].adapters:
        return requests
    for use in requests[0].adapters:
        for strength in strengths:
            if abs(use.weight * strength) > MAX_ADAPTER_WEIGHT:
                raise ValueError(
                    f"a LoRA of weight {use.weight:g} at strength {strength:g} is beyond {MAX_ADAPTER_WEIGHT:g}; "
                    "choose less"
                )
    return [
        replace(
            request, adapters=tuple(replace(use, weight=use.weight * strength) for use in request.adapters)
        )
        for request in requests
        for strength in strengths
    ]


def restored_stack(adapters: Any) -> LoraContent:
    """The form for the LoRAs of a picture's settings."""
    return LoraContent(
        rows=tuple(LoraRow(path=str(one["path"]), weight=float(one["weight"])) for one in adapters)
    )


def beside_the_base(path: str) -> LoraContent:
    """One LoRA alone, drawn at 0 and at 1: the same noise without it and with it."""
    return LoraContent(rows=(LoraRow(path=path),), strengths="0, 1")
