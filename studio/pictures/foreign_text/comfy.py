"""ComfyUI: a graph of nodes as JSON, from which the settings are found by walking upstream from the sampler.

The text "prompt" is the graph that ran: {id: {"class_type", "inputs"}}, an input either a value or [id, output].
Nodes are anybody's, so what counts is the names of inputs, not of classes. Several samplers (a detail pass, a refiner)
are told apart by their latents: the one that begins from an empty latent composed the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from finetune.json_text import parse_json
from studio.pictures.foreign_text.reading import Reading

Graph = Mapping[str, Mapping[str, Any]]

_POSITIVE = ("positive", "conditioning", "guider", "cond")
_NEGATIVE = ("negative", "guider")
_TEXTS = (
    "text",
    "prompt",
    "text_g",
    "t5xxl",
    "clip_l",
    "text_l",
    "string",
    "value",
    "string_a",
    "text1",
    "positive",
)
_MODELS = ("ckpt_name", "unet_name", "model_name", "base_ckpt_name")
_MAX_NODES = 20_000


def read_graph(text: str) -> Reading:
    """ValueError for what is no graph, or one without a sampler."""
    graph = _graph(text)
    samplers = [key for key in graph if _is_sampler(graph, key)]
    if not samplers:
        raise ValueError("its ComfyUI graph has no sampler whose steps could be read")
    first = next((key for key in samplers if not _samplers_before(graph, key, samplers)), samplers[0])
    found = Reading("ComfyUI")
    _take_prompts(found, graph, first)
    found.take("seed", _value(graph, first, ("seed", "noise_seed"), ("noise",)), called="seed")
    found.take("num_inference_steps", _value(graph, first, ("steps",), ("sigmas",)), called="steps")
    # FLUX: "cfg" stands at 1, and the number given to the transformer is called guidance.
    guidance = _value(graph, first, ("guidance",), _POSITIVE)
    cfg = _value(graph, first, ("cfg",), ("guider",))
    found.take("guidance_scale", cfg if guidance is None else guidance, called="cfg")
    latent = ("latent_image", "samples", "latent")
    found.take_size(
        _value(graph, first, ("width",), latent), _value(graph, first, ("height",), latent), called="size"
    )
    model = _value(graph, first, _MODELS, ("model", "guider"))
    found.take("model", model, called="model")
    for name in ("sampler_name", "scheduler", "denoise"):
        found.leave(name, _value(graph, first, (name,), ("sampler", "sigmas")))
    for key, node in graph.items():
        if isinstance(name := node["inputs"].get("lora_name"), str):
            found.leave(f"LoRA {key}", name)
    if len(samplers) > 1:
        found.leave(
            "further samplers",
            ", ".join(str(graph[key].get("class_type")) for key in samplers if key != first),
        )
    return found


def _graph(text: str) -> Graph:
    try:
        graph = parse_json(text)
    except ValueError as error:
        raise ValueError(f"its ComfyUI graph is no JSON ({error})") from error
    if not isinstance(graph, dict) or len(graph) > _MAX_NODES:
        raise ValueError("its ComfyUI graph is not of the form {id: node}")
    return {
        str(key): node
        for key, node in graph.items()
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict)
    }


def _is_sampler(graph: Graph, key: str) -> bool:
    """It has steps of its own beside a seed, or noise and sigmas that come to it."""
    inputs = graph[key]["inputs"]
    return ("steps" in inputs and ("seed" in inputs or "noise_seed" in inputs)) or {"noise", "sigmas"} <= set(
        inputs
    )


def _samplers_before(graph: Graph, key: str, samplers: Sequence[str]) -> bool:
    """Whether its latents come from another sampler."""
    return any(above in samplers for above in _upstream(graph, key, ("latent_image", "samples", "latent")))


def _upstream(graph: Graph, key: str, through: Sequence[str]) -> Iterator[str]:
    """The nodes above one, nearest first: through the named inputs of the node itself, then through any."""
    seen = {key}
    rank = [str(link[0]) for name in through if (link := _link(graph[key]["inputs"].get(name)))]
    while rank:
        below = []
        for above in rank:
            if above in seen or above not in graph:
                continue
            seen.add(above)
            yield above
            below += [str(link[0]) for value in graph[above]["inputs"].values() if (link := _link(value))]
        rank = below


def _link(value: Any) -> list[Any] | None:
    """[id, output]; widgets hold lists too, but not of a text and a number."""
    is_link = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int)
    return value if is_link and isinstance(value[1], int) else None


def _value(graph: Graph, key: str, names: Sequence[str], through: Sequence[str]) -> Any:
    """The first value under one of `names`, at the node or above it; a link under such a name is followed."""
    own = graph[key]["inputs"]
    for name in names:
        if name in own and (link := _link(own[name])) is None:
            return own[name]
        if name in own and link is not None and str(link[0]) in graph:
            held = [v for v in graph[str(link[0])]["inputs"].values() if isinstance(v, int | float | str)]
            if held:
                return held[0]
    for above in _upstream(graph, key, through):
        inputs = graph[above]["inputs"]
        for name in names:
            if name in inputs and _link(inputs[name]) is None:
                return inputs[name]
    return None


def _take_prompts(found: Reading, graph: Graph, sampler: str) -> None:
    positive = _text(graph, sampler, _POSITIVE)
    negative = _text(graph, sampler, _NEGATIVE, side="negative")
    found.take("prompt", positive, called="positive")
    if negative is not None and negative != positive:
        found.take("negative_prompt", negative, called="negative")


def _text(graph: Graph, sampler: str, through: Sequence[str], *, side: str = "positive") -> str | None:
    """The longest text of the nearest node above that has one. A guider is entered by its own side."""
    start = sampler
    inputs = graph[start]["inputs"]
    if side not in inputs and (guider := _link(inputs.get("guider"))) and str(guider[0]) in graph:
        start = str(guider[0])
        inputs = graph[start]["inputs"]
        if side == "negative" and "negative" not in inputs:
            return None
    if isinstance(inputs.get(side), str):
        return str(inputs[side])
    entries = [name for name in through if name in inputs and name != "guider"]
    for above in _upstream(graph, start, [side] if side in inputs else entries):
        texts = [graph[above]["inputs"].get(name) for name in _TEXTS]
        if written := [text for text in texts if isinstance(text, str) and text.strip()]:
            return max(written, key=len)
    return None
