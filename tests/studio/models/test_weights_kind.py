"""What a file is told to be by its header: every naming of both families, and what is no model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from studio.models.weights_kind import Transformer, transformer_in

SD3 = ("x_embedder.proj.weight", "pos_embed", "joint_blocks.0.x_block.attn.qkv.weight")
SD3_DIFFUSERS = ("pos_embed.proj.weight", "transformer_blocks.0.attn.add_q_proj.weight")
FLUX = ("img_in.weight", "double_blocks.0.img_attn.qkv.weight", "single_blocks.0.linear1.weight")
FLUX_DIFFUSERS = (
    "transformer_blocks.0.attn.add_q_proj.weight",
    "single_transformer_blocks.0.proj_mlp.weight",
)


def written(folder: Path, *names: str, dtype: type = np.float16) -> Path:
    path = folder / "some.safetensors"
    save_file({name: np.zeros((2, 2), dtype) for name in names}, path)
    return path


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (SD3, Transformer("sd3", "sd3-medium", False)),
        ([f"model.diffusion_model.{name}" for name in SD3], Transformer("sd3", "sd3-medium", False)),
        (
            [f"model.diffusion_model.{name}" for name in SD3] + ["first_stage_model.decoder.conv_in.weight"],
            Transformer("sd3", "sd3-medium", True),
        ),
        ((*SD3, "joint_blocks.0.x_block.attn2.qkv.weight"), Transformer("sd3", "sd3.5-medium", False)),
        ((*SD3, *(f"joint_blocks.{i}.x" for i in range(38))), Transformer("sd3", "sd3.5-large", False)),
        (SD3_DIFFUSERS, Transformer("sd3", "sd3-medium", False)),
        (FLUX, Transformer("flux", "flux.1-schnell", False)),
        ((*FLUX, "guidance_in.in_layer.weight"), Transformer("flux", "flux.1-dev", False)),
        (FLUX_DIFFUSERS, Transformer("flux", "flux.1-schnell", False)),
        (
            (*FLUX_DIFFUSERS, "time_text_embed.guidance_embedder.linear_1.weight"),
            Transformer("flux", "flux.1-dev", False),
        ),
    ],
)
def test_both_families_in_every_naming(tmp_path: Path, names: tuple[str, ...], found: Transformer) -> None:
    assert transformer_in(written(tmp_path, *names)) == found


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight"], "is a LoRA, not a model; add it to"),
        (["transformer.transformer_blocks.0.attn.to_q.lora_A.weight"], "is a LoRA, not a model"),
        (
            ["encoder.conv_in.weight", "decoder.conv_in.weight"],
            "is a VAE; the studio draws with SD3 and FLUX",
        ),
        (["text_model.embeddings.token_embedding.weight"], "is a text encoder"),
        (["model.diffusion_model.input_blocks.0.0.weight"], "is an SD 1, 2 or SDXL model"),
        (["something.weight"], "is no model that is known here"),
        ([*FLUX, "double_blocks.0.img_attn.qkv.scale_weight"], "as scaled float8, which only the tool"),
        ([*FLUX, "img_in.weight.quant_state.bitsandbytes__nf4"], "as 4 bits of bitsandbytes"),
    ],
)
def test_what_is_no_model(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        transformer_in(written(tmp_path, *names))


def test_whole_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds its weights as whole numbers \(I8\)"):
        transformer_in(written(tmp_path, *FLUX, dtype=np.int8))


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = written(tmp_path, *FLUX)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"is no readable safetensors file .*; copy or download it again"):
        transformer_in(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is no readable safetensors file"):
        transformer_in(path)
