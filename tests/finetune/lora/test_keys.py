"""Names for ComfyUI and kohya against tables, true configurations, and stock diffusers' own converter."""

from __future__ import annotations

import pytest
import torch
from diffusers.loaders.lora_conversion_utils import _convert_kohya_flux_lora_to_diffusers
from torch import Tensor

from finetune.backbones import FAMILIES, FamilyName
from finetune.backbones.full_size import FULL_SIZE_TRANSFORMERS
from finetune.lora.files import diffusers_state, kohya_state, layer_shapes
from finetune.lora.keys import LowRank, OriginalLayer, fuse, original_layers, split, underscored
from finetune.lora.matching import match

# As ComfyUI and kohya's sd-scripts spell them: key without its ending -> what diffusers calls the same rows.
FLUX = {
    "double_blocks_18_img_attn_qkv": "transformer_blocks.18 attn.to_q attn.to_k attn.to_v",
    "double_blocks_0_img_attn_proj": "transformer_blocks.0 attn.to_out.0",
    "double_blocks_0_txt_attn_qkv": "transformer_blocks.0 attn.add_q_proj attn.add_k_proj attn.add_v_proj",
    "double_blocks_0_txt_attn_proj": "transformer_blocks.0 attn.to_add_out",
    "double_blocks_0_img_mlp_0": "transformer_blocks.0 ff.net.0.proj",
    "double_blocks_0_img_mlp_2": "transformer_blocks.0 ff.net.2",
    "double_blocks_0_txt_mlp_0": "transformer_blocks.0 ff_context.net.0.proj",
    "double_blocks_0_txt_mlp_2": "transformer_blocks.0 ff_context.net.2",
    "double_blocks_0_img_mod_lin": "transformer_blocks.0 norm1.linear",
    "double_blocks_0_txt_mod_lin": "transformer_blocks.0 norm1_context.linear",
    "single_blocks_37_linear1": "single_transformer_blocks.37 attn.to_q attn.to_k attn.to_v proj_mlp",
    "single_blocks_0_linear2": "single_transformer_blocks.0 proj_out",
    "single_blocks_0_modulation_lin": "single_transformer_blocks.0 norm.linear",
    "img_in": " x_embedder",
    "txt_in": " context_embedder",
    "time_in_in_layer": " time_text_embed.timestep_embedder.linear_1",
    "vector_in_out_layer": " time_text_embed.text_embedder.linear_2",
    "guidance_in_in_layer": " time_text_embed.guidance_embedder.linear_1",
    "final_layer_linear": " proj_out",
    "final_layer_adaLN_modulation_1": " norm_out.linear",
}
SD3 = {
    "joint_blocks_23_x_block_attn_qkv": "transformer_blocks.23 attn.to_q attn.to_k attn.to_v",
    "joint_blocks_0_context_block_attn_qkv": "transformer_blocks.0 attn.add_q_proj attn.add_k_proj attn.add_v_proj",
    "joint_blocks_0_x_block_attn_proj": "transformer_blocks.0 attn.to_out.0",
    "joint_blocks_0_context_block_attn_proj": "transformer_blocks.0 attn.to_add_out",
    "joint_blocks_12_x_block_attn2_qkv": "transformer_blocks.12 attn2.to_q attn2.to_k attn2.to_v",
    "joint_blocks_0_x_block_attn2_proj": "transformer_blocks.0 attn2.to_out.0",
    "joint_blocks_0_x_block_mlp_fc1": "transformer_blocks.0 ff.net.0.proj",
    "joint_blocks_0_x_block_mlp_fc2": "transformer_blocks.0 ff.net.2",
    "joint_blocks_0_context_block_mlp_fc1": "transformer_blocks.0 ff_context.net.0.proj",
    "joint_blocks_0_context_block_mlp_fc2": "transformer_blocks.0 ff_context.net.2",
    "joint_blocks_0_x_block_adaLN_modulation_1": "transformer_blocks.0 norm1.linear",
    "joint_blocks_23_context_block_adaLN_modulation_1": "transformer_blocks.23 norm1_context.linear",
    "x_embedder_proj": " pos_embed.proj",
    "context_embedder": " context_embedder",
    "t_embedder_mlp_0": " time_text_embed.timestep_embedder.linear_1",
    "y_embedder_mlp_2": " time_text_embed.text_embedder.linear_2",
    "final_layer_linear": " proj_out",
    "final_layer_adaLN_modulation_1": " norm_out.linear",
}


def full_names(entry: str) -> tuple[str, ...]:
    block, *parts = entry.split(" ")
    return tuple(f"{block}.{part}" if block else part for part in parts)


@pytest.mark.parametrize(("model", "table"), [("flux.1-dev", FLUX), ("sd3.5-medium", SD3)])
def test_the_table_of_names_on_the_true_configuration(model: str, table: dict[str, str]) -> None:
    full_size = FULL_SIZE_TRANSFORMERS[model]
    shapes = layer_shapes(full_size.on_meta())
    layers = original_layers(full_size.family, list(shapes))
    named = {underscored(layer.name): layer.parts for layer in layers}
    assert len(named) == len(layers)
    for key, entry in table.items():
        assert named[key] == full_names(entry)
    # every layer of the model has exactly one name
    assert sorted(part for parts in named.values() for part in parts if part in shapes) == sorted(shapes)
    # and every row of the fused ones is accounted for
    for layer in layers:
        if len(layer.parts) > 1:
            unit = shapes[layer.parts[0]][1]
            assert [shapes[part][0] for part in layer.parts] == [unit * share for share in layer.rows]


def test_every_default_target_has_a_name_in_both_codes() -> None:
    for model in ("flux.1-dev", "sd3-medium"):
        full_size = FULL_SIZE_TRANSFORMERS[model]
        shapes = layer_shapes(full_size.on_meta())
        targets = [n for n in shapes if n.endswith(FAMILIES[full_size.family].lora_targets)]
        parts = {p for layer in original_layers(full_size.family, list(shapes)) for p in layer.parts}
        assert len(targets) > 100
        assert parts.issuperset(targets)


def pair(rows: int, columns: int, rank: int, seed: int) -> LowRank:
    generator = torch.Generator().manual_seed(seed)
    return LowRank(
        torch.randn(rank, columns, generator=generator), torch.randn(rows, rank, generator=generator)
    )


def update(found: LowRank) -> Tensor:
    return found.up @ found.down


def seen(found: LowRank) -> Tensor:
    """What the update does to three inputs: at full width the product itself is large."""
    return found.up @ (
        found.down @ torch.randn(found.down.shape[1], 3, generator=torch.Generator().manual_seed(9))
    )


QKV = OriginalLayer("qkv", ("q", "k", "v"), (1, 1, 1))
LINEAR1 = OriginalLayer("linear1", ("q", "k", "v", "mlp"), (1, 1, 1, 4))


def test_fusing_computes_the_stacked_update() -> None:
    pairs = {"q": pair(8, 8, 2, 0), "k": pair(8, 8, 3, 1), "v": pair(8, 8, 2, 2), "mlp": pair(32, 8, 4, 3)}
    fused = fuse(LINEAR1, pairs)
    assert fused is not None
    assert fused.down.shape == (11, 8)
    torch.testing.assert_close(update(fused), torch.cat([update(pairs[n]) for n in ("q", "k", "v", "mlp")]))
    back = split(LINEAR1, fused)
    for name, original in pairs.items():
        assert torch.equal(back[name].down, original.down)
        assert torch.equal(back[name].up, original.up)


def test_an_untrained_part_gets_zero_rows() -> None:
    fused = fuse(QKV, {"v": pair(8, 8, 2, 2)})
    assert fused is not None
    assert torch.count_nonzero(update(fused)[:16]) == 0
    assert list(split(QKV, fused)) == ["v"]
    assert fuse(QKV, {}) is None


def test_splitting_a_dense_pair_computes_its_rows() -> None:
    """As trained on the fused layer itself: all parts share one `down`."""
    dense = pair(24, 8, 3, 0)
    parts = split(QKV, dense)
    torch.testing.assert_close(torch.cat([update(parts[n]) for n in ("q", "k", "v")]), update(dense))
    with pytest.raises(ValueError, match="do not divide"):
        split(QKV, pair(25, 8, 3, 0))


def test_scale_and_shift_change_places_where_there_are_just_two() -> None:
    layer = OriginalLayer("last", ("norm_out.linear",), halves_swapped=True)
    one = pair(16, 8, 2, 0)
    swapped = split(layer, one)["norm_out.linear"]
    assert torch.equal(update(swapped), torch.cat([update(one)[8:], update(one)[:8]]))
    six = pair(48, 8, 2, 0)
    assert split(layer, six)["norm_out.linear"] == six


def flux_shapes() -> dict[str, tuple[int, ...]]:
    """One block of each kind at FLUX.1's true width: stock diffusers' converter knows no other."""
    shapes = layer_shapes(FULL_SIZE_TRANSFORMERS["flux.1-dev"].on_meta())
    return {
        n: s
        for n, s in shapes.items()
        if n.startswith(("transformer_blocks.3.", "single_transformer_blocks.5."))
    }


def test_stock_diffusers_reads_our_kohya_file_as_we_meant_it() -> None:
    shapes = flux_shapes()
    pairs = {name: pair(*shape, 2, seed) for seed, (name, shape) in enumerate(shapes.items())}
    kohya = kohya_state(pairs, family="flux", shapes=shapes)
    theirs = _convert_kohya_flux_lora_to_diffusers(dict(kohya))
    ours = diffusers_state(pairs)
    assert sorted(theirs) == sorted(ours)
    for name in pairs:
        down, up = (theirs[f"transformer.{name}.lora_{half}.weight"] for half in "AB")
        torch.testing.assert_close(seen(LowRank(down, up)), seen(pairs[name]), rtol=1e-4, atol=1e-3)


def test_we_read_a_dense_kohya_file_as_stock_diffusers_does() -> None:
    shapes = flux_shapes()
    state: dict[str, Tensor] = {}
    for seed, layer in enumerate(original_layers("flux", list(shapes))):
        rows, columns = sum(shapes[p][0] for p in layer.parts), shapes[layer.parts[0]][1]
        down, up = pair(rows, columns, 4, seed)
        key = f"lora_unet_{underscored(layer.name)}"
        state |= {
            f"{key}.lora_down.weight": down,
            f"{key}.lora_up.weight": up,
            f"{key}.alpha": torch.tensor(2.0),
        }
    pairs, report = match(state, {}, family="flux", shapes=shapes)
    theirs = _convert_kohya_flux_lora_to_diffusers(dict(state))
    assert report.unmatched == {}
    assert pairs.keys() == shapes.keys()
    for name, found in pairs.items():
        down, up = (theirs[f"transformer.{name}.lora_{half}.weight"] for half in "AB")
        torch.testing.assert_close(seen(found), seen(LowRank(down, up)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("family", "model"), [("sd3", "sd3.5-medium"), ("flux", "flux.1-dev")])
def test_a_kohya_file_read_back_is_the_same(family: FamilyName, model: str) -> None:
    shapes = layer_shapes(FULL_SIZE_TRANSFORMERS[model].on_meta())
    chosen = [
        n
        for n in shapes
        if ".0." in n or "." not in n or n.startswith(("norm_out", "transformer_blocks.23."))
    ]
    chosen = [n for n in chosen if len(shapes[n]) == 2]
    pairs = {name: pair(*shapes[name], 1, seed) for seed, name in enumerate(chosen)}
    back, report = match(kohya_state(pairs, family=family, shapes=shapes), {}, family=family, shapes=shapes)
    assert report.unmatched == {}
    assert back.keys() == pairs.keys()
    for name in pairs:
        assert torch.equal(back[name].up, pairs[name].up)
        assert torch.equal(back[name].down, pairs[name].down)
