"""Both families through the stock pipelines: sizes, packing, resuming, decode paths, published sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, FluxPipeline
from torch import Tensor

from finetune.backbones import FAMILIES, Family
from finetune.backbones.autoencoder import make_f16, use_f16
from finetune.backbones.full_size import FULL_SIZE_TRANSFORMERS
from finetune.backbones.latent_preview import fit_latent_rgb
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

MAKERS = {"sd3": tiny_sd3_pipeline, "flux": tiny_flux_pipeline}
PROMPT = "mountains at dusk, cloudy sky"
SIZES = [(64, 64), (96, 160), (160, 64)]  # width, height


@pytest.fixture(params=["sd3", "flux"])
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


@pytest.fixture
def pipeline(family: Family) -> DiffusionPipeline:
    return MAKERS[family.name]()


def sigmas(num_steps: int) -> list[float]:
    return np.linspace(1.0, 1 / num_steps, num_steps).tolist()


def draw(
    family: Family, pipeline: DiffusionPipeline, size: tuple[int, int], *, num_steps: int = 3, **kwargs: Any
) -> Any:
    """One picture through the stock call, with small text sequences for speed."""
    arguments = family.prompt_arguments(pipeline, prompt=PROMPT, negative_prompt="", guidance_scale=3.0)
    kwargs = {"sigmas": sigmas(num_steps), "output_type": "latent"} | kwargs
    if "latents" not in kwargs:
        kwargs["latents"] = family.initial_latents(pipeline, *size, seed=7)
    width_px, height_px = size
    return pipeline(
        **arguments,
        width=width_px,
        height=height_px,
        num_inference_steps=num_steps,
        max_sequence_length=32,
        **kwargs,
    ).images


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["f8", "f16-exact", "f16-reference"])
def test_draws_through_the_stock_pipeline(
    family: Family, pipeline: DiffusionPipeline, size: tuple[int, int], kind: str
) -> None:
    if kind != "f8":
        use_f16(pipeline, alignment=kind.removeprefix("f16-"))  # type: ignore[arg-type]
    width_px, height_px = size
    stock = draw(family, pipeline, size, output_type="np")[0]  # the stock decode, float in [0, 1]
    decoded = family.decode(pipeline, draw(family, pipeline, size), width_px, height_px)
    assert decoded.path == kind
    assert decoded.image.shape == (height_px, width_px, 3)
    np.testing.assert_allclose(decoded.image / 255, stock, rtol=0, atol=0.51 / 255)
    assert decoded.image.std() > 1


@pytest.mark.parametrize("kind", ["f8", "f16"])
def test_without_given_latents_the_stock_noise_has_the_right_size(
    family: Family, pipeline: DiffusionPipeline, kind: str
) -> None:
    if kind == "f16":
        use_f16(pipeline)
    images = pipeline(PROMPT, width=96, height=64, num_inference_steps=1, max_sequence_length=32).images
    assert images[0].size == (96, 64)


@pytest.mark.parametrize("done", [1, 3])
def test_resumed_with_the_rest_of_the_sigmas_gives_identical_latents(
    family: Family, pipeline: DiffusionPipeline, done: int
) -> None:
    use_f16(pipeline)
    size, saved = (96, 64), {}

    def save(_: DiffusionPipeline, step: int, __: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        saved[step + 1] = tensors["latents"].clone()
        return {}

    whole = draw(family, pipeline, size, num_steps=4, callback_on_step_end=save)
    rest = sigmas(4)[done:]
    resumed = draw(family, pipeline, size, num_steps=len(rest), sigmas=rest, latents=saved[done])
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)
    assert not torch.equal(saved[done], whole)


def test_without_t5_as_the_bundled_model_is_saved() -> None:
    family, pipeline = FAMILIES["sd3"], use_f16(tiny_sd3_pipeline(with_t5=False))
    assert draw(family, pipeline, (64, 96)).shape == (1, 16, 6, 4)


def test_pack_is_the_stock_packing_and_unpack_its_inverse(
    family: Family, pipeline: DiffusionPipeline
) -> None:
    use_f16(pipeline)
    shape = family.geometry(pipeline).latent_shape(96, 160)
    assert shape == (16, 10, 6)
    latents = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    packed = family.pack(latents)
    torch.testing.assert_close(family.unpack(packed, shape), latents, rtol=0, atol=0)
    if isinstance(pipeline, FluxPipeline):
        torch.testing.assert_close(packed, pipeline._pack_latents(latents, 2, *shape), rtol=0, atol=0)
        unpacked = pipeline._unpack_latents(packed, 160, 96, pipeline.vae_scale_factor)
        torch.testing.assert_close(unpacked, latents, rtol=0, atol=0)


def test_latents_of_another_size_are_refused(family: Family, pipeline: DiffusionPipeline) -> None:
    latents = family.initial_latents(pipeline, 64, 64, seed=0)
    with pytest.raises(ValueError, match="at this size, got"):
        family.decode(pipeline, latents, 96, 64)


def test_noise_depends_on_the_seed_alone(family: Family, pipeline: DiffusionPipeline) -> None:
    first, again, other = (family.initial_latents(pipeline, 64, 96, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == torch.float32


def test_geometry_is_read_from_the_pipeline() -> None:
    sd3 = FAMILIES["sd3"]
    pipeline = tiny_sd3_pipeline(patch_size=4, pos_embed_max_size=64)
    assert sd3.geometry(pipeline).multiple_px == 32
    use_f16(pipeline)
    geometry = sd3.geometry(pipeline)
    assert (geometry.vae_scale_factor, geometry.patch_size, geometry.multiple_px) == (16, 4, 64)
    assert geometry.max_side_px == 4096
    assert geometry.num_image_tokens(4096, 4096) == 4096
    assert sd3.num_image_tokens(4096, 4096, geometry) == 4096
    with pytest.raises(ValueError, match="reaches 4096 px"):
        geometry.latent_shape(4160, 1024)
    with pytest.raises(ValueError, match="multiples of 64 px, got 96 x 128"):
        geometry.latent_shape(96, 128)


@pytest.mark.parametrize(
    ("size", "tokens", "shift"),
    # mu runs straight from 0.5 at 256 tokens to 1.15 at 4,096: here 3.23, 2.537, 1.15; the shift is e^mu.
    [((4096, 4096), 16_384, 25.28), ((3072, 4096), 12_288, 12.64), ((2048, 2048), 4_096, 3.158)],
)
def test_timestep_shift_grows_with_the_picture_for_flux_alone(
    size: tuple[int, int], tokens: int, shift: float
) -> None:
    sd3, flux = use_f16(tiny_sd3_pipeline()), use_f16(tiny_flux_pipeline())
    assert FAMILIES["flux"].timestep_shift(flux, *size) == pytest.approx(shift, rel=1e-3)
    assert FAMILIES["sd3"].timestep_shift(sd3, *size) == 3.0
    for family in FAMILIES.values():
        assert family.num_image_tokens(*size) == tokens
        assert family.latent_shape(*size) == (16, size[1] // 16, size[0] // 16)


def test_timestep_shift_is_what_the_pipeline_applies(family: Family, pipeline: DiffusionPipeline) -> None:
    use_f16(pipeline)
    shift = family.timestep_shift(pipeline, 96, 64)
    draw(family, pipeline, (96, 64), num_steps=4)
    plain = np.array(sigmas(4))
    expected = [*(shift * plain / (1 + (shift - 1) * plain)), 0.0]
    np.testing.assert_allclose(pipeline.scheduler.sigmas.numpy(), expected, rtol=1e-6)


def test_encode_then_decode_keeps_shape_and_scaling(family: Family, pipeline: DiffusionPipeline) -> None:
    use_f16(pipeline)
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    latents = family.encode(pipeline, image).latents
    assert latents.shape == family.initial_latents(pipeline, 96, 64, seed=0).shape
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1
    config = pipeline.vae.config
    with torch.inference_mode():
        raw = pipeline.vae.encode(pixels).latent_dist.mode()
    expected = family.pack((raw - config.shift_factor) * config.scaling_factor)
    torch.testing.assert_close(latents, expected, rtol=0, atol=1e-5)
    assert family.decode(pipeline, latents, 96, 64).image.shape == image.shape


def test_preview_is_one_pixel_a_latent(family: Family, pipeline: DiffusionPipeline) -> None:
    use_f16(pipeline)
    latents = family.initial_latents(pipeline, 96, 64, seed=0)
    preview = family.preview(pipeline, latents, fit_latent_rgb(pipeline.vae), 96, 64)
    assert preview.shape == (4, 6, 3)
    assert preview.dtype == np.uint8


def test_prompts_and_guidance() -> None:
    sd3, flux = tiny_sd3_pipeline(), tiny_flux_pipeline()
    arguments = {"prompt": "a", "negative_prompt": "b", "guidance_scale": 2.0}
    assert FAMILIES["sd3"].prompt_arguments(sd3, **arguments) == arguments
    with pytest.raises(ValueError, match="no negative prompt; leave it empty"):
        FAMILIES["flux"].prompt_arguments(flux, **arguments)
    assert [family.takes_negative_prompt for family in FAMILIES.values()] == [True, False]


@pytest.mark.parametrize("embeds", [True, False])
def test_flux_says_whether_guidance_has_any_effect(embeds: bool) -> None:
    flux, pipeline = FAMILIES["flux"], tiny_flux_pipeline(guidance_embeds=embeds)
    assert flux.has_guidance_embedding(pipeline) is embeds  # type: ignore[attr-defined]
    latents = [
        pipeline(
            **flux.prompt_arguments(pipeline, prompt=PROMPT, negative_prompt="", guidance_scale=scale),
            latents=flux.initial_latents(pipeline, 64, 64, seed=0),
            width=64,
            height=64,
            num_inference_steps=1,
            max_sequence_length=16,
            output_type="latent",
        ).images
        for scale in (1.0, 5.0)
    ]
    assert torch.equal(*latents) is not embeds


def test_lora_targets_name_modules_of_the_transformer(family: Family, pipeline: DiffusionPipeline) -> None:
    names = [name for name, _ in pipeline.transformer.named_modules()]
    for target in family.lora_targets:
        assert any(name.endswith("." + target) for name in names), target


@pytest.mark.parametrize("name", FULL_SIZE_TRANSFORMERS)
def test_full_size_transformers_have_their_published_size(name: str) -> None:
    entry = FULL_SIZE_TRANSFORMERS[name]
    transformer = entry.on_meta()
    assert sum(p.numel() for p in transformer.parameters()) == entry.num_parameters
    assert {p.device.type for p in transformer.parameters()} == {"meta"}
    # Numbers in the published safetensors: files of 4,169,981,408 bytes (fp16, 79,200 of them header) for
    # SD3-medium and 23,802,816,640 bytes of bf16 for FLUX.1-dev; the model card of SD3.5-large says 8.06 B.
    stored = sum(tensor.numel() for tensor in transformer.state_dict().values())
    if name == "sd3-medium":
        assert stored == (4_169_981_408 - 79_200) // 2
    if name == "flux.1-dev":
        assert stored == 23_802_816_640 // 2
    published_billions = {"sd3-medium": 2.03, "sd3.5-large": 8.06, "flux.1-dev": 11.90}
    if name in published_billions:
        assert round(entry.num_parameters / 1e9, 2) == published_billions[name]


@pytest.mark.parametrize("name", ["sd3-medium", "sd3.5-large", "flux.1-dev"])
def test_full_size_transformers_see_16384_tokens_at_4096(name: str) -> None:
    """The token count that the transformer itself works on, caught at its first block, on the meta device."""
    entry = FULL_SIZE_TRANSFORMERS[name]
    transformer = entry.on_meta().to(torch.bfloat16)
    transformer.transformer_blocks[0].register_forward_pre_hook(_stop_with_tokens, with_kwargs=True)
    latents = torch.empty(
        1, *FAMILIES[entry.family].latent_shape(4096, 4096), dtype=torch.bfloat16, device="meta"
    )
    text = torch.empty(1, 77, 4096, dtype=torch.bfloat16, device="meta")
    kwargs: dict[str, Any] = {"encoder_hidden_states": text, "timestep": torch.ones(1, device="meta")}
    if entry.family == "flux":
        pooled = torch.empty(1, 768, dtype=torch.bfloat16, device="meta")
        packed = FAMILIES["flux"].pack(latents)
        ids = {"img_ids": torch.zeros(packed.shape[1], 3), "txt_ids": torch.zeros(77, 3)}
        kwargs |= ids | {"guidance": torch.ones(1, device="meta"), "hidden_states": packed}
    else:
        pooled = torch.empty(1, 2048, dtype=torch.bfloat16, device="meta")
        kwargs |= {"hidden_states": latents}
    with pytest.raises(_Tokens) as caught:
        transformer(pooled_projections=pooled, **kwargs)
    assert caught.value.count == 16_384


class _Tokens(Exception):
    def __init__(self, count: int) -> None:
        self.count = count


def _stop_with_tokens(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    raise _Tokens(kwargs["hidden_states"].shape[1])


def test_use_f16_serves_a_vae_that_is_f16_already() -> None:
    pipeline = tiny_sd3_pipeline()
    make_f16(pipeline.vae)
    assert use_f16(pipeline).vae_scale_factor == 16
