"""The F16 autoencoder against its definition: nearest-x2, then the stock 3 x 3 convolution."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

from finetune.backbones.autoencoder import (
    SubPixelConvOut,
    alignment_of,
    is_f16,
    make_f16,
    save_f16,
    use_f16,
    vae_scale_factor,
)
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline, tiny_vae

SIZES = [(1, 1), (1, 5), (2, 3), (7, 4), (8, 8), (9, 16), (13, 11)]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def naive_conv_out(conv: nn.Conv2d, features: Tensor) -> Tensor:
    return conv(F.interpolate(features, scale_factor=2.0, mode="nearest"))


def partitioned_conv_out(conv: nn.Conv2d, features: Tensor) -> Tensor:
    """The published partitioned decode: four quadrants with a halo, enlarged, convolved, cropped."""
    height, width = features.shape[-2:]
    padded = F.pad(features, (1, 1, 1, 1))
    halves = [[(0, height // 2), (height // 2, height)], [(0, width // 2), (width // 2, width)]]
    rows = []
    for top, bottom in halves[0]:
        row = []
        for left, right in halves[1]:
            part = naive_conv_out(conv, padded[..., top : bottom + 2, left : right + 2])
            row.append(part[..., 1 : 1 + 2 * (bottom - top), 1 : 1 + 2 * (right - left)])
        rows.append(torch.cat(row, dim=-1))
    return torch.cat(rows, dim=-2)


@pytest.fixture
def conv() -> nn.Conv2d:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Conv2d(6, 3, 3, padding=1, dtype=torch.float64)


def f16_vae(**kwargs: object) -> AutoencoderKL:
    return make_f16(tiny_vae(**kwargs))  # type: ignore[arg-type]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_exact_is_upsample_then_convolve(conv: nn.Conv2d, height: int, width: int) -> None:
    features = noise(2, 6, height, width)
    torch.testing.assert_close(
        SubPixelConvOut(conv)(features), naive_conv_out(conv, features), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(("height", "width"), [size for size in SIZES if min(size) > 1])
def test_reference_is_the_published_partitioned_decode(conv: nn.Conv2d, height: int, width: int) -> None:
    features = noise(2, 6, height, width)
    reference = SubPixelConvOut(conv, alignment="reference")(features)
    torch.testing.assert_close(reference, partitioned_conv_out(conv, features), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_reference_is_exact_one_pixel_down_and_right(conv: nn.Conv2d, height: int, width: int) -> None:
    features = noise(1, 6, height, width)
    exact = SubPixelConvOut(conv)(features)
    reference = SubPixelConvOut(conv, alignment="reference")(features)
    torch.testing.assert_close(reference[..., 1:, 1:], exact[..., :-1, :-1], rtol=0, atol=0)


def test_one_bright_feature_by_hand() -> None:
    conv = nn.Conv2d(1, 1, 3, padding=1)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]]]))
        conv.bias.zero_()
        pixels = SubPixelConvOut(conv)(torch.tensor([[[[1.0]]]]))
    # Pixel (0, 0) of the enlarged 2 x 2 block sees ones at its centre, right, below, diagonal: 5 + 6 + 8 + 9.
    torch.testing.assert_close(pixels, torch.tensor([[[[28.0, 24.0], [16.0, 12.0]]]]))


@pytest.mark.parametrize("alignment", ["exact", "reference"])
def test_gradients_are_those_of_the_definition(conv: nn.Conv2d, alignment: str) -> None:
    features = noise(1, 6, 5, 4)
    weigh = noise(1, 3, 10, 8, seed=1)
    definition = naive_conv_out if alignment == "exact" else partitioned_conv_out
    gradients = []
    for decode in (lambda x: definition(conv, x), SubPixelConvOut(conv, alignment=alignment)):  # type: ignore[arg-type]
        conv.zero_grad()
        x = features.clone().requires_grad_()
        (decode(x) * weigh).sum().backward()
        assert conv.weight.grad is not None
        assert conv.bias is not None
        assert conv.bias.grad is not None
        gradients.append((x.grad, conv.weight.grad.clone(), conv.bias.grad.clone()))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)


@pytest.mark.parametrize("shape", [(2, 2), (4, 6), (5, 3)])
def test_whole_decoder_equals_the_stock_one_on_enlarged_features(shape: tuple[int, int]) -> None:
    stock = tiny_vae().double()
    latents = noise(1, 16, *shape)
    captured: list[Tensor] = []
    stock.decoder.conv_act.register_forward_hook(lambda *call: captured.append(call[2]))
    f16 = f16_vae().double()
    with torch.inference_mode():
        stock.decode(latents)
        decoded = f16.decode(latents).sample
        expected = naive_conv_out(stock.decoder.conv_out, captured[0])
    assert decoded.shape[-2:] == (16 * shape[0], 16 * shape[1])
    torch.testing.assert_close(decoded, expected, rtol=0, atol=1e-12)


def test_encoder_is_the_stock_one_on_every_second_feature() -> None:
    image = noise(1, 3, 64, 96)
    stock, f16 = tiny_vae().double(), f16_vae().double()
    with torch.inference_mode():
        features = stock.encoder.conv_in(image)[..., ::2, ::2]
        torch.testing.assert_close(f16.encoder.conv_in(image), features, rtol=0, atol=1e-12)
        assert f16.encode(image).latent_dist.mode().shape == (1, 16, 4, 6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_dtype_moves_reach_the_layer(dtype: torch.dtype) -> None:
    vae = f16_vae().to(dtype)
    decoded = vae.decode(noise(1, 16, 2, 2).to(dtype)).sample
    assert decoded.dtype == dtype
    # bfloat16 keeps 8 bits through some twenty layers; the tiny decoder's pixels are within [-1.5, 1.5].
    torch.testing.assert_close(
        decoded.double(), f16_vae().double().decode(noise(1, 16, 2, 2)).sample, rtol=0, atol=0.1
    )


def test_device_move_keeps_an_ordinary_layer() -> None:
    vae = f16_vae().to("meta")
    assert vae.decode(torch.empty(1, 16, 256, 256, device="meta")).sample.shape == (1, 3, 4096, 4096)


def test_decode_at_4096_builds_nothing_as_large_as_the_naive_form() -> None:
    largest = 0

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                largest = max(largest, result.numel())
            return result

    with torch.device("meta"):
        layer = SubPixelConvOut(nn.Conv2d(128, 3, 3, padding=1))
        with Watch():
            layer(torch.empty(1, 128, 2048, 2048))
    # The largest is the input itself; the naive form builds four times as much.
    assert largest == 128 * 2048 * 2048


def test_state_dict_is_the_stock_one() -> None:
    stock, f16 = tiny_vae(seed=1), f16_vae(seed=2)
    assert {k: v.shape for k, v in f16.state_dict().items()} == {
        k: v.shape for k, v in stock.state_dict().items()
    }
    f16.load_state_dict(stock.state_dict())
    back = tiny_vae(seed=3)
    back.load_state_dict(f16.state_dict())
    for name, tensor in stock.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], tensor, rtol=0, atol=0)


def test_make_f16_twice_is_make_f16_once() -> None:
    vae = f16_vae()
    layer, weight = vae.decoder.conv_out, vae.decoder.conv_out.weight
    assert make_f16(vae) is vae
    assert vae.decoder.conv_out is layer
    assert vae.decoder.conv_out.weight is weight
    assert vae.encoder.conv_in.stride == (2, 2)


def test_alignment_can_be_changed_and_is_kept() -> None:
    vae = f16_vae()
    assert alignment_of(vae) == "exact"
    assert alignment_of(make_f16(vae, alignment="reference")) == "reference"
    assert alignment_of(make_f16(vae)) == "reference"
    assert alignment_of(make_f16(vae, alignment="exact")) == "exact"
    assert alignment_of(make_f16(vae)) == "exact"


def test_is_f16_and_factor() -> None:
    stock = tiny_vae()
    assert not is_f16(stock)
    assert vae_scale_factor(stock) == 8
    assert alignment_of(stock) is None
    assert is_f16(make_f16(stock))
    assert vae_scale_factor(stock) == 16


def test_saved_f16_opens_as_a_stock_vae(tmp_path: Path) -> None:
    vae = f16_vae()
    save_f16(vae, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["stride"] == 2
    assert config["_class_name"] == "AutoencoderKL"
    assert "f16_alignment" not in config
    stock = AutoencoderKL.from_pretrained(tmp_path, local_files_only=True)
    assert isinstance(stock.decoder.conv_out, nn.Conv2d)
    assert stock.config.stride == 2
    latents = noise(1, 16, 3, 5, dtype=torch.float32)
    with torch.inference_mode():
        torch.testing.assert_close(make_f16(stock).decode(latents).sample, vae.decode(latents).sample)


def test_saving_f8_as_f16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="call make_f16"):
        save_f16(tiny_vae(), tmp_path)
    assert not any(tmp_path.iterdir())


def test_bad_arguments_are_explained() -> None:
    with pytest.raises(ValueError, match="'exact', 'reference'"):
        make_f16(tiny_vae(), alignment="shifted")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got factor 2"):
        make_f16(tiny_vae(block_out_channels=(8, 8)))
    with pytest.raises(ValueError, match="3 x 3 with padding 1"):
        SubPixelConvOut(nn.Conv2d(4, 3, 1))


@pytest.mark.parametrize(
    ("make_pipeline", "divisor_px"), [(tiny_sd3_pipeline, 16), (tiny_flux_pipeline, 32)], ids=["sd3", "flux"]
)
def test_use_f16_sets_what_the_pipelines_derive(make_pipeline, divisor_px: int) -> None:  # type: ignore[no-untyped-def]
    pipeline = make_pipeline()
    for _ in range(2):  # the second call changes nothing
        assert use_f16(pipeline) is pipeline
        assert is_f16(pipeline.vae)
        assert pipeline.vae_scale_factor == 16
        assert pipeline.image_processor.config.vae_scale_factor == divisor_px


def test_stock_tiling_stays_consistent() -> None:
    vae = f16_vae()
    vae.tile_sample_min_size, vae.tile_latent_min_size = 64, 4
    vae.enable_tiling()
    with torch.inference_mode():
        assert vae.decode(noise(1, 16, 10, 7, dtype=torch.float32)).sample.shape == (1, 3, 160, 112)
