"""Sizes on the meta device against the files that are published, and against the bundled model's own files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from finetune.backbones.autoencoder import make_f16
from finetune.backbones.full_size import FULL_SIZE_VAE, SHAPED_LIKE
from finetune.memory.model_sizes import MICRO_4K, ComponentSize, component_sizes, folder_sizes

HALF, FULL = torch.bfloat16, torch.float32
SINGLE_FILE = ("transformer", "vae")  # what Stability's single files hold

# Bytes of files on the hub, headers among them; of models in several files the sum. Each part of FLUX.1-dev and
# SD3.5-large is as the hub's own listing (`HfApi.model_info(files_metadata=True)`) has it.
PUBLISHED_PARTS: Mapping[str, Mapping[str, int]] = {
    "flux.1-dev": {
        "transformer": 9_983_040_304 + 9_949_328_904 + 3_870_584_832,
        "text_encoder": 246_144_352,
        "text_encoder_2": 4_994_582_224 + 4_530_066_360,
        "vae": 167_666_902,
    },
    "sd3.5-large": {
        "transformer": 9_985_185_992 + 6_307_519_304,
        "text_encoder": 247_323_896,
        "text_encoder_2": 1_389_382_176,
        "text_encoder_3": 4_994_582_104 + 4_530_066_248,
        "vae": 167_666_902,
    },
    # flux1-schnell.safetensors; the encoders and the VAE are dev's files.
    "flux.1-schnell": {"transformer": 23_782_506_688, "text_encoder": 246_144_352, "vae": 167_666_902},
    # stable-diffusion-3-medium-diffusers/transformer, float16.
    "sd3-medium": {
        "transformer": 4_169_981_408,
        "text_encoder": 247_323_896,
        "text_encoder_2": 1_389_382_176,
    },
    "diffusion-4k-flux": {"transformer": 23_802_954_040},
    "diffusion-4k-flux-v2": {"transformer": 23_802_954_040},
}
PUBLISHED_SINGLE_FILES = {
    "sd3-medium": 4_337_667_306,  # sd3_medium.safetensors
    "sd3.5-medium": 5_107_104_286,  # sd3.5_medium.safetensors
    "sd3.5-large": 16_460_379_262,  # sd3.5_large.safetensors
}


@pytest.mark.parametrize(
    ("model", "part", "published"),
    [(model, part, size) for model, parts in PUBLISHED_PARTS.items() for part, size in parts.items()],
)
def test_parts_are_the_published_files(model: str, part: str, published: int) -> None:
    """Asked for is 1 %; files differ from their weights by their headers alone, 0.3 % in the smallest."""
    assert component_sizes(model)[part].weight_bytes(HALF) == pytest.approx(published, rel=0.003)


@pytest.mark.parametrize(("model", "published"), PUBLISHED_SINGLE_FILES.items())
def test_single_files_hold_transformer_and_autoencoder(model: str, published: int) -> None:
    sizes = component_sizes(model)
    assert sum(sizes[part].weight_bytes(HALF) for part in SINGLE_FILE) == pytest.approx(published, rel=1e-3)


def test_float32_files_are_the_published_ones() -> None:
    """FLUX.1's ae.safetensors, and the text encoder of Diffusion-4K v2, stored in float32 (492 MB)."""
    assert component_sizes("flux.1-dev")["vae"].weight_bytes(FULL) == pytest.approx(335_304_388, rel=1e-3)
    clip = component_sizes("diffusion-4k-flux-v2")["text_encoder"]
    assert clip.weight_bytes(FULL) == pytest.approx(492e6, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "billions"), [("sd3.5-medium", 2.5), ("sd3.5-large", 8.1), ("flux.1-dev", 11.9)]
)
def test_transformers_have_as_many_numbers_as_announced(model: str, billions: float) -> None:
    """To the digits of the model cards; SD3.5's count with the table of positions."""
    size = component_sizes(model)["transformer"]
    assert round((size.num_parameters + size.num_fixed) / 1e9, 1) == billions


def test_only_sd3_holds_fixed_numbers() -> None:
    assert component_sizes("sd3-medium")["transformer"].num_fixed == 192 * 192 * 1536
    assert component_sizes("sd3.5-medium")["transformer"].num_fixed == 384 * 384 * 1536
    for model in ("flux.1-dev", "flux.1-schnell"):
        assert all(size.num_fixed == 0 for size in component_sizes(model).values())


def test_dual_attention_is_counted() -> None:
    """13 of SD3.5-medium's 24 layers have a second self-attention: q, k, v, out with biases, two norms of 64."""
    width = 1536
    attention = 4 * (width * width + width) + 2 * 64
    modulation = 3 * (width * width + width)  # 9 instead of 6 vectors
    norms = 24 * 4 * 64  # of every layer's queries and keys, picture's and text's: SD3 has none
    plain = component_sizes("sd3-medium")["transformer"].num_parameters
    found = component_sizes("sd3.5-medium")["transformer"].num_parameters
    assert found - plain == 13 * (attention + modulation) + norms


def test_fine_tunes_have_their_base_s_shape() -> None:
    for model, base in SHAPED_LIKE.items():
        assert component_sizes(model) == component_sizes(base)


def test_an_f16_autoencoder_has_the_weights_of_its_f8_one() -> None:
    with torch.device("meta"):
        f16 = make_f16(AutoencoderKL.from_config(dict(FULL_SIZE_VAE)))
    counted = component_sizes("flux.1-dev")["vae"]
    assert sum(tensor.numel() for tensor in f16.state_dict().values()) == counted.num_parameters


def test_the_bundled_model_is_what_its_files_hold() -> None:
    """Every file's length is its header and its tensors, whose dtype the header tells."""
    sizes = component_sizes("micro-4k")
    assert set(sizes) == {"transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"}
    for part, size in sizes.items():
        (file,) = (MICRO_4K / part).glob("*.safetensors")
        content = file.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        dtypes = {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
        assert len(dtypes) == 1, part
        dtype = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[dtypes.pop()]
        assert size.weight_bytes(dtype) == len(content) - 8 - length, part


def test_a_folder_needs_its_configs_alone(tmp_path: Path) -> None:
    for config in MICRO_4K.rglob("*.json"):
        copy = tmp_path / config.relative_to(MICRO_4K)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(config.read_bytes())
    assert folder_sizes(tmp_path) == component_sizes("micro-4k")


def test_what_is_not_known_is_said() -> None:
    with pytest.raises(ValueError, match=r"sizes of 'sdxl' are not known; known are micro-4k, .*flux\.1-dev"):
        component_sizes("sdxl")
    with pytest.raises(ValueError, match="floating-point dtype"):
        ComponentSize(1, 0).weight_bytes(torch.int64)
