"""Tools that write their settings as one JSON object: InvokeAI, SwarmUI, Fooocus, NovelAI."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from finetune.json_text import parse_json
from studio.pictures.foreign_text.reading import Reading

Plain = dict[str, Any]


def read_invoke(text: str) -> Reading:
    """`invokeai_metadata` (since 3.0): flat, with models as objects. A FLUX picture's guidance is "guidance"."""
    told = parsed(text, "InvokeAI")
    found = Reading("InvokeAI")
    model = told.pop("model", None)
    if isinstance(model, Mapping):
        model = model.get("name") or model.get("model_name")
    found.take("model", model, called="model")
    if told.get("guidance") is not None:
        found.take("guidance_scale", told.pop("guidance"), called="guidance")
    found.take_size(told.pop("width", None), told.pop("height", None), called="size")
    names = {
        "positive_prompt": "prompt",
        "negative_prompt": "negative_prompt",
        "seed": "seed",
        "steps": "num_inference_steps",
        "cfg_scale": "guidance_scale",
    }
    found.take_all(told, names, passed_over=frozenset({"app_version", "generation_mode", "rand_device"}))
    return found


def read_old_invoke(text: str) -> Reading:
    """`sd-metadata` (2.x): {"model_weights", "image": {...}}, the prompt sometimes a list of weighted parts."""
    told = parsed(text, "InvokeAI")
    image = told.get("image")
    if not isinstance(image, dict):
        raise ValueError("its InvokeAI text describes no image")
    found = Reading("InvokeAI")
    prompt = image.pop("prompt", None)
    if isinstance(prompt, list):
        prompt = " ".join(str(part.get("prompt", "")) for part in prompt if isinstance(part, Mapping))
    if isinstance(prompt, str):  # what is not wanted stands in square brackets
        unwanted = re.findall(r"\[([^\]]*)\]", prompt)
        found.take("prompt", re.sub(r"\s*\[[^\]]*\]", "", prompt), called="prompt")
        found.take("negative_prompt", ", ".join(unwanted), called="prompt")
    found.take("model", told.get("model_weights"), called="model_weights")
    found.take_size(image.pop("width", None), image.pop("height", None), called="size")
    names = {"seed": "seed", "steps": "num_inference_steps", "cfg_scale": "guidance_scale"}
    found.take_all(image, names, passed_over=frozenset({"type"}))
    return found


def read_swarm(text: str) -> Reading:
    """SwarmUI: {"sui_image_params": {...}}; a FLUX picture's guidance is "fluxguidancescale"."""
    told = parsed(text, "SwarmUI").get("sui_image_params")
    if not isinstance(told, dict):
        raise ValueError("its SwarmUI text lists no settings")
    found = Reading("SwarmUI")
    if told.get("fluxguidancescale") is not None:
        found.take("guidance_scale", told.pop("fluxguidancescale"), called="fluxguidancescale")
    found.take_size(told.pop("width", None), told.pop("height", None), called="size")
    names = {
        "prompt": "prompt",
        "negativeprompt": "negative_prompt",
        "model": "model",
        "seed": "seed",
        "steps": "num_inference_steps",
        "cfgscale": "guidance_scale",
    }
    found.take_all(told, names, passed_over=frozenset({"swarm_version", "date", "aspectratio"}))
    return found


def read_fooocus(text: str) -> Reading:
    """Fooocus: flat, the size as text, "(1024, 1024)"."""
    told = parsed(text, "Fooocus")
    found = Reading("Fooocus")
    sides = re.findall(r"\d+", str(told.pop("resolution", told.pop("Resolution", ""))))
    if len(sides) == 2:
        found.take_size(*sides, called="resolution")
    names = {
        "prompt": "prompt",
        "negative_prompt": "negative_prompt",
        "base_model": "model",
        "seed": "seed",
        "steps": "num_inference_steps",
        "guidance_scale": "guidance_scale",
    }
    found.take_all(told, names, passed_over=frozenset({"version", "metadata_scheme"}))
    return found


def read_novelai(text: str) -> Reading:
    """NovelAI: the text `Comment`, flat; what is not wanted is "uc"."""
    told = parsed(text, "NovelAI")
    found = Reading("NovelAI")
    found.take_size(told.pop("width", None), told.pop("height", None), called="size")
    names = {
        "prompt": "prompt",
        "uc": "negative_prompt",
        "seed": "seed",
        "steps": "num_inference_steps",
        "scale": "guidance_scale",
    }
    passed_over = frozenset({"signed_hash", "request_type", "n_samples", "v4_prompt", "v4_negative_prompt"})
    found.take_all(told, names, passed_over=passed_over)
    return found


def parsed(text: str, tool: str) -> Plain:
    """ValueError unless it is a JSON object."""
    try:
        value = parse_json(text)
    except ValueError as error:
        raise ValueError(f"its {tool} text is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise ValueError(f"its {tool} text is no JSON object")
    return value
