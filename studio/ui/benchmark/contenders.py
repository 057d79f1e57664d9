"""The models of a new benchmark: a list that the page owns, each with its name, steps, guidance and LoRAs.

Not here: what a contender is (`studio.benchmark.plan`).
"""

from __future__ import annotations

from typing import Any

from gradio.data_classes import GradioModel

from studio.benchmark.plan import Contender
from studio.home.workspace import Workspace
from studio.models.adapters import list_adapters
from studio.models.lookup import find_model
from studio.render_request import AdapterUse
from studio.ui.components import Drawn
from studio.ui.generate.notes import model_choices


class WornLora(GradioModel):
    path: str
    weight: float = 1.0


class ContenderRow(GradioModel):
    """One model as the form holds it."""

    id: int = 0
    """Tells rows apart on the page."""

    name: str = ""
    """Empty: the page names it by model and LoRAs."""

    own: bool = False
    """Somebody wrote the name, so it stays."""

    model: str = ""
    steps: int = 28
    guidance: float = 4.0
    coarse_first: float = 0.0
    negative_prompt: str = ""
    loras: tuple[WornLora, ...] = ()
    rope: str = "none"
    speed: str = ""


class ContenderContent(GradioModel):
    rows: tuple[ContenderRow, ...] = ()


class ContenderList(Drawn):
    """Event: change, after each edit. What can be added the page asks for by itself when it comes into sight."""

    data_model = ContenderContent
    scripts = ("contender_list.js",)
    markup = """
<section class="contenders" aria-label="Models">
  <h3>Models</h3>
  <ul class="contenders-rows"></ul>
  <select class="contenders-add" aria-label="Add a model"></select>
</section>
"""

    def __init__(
        self, value: ContenderContent | None = None, *, workspace: Workspace | None = None, **kwargs: Any
    ) -> None:
        self.workspace = workspace

        def contender_options(_asked: object = None) -> dict[str, Any]:
            return {} if workspace is None else options(workspace)

        super().__init__(value, **{**kwargs, "server_functions": [contender_options]})


def options(workspace: Workspace) -> dict[str, Any]:
    """Models with their own numbers, and the LoRAs of the home."""
    models = []
    for title, model in model_choices():
        entry = find_model(model)
        models.append(
            {
                "id": model,
                "title": title,
                "steps": entry.default_steps,
                "guidance": entry.default_guidance_scale,
                "coarse_first": entry.default_coarse_first,
            }
        )
    loras = [{"path": one.path, "title": one.title} for one in list_adapters(workspace) if one.error is None]
    return {"models": models, "loras": loras}


def contenders_of(content: ContenderContent) -> tuple[Contender, ...]:
    """Raises ValueError for none, and for a model or number that cannot be used."""
    if not content.rows:
        raise ValueError("no model is chosen; add one from the list below Models")
    return tuple(
        Contender(
            name=row.name.strip() or row.model,
            model=find_model(row.model).id,
            num_inference_steps=int(row.steps),
            guidance_scale=float(row.guidance),
            coarse_first=float(row.coarse_first),
            negative_prompt=row.negative_prompt,
            adapters=tuple(AdapterUse(worn.path, float(worn.weight)) for worn in row.loras),
            rope=row.rope,
            speed=row.speed,
        )
        for row in content.rows
    )
