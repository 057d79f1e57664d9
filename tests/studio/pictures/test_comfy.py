"""ComfyUI's graphs: walked upstream from the sampler, whatever nodes stand between."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from studio.pictures.foreign_text.comfy import read_graph
from tests.studio.pictures.pictures_of_others import COMFY


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


FLUX = {
    "1": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
    "2": node("DualCLIPLoader", clip_name1="t5xxl.safetensors", clip_name2="clip_l.safetensors"),
    "3": node("CLIPTextEncode", text="a fox", clip=["2", 0]),
    "4": node("FluxGuidance", guidance=3.5, conditioning=["3", 0]),
    "5": node("BasicGuider", model=["1", 0], conditioning=["4", 0]),
    "6": node("RandomNoise", noise_seed=77),
    "7": node("BasicScheduler", scheduler="simple", steps=24, denoise=1.0, model=["1", 0]),
    "8": node("EmptySD3LatentImage", width=1024, height=768, batch_size=1),
    "9": node("KSamplerSelect", sampler_name="euler"),
    "10": node(
        "SamplerCustomAdvanced",
        noise=["6", 0],
        guider=["5", 0],
        sampler=["9", 0],
        sigmas=["7", 0],
        latent_image=["8", 0],
    ),
}


def read(graph: Any) -> Any:
    return read_graph(json.dumps(graph))


def test_a_plain_graph() -> None:
    found = read(COMFY)
    assert found.values == {
        "prompt": "a castle",
        "negative_prompt": "fog",
        "seed": 5,
        "num_inference_steps": 20,
        "guidance_scale": 7.0,
        "width_px": 512,
        "height_px": 768,
        "model": "sd3.5_large.safetensors",
    }
    assert found.left_out == {
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": "1.0",
        "LoRA 10": "oil.safetensors",
    }


def test_a_flux_graph_with_everything_in_nodes_of_its_own() -> None:
    assert read(FLUX).values == {
        "prompt": "a fox",
        "seed": 77,
        "num_inference_steps": 24,
        "guidance_scale": 3.5,
        "width_px": 1024,
        "height_px": 768,
        "model": "flux1-dev.safetensors",
    }


def test_text_and_seed_that_come_over_links() -> None:
    graph = deepcopy(COMFY)
    graph["6"]["inputs"]["text"] = ["20", 0]
    graph["20"] = node("PrimitiveStringMultiline", value="from a primitive")
    graph["3"]["inputs"]["seed"] = ["21", 0]
    graph["21"] = node("Seed (rgthree)", seed=99)
    graph["3"]["inputs"]["positive"] = ["22", 0]
    graph["22"] = node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["6", 0])
    found = read(graph)
    assert (found.values["prompt"], found.values["seed"]) == ("from a primitive", 99)


def test_of_two_samplers_the_one_that_composed_counts() -> None:
    graph = {"30": deepcopy(COMFY["3"]), **deepcopy(COMFY)}  # the detail pass stands first in the file
    graph["30"]["inputs"] |= {"seed": 1, "steps": 8, "denoise": 0.4, "latent_image": ["31", 0]}
    graph["31"] = node("LatentUpscale", width=2048, height=3072, samples=["3", 0])
    found = read(graph)
    assert (found.values["seed"], found.values["num_inference_steps"], found.values["width_px"]) == (
        5,
        20,
        512,
    )
    assert found.left_out["further samplers"] == "KSampler"


def test_the_sides_are_not_confused() -> None:
    graph = deepcopy(COMFY)
    del graph["7"]
    assert "negative_prompt" not in read(graph).values


def test_a_seed_of_64_bits_is_named_and_left_out() -> None:
    graph = deepcopy(COMFY)
    graph["3"]["inputs"]["seed"] = 156680208700286
    found = read(graph)
    assert "seed" not in found.values
    assert found.left_out["seed"] == "156680208700286 (here it lies between 0 and 4294967295)"


def test_a_graph_that_goes_round_in_a_circle_ends() -> None:
    graph = deepcopy(COMFY)
    graph["6"]["inputs"] = {"clip": ["7", 0]}
    graph["7"]["inputs"] = {"clip": ["6", 0]}
    assert "prompt" not in read(graph).values


def test_not_a_number_where_the_server_writes_it() -> None:
    """ComfyUI writes NaN for nodes that are never the same."""
    graph = deepcopy(COMFY)
    graph["6"]["is_changed"] = [float("nan")]
    assert read(graph).values["prompt"] == "a castle"


@pytest.mark.parametrize(
    "graph", [[], {}, {"1": 3}, {"1": {"inputs": []}}, {"1": node("SaveImage")}, None, "text"]
)
def test_what_is_no_graph_is_refused(graph: Any) -> None:
    with pytest.raises(ValueError, match="its ComfyUI graph"):
        read(graph)
