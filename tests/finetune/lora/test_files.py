"""LoRA files through stock diffusers: what was trained is what is drawn, and no foreign key is lost in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from peft import LoraConfig
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from finetune.backbones import FAMILIES, FamilyName
from finetune.backbones.autoencoder import use_f16
from finetune.lora.files import (
    diffusers_state,
    kohya_state,
    layer_shapes,
    read_adapter,
    save_adapter,
    write_adapter,
)
from finetune.lora.keys import LowRank
from tests.finetune.backbones.test_backbones import draw
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

MAKERS = {"sd3": tiny_sd3_pipeline, "flux": tiny_flux_pipeline}


def trained(family: FamilyName, *, rank: int = 4, alpha: int = 12, **config: Any) -> DiffusionPipeline:
    """A tiny F16 pipeline with a LoRA whose every weight is drawn at random."""
    pipeline = use_f16(MAKERS[family]())
    targets = list(FAMILIES[family].lora_targets)
    pipeline.transformer.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, **config))
    generator = torch.Generator().manual_seed(3)
    for name, weight in pipeline.transformer.named_parameters():
        if ".lora_" in name:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.3
    return pipeline


def picture(family: FamilyName, pipeline: DiffusionPipeline) -> np.ndarray:
    latents = draw(FAMILIES[family], pipeline, (64, 96))
    return FAMILIES[family].decode(pipeline, latents, 64, 96).image.astype(int)


@pytest.fixture(params=["sd3", "flux"])
def family(request: pytest.FixtureRequest) -> FamilyName:
    return request.param


@pytest.mark.parametrize("config", [{}, {"use_rslora": True}])
def test_stock_diffusers_draws_what_was_trained(
    family: FamilyName, tmp_path: Path, config: dict[str, Any]
) -> None:
    pipeline = trained(family, **config)
    expected = picture(family, pipeline)
    path = save_adapter(
        pipeline.transformer, tmp_path, family=family, metadata={"base": "tiny", "trigger": "d4k"}
    )
    assert path.name == "pytorch_lora_weights.safetensors"
    stock = use_f16(MAKERS[family]())
    base = picture(family, stock)
    stock.load_lora_weights(tmp_path)
    assert np.abs(picture(family, stock) - expected).max() <= 1
    assert np.abs(base - expected).max() > 5
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {
            "format": "pt",
            "rank": "4",
            "family": family,
            "base": "tiny",
            "trigger": "d4k",
        }


def test_our_file_matches_whole(family: FamilyName, tmp_path: Path) -> None:
    pipeline = trained(family)
    path = save_adapter(pipeline.transformer, tmp_path, family=family, metadata={})
    shapes = layer_shapes(pipeline.transformer)
    assert shapes == layer_shapes(MAKERS[family]().transformer)  # with and without a LoRA on it
    adapter = read_adapter(path, family=family, shapes=shapes)
    assert adapter.report.unmatched == {}
    targets = [name for name in shapes if name.endswith(FAMILIES[family].lora_targets)]
    assert sorted(adapter.pairs) == sorted(targets)
    assert adapter.report.words() == f"{len(targets)} layers of rank 4; every key is used"


def layer(shapes: dict[str, tuple[int, ...]], name: str) -> LowRank:
    rows, columns = shapes[name]
    generator = torch.Generator().manual_seed(0)
    return LowRank(torch.randn(2, columns, generator=generator), torch.randn(rows, 2, generator=generator))


ONE = "transformer_blocks.0.attn.to_out.0"


@pytest.mark.parametrize(
    ("down_key", "up_key"),
    [
        (f"transformer.{ONE}.lora_A.weight", f"transformer.{ONE}.lora_B.weight"),
        (f"transformer.{ONE}.lora.down.weight", f"transformer.{ONE}.lora.up.weight"),
        (f"base_model.model.{ONE}.lora_A.default.weight", f"base_model.model.{ONE}.lora_B.default.weight"),
        (
            "lora_transformer_transformer_blocks_0_attn_to_out_0.lora_down.weight",
            "lora_transformer_transformer_blocks_0_attn_to_out_0.lora_up.weight",
        ),
        (
            "diffusion_model.joint_blocks.0.x_block.attn.proj.lora_A.weight",
            "diffusion_model.joint_blocks.0.x_block.attn.proj.lora_B.weight",
        ),
        (
            "lora_unet_joint_blocks_0_x_block_attn_proj.lora_down.weight",
            "lora_unet_joint_blocks_0_x_block_attn_proj.lora_up.weight",
        ),
    ],
)
def test_every_spelling_reaches_the_same_layer(tmp_path: Path, down_key: str, up_key: str) -> None:
    shapes = layer_shapes(tiny_sd3_pipeline().transformer)
    pair = layer(shapes, ONE)
    alpha_key = down_key.split(".lora")[0] + ".alpha"
    for alpha, factor in ((None, 1.0), (1.0, 0.5)):
        state = {down_key: pair.down, up_key: pair.up} | (
            {} if alpha is None else {alpha_key: torch.tensor(alpha)}
        )
        path = write_adapter(tmp_path / "a.safetensors", state, {})
        adapter = read_adapter(path, family="sd3", shapes=shapes)
        assert adapter.report.unmatched == {}
        assert list(adapter.pairs) == [ONE]
        torch.testing.assert_close(adapter.pairs[ONE].up, pair.up * factor)


def test_alphas_of_diffusers_header_count(tmp_path: Path) -> None:
    """As its own training scripts save them."""
    pipeline = trained("sd3", rank=4, alpha=12)
    type(pipeline).save_lora_weights(
        tmp_path,
        transformer_lora_layers={
            name: weight.detach()
            for name, weight in (
                (n.replace(".default", ""), w)
                for n, w in pipeline.transformer.named_parameters()
                if ".lora_" in n
            )
        },
        transformer_lora_adapter_metadata=pipeline.transformer.peft_config["default"].to_dict(),
    )
    shapes = layer_shapes(pipeline.transformer)
    theirs = read_adapter(tmp_path / "pytorch_lora_weights.safetensors", family="sd3", shapes=shapes)
    ours = save_adapter(pipeline.transformer, tmp_path / "ours", family="sd3", metadata={})
    expected = read_adapter(ours, family="sd3", shapes=shapes)
    assert theirs.report == expected.report
    for name, pair in expected.pairs.items():
        torch.testing.assert_close(theirs.pairs[name].up, pair.up)


def test_what_finds_no_place_is_named_with_its_reason(tmp_path: Path) -> None:
    shapes = layer_shapes(tiny_sd3_pipeline().transformer)
    good, t = layer(shapes, ONE), torch.ones
    base = "transformer.transformer_blocks"
    state: dict[str, Tensor] = {
        f"transformer.{ONE}.lora_A.weight": good.down,
        f"transformer.{ONE}.lora_B.weight": good.up,
        "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": t(2, 8),
        "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": t(8, 2),
        f"{base}.99.attn.to_q.lora_A.weight": t(2, 8),
        f"{base}.99.attn.to_q.lora_B.weight": t(8, 2),
        f"{base}.0.attn.to_q.lora_A.weight": t(2, 9),
        f"{base}.0.attn.to_q.lora_B.weight": t(9, 2),
        f"{base}.0.attn.to_k.lora_A.weight": t(2, 8),
        f"{base}.0.attn.to_v.lora_B.weight": t(8, 2),
        f"{base}.0.attn.to_v.alpha": t(()),
        f"{base}.0.attn.to_k.dora_scale": t(3),
        "lora_unet_joint_blocks_0_x_block_attn_proj.lokr_w1": t(3, 3),
        "noise": t(1),
    }
    adapter = read_adapter(write_adapter(tmp_path / "a", state, {}), family="sd3", shapes=shapes)
    assert list(adapter.pairs) == [ONE]
    reasons = dict(adapter.report.unmatched)
    assert len(reasons) == len(state) - 2
    told = {
        "lora_te1": "text encoder",
        f"{base}.99": "no such layer",
        f"{base}.0.attn.to_q": "made for another model",
        f"{base}.0.attn.to_k.lora": "other half",
        f"{base}.0.attn.to_v.lora": "other half",
        f"{base}.0.attn.to_v.alpha": "No weights",
        f"{base}.0.attn.to_k.dora": "DoRA",
        "lora_unet": "LoKr",
        "noise": "no LoRA weight",
    }
    for key, reason in reasons.items():
        assert next(words for start, words in told.items() if key.startswith(start)) in reason
    assert adapter.report.words() == "1 layers of rank 2; 12 keys are not used"


def test_an_adapter_for_the_other_family_fits_nowhere(tmp_path: Path) -> None:
    flux = trained("flux")
    state = kohya_state(
        {n: layer(layer_shapes(flux.transformer), n) for n in [ONE]},
        family="flux",
        shapes=layer_shapes(flux.transformer),
    )
    shapes = layer_shapes(tiny_sd3_pipeline().transformer)
    adapter = read_adapter(write_adapter(tmp_path / "a", state, {}), family="sd3", shapes=shapes)
    assert adapter.pairs == {}
    assert adapter.report.words() == "no layer fits; 3 keys are not used"


def test_converted_to_kohya_and_back_it_draws_the_same(family: FamilyName, tmp_path: Path) -> None:
    pipeline = trained(family)
    shapes = layer_shapes(pipeline.transformer)
    ours = read_adapter(
        save_adapter(pipeline.transformer, tmp_path, family=family, metadata={}), family=family, shapes=shapes
    )
    path = write_adapter(
        tmp_path / "kohya.safetensors", kohya_state(ours.pairs, family=family, shapes=shapes), {}
    )
    assert all(key.startswith("lora_unet_") for key in load_file(path))
    back = read_adapter(path, family=family, shapes=shapes)
    stock = use_f16(MAKERS[family]())
    stock.load_lora_weights(diffusers_state(back.pairs))
    assert np.abs(picture(family, stock) - picture(family, pipeline)).max() <= 1


def test_a_layer_without_an_original_name_is_refused() -> None:
    pair = LowRank(torch.ones(1, 4), torch.ones(4, 1))
    with pytest.raises(ValueError, match="mystery has no name in the original sd3 code"):
        kohya_state({"mystery": pair}, family="sd3", shapes={"mystery": (4, 4)})


def test_what_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no LoRA layers"):
        save_adapter(tiny_sd3_pipeline().transformer, tmp_path, family="sd3", metadata={})
    pipeline = trained("sd3", use_dora=True)
    with pytest.raises(ValueError, match="DoRA"):
        save_adapter(pipeline.transformer, tmp_path, family="sd3", metadata={})
    pipeline = trained("sd3")
    with pytest.warns(UserWarning, match="multiple adapters"):
        pipeline.transformer.add_adapter(LoraConfig(r=1, target_modules=["attn.to_q"]), adapter_name="second")
    with pytest.raises(ValueError, match="say which one"):
        save_adapter(pipeline.transformer, tmp_path, family="sd3", metadata={})
    path = save_adapter(pipeline.transformer, tmp_path, family="sd3", metadata={}, adapter_name="second")
    assert len(load_file(path)) == 2 * sum(
        n.endswith("attn.to_q") for n in layer_shapes(pipeline.transformer)
    )
    next(w for n, w in pipeline.transformer.named_parameters() if "lora_B.default" in n).data[0] = float(
        "nan"
    )
    with pytest.raises(ValueError, match="NaN or infinity in transformer_blocks"):
        save_adapter(pipeline.transformer, tmp_path, family="sd3", metadata={}, adapter_name="default")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is missing"):
        read_adapter(tmp_path / "none", family="sd3", shapes={})
    (tmp_path / "cut").write_bytes(b"\0" * 5)
    with pytest.raises(ValueError, match="no readable safetensors"):
        read_adapter(tmp_path / "cut", family="sd3", shapes={})
    save_file({"a": torch.ones(1)}, tmp_path / "a", {"lora_adapter_metadata": json.dumps([1])})
    assert read_adapter(tmp_path / "a", family="sd3", shapes={}).pairs == {}
