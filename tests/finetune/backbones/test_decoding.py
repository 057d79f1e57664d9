"""Pixels to latents and back: rounding, scaling, paths, tiles."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn

from finetune.backbones.autoencoder import make_f16
from finetune.backbones.decoding import (
    decode_latents,
    denormalise,
    encode_image,
    execution_device,
    normalise,
    tiled_decode,
    tiled_encode,
    vae_path,
)
from tests.tiny_models import tiny_vae


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    return make_f16(tiny_vae())


def test_normalise_is_the_pipelines_scaling_and_denormalise_its_inverse() -> None:
    vae = tiny_vae(scaling_factor=1.5305, shift_factor=0.0609)
    raw = noise(1, 16, 2, 2)
    torch.testing.assert_close(normalise(vae, raw), (raw - 0.0609) * 1.5305)
    torch.testing.assert_close(denormalise(vae, normalise(vae, raw)), raw)


def test_pixels_are_rounded_and_clipped(vae: AutoencoderKL, monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.tensor([-1.5, -1.0, -0.999, 0.0, 0.5, 1.0, 7.0])
    monkeypatch.setattr(vae, "decode", lambda *_, **__: (values.expand(1, 3, 1, 7).clone(),))
    image = decode_latents(vae, noise(1, 16, 1, 1)).image
    assert image[0, :, 0].tolist() == [0, 0, 0, 128, 191, 255, 255]


def test_paths_are_named(vae: AutoencoderKL) -> None:
    assert vae_path(tiny_vae()) == "f8"
    assert vae_path(make_f16(tiny_vae())) == "f16-exact"
    assert vae_path(make_f16(tiny_vae(), alignment="reference")) == "f16-reference"
    assert vae_path(tiny_vae(), 2048) == "f8-tiled-2048"
    assert decode_latents(vae, noise(1, 16, 2, 3), tile_px=1024).path == "f16-tiled-1024"


def test_out_of_accelerator_memory_falls_back_to_tiles_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = make_f16(tiny_vae())
    whole, calls = vae.decode, []

    def decode(z: Tensor, **kwargs: object) -> object:
        calls.append(z.shape)
        if max(z.shape[-2:]) > 64:
            raise torch.OutOfMemoryError("full")
        return whole(z, **kwargs)

    monkeypatch.setattr(vae, "decode", decode)
    decoded = decode_latents(vae, noise(1, 16, 8, 80))
    assert decoded.path == "f16-tiled-1024"
    assert decoded.image.shape == (128, 1280, 3)
    assert [shape[-1] for shape in calls] == [80, 64, 64]


def test_one_tile_is_the_whole_decode(vae: AutoencoderKL) -> None:
    latents = noise(1, 16, 5, 7)
    whole, tiled = decode_latents(vae, latents), decode_latents(vae, latents, tile_px=1024)
    np.testing.assert_array_equal(tiled.image, whole.image)


def test_tiles_blend_without_seams_where_the_decoder_is_local() -> None:
    """A decoder that copies each latent to its pixels has nothing to blend: any wrong weight would show."""

    class Copy(nn.Module):
        config = SimpleNamespace(block_out_channels=(8, 8, 8, 8))
        decoder = SimpleNamespace(conv_out=None)

        def decode(self, z: Tensor, **_: object) -> tuple[Tensor]:
            return (z[:, :3].repeat_interleave(8, -1).repeat_interleave(8, -2),)

    raw = noise(1, 3, 150, 300)
    tiled = tiled_decode(Copy(), raw, tile_px=1024)  # type: ignore[arg-type]
    torch.testing.assert_close(tiled, Copy().decode(raw)[0])


def test_encoding_that_runs_out_of_accelerator_memory_goes_on_in_tiles_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vae = make_f16(tiny_vae())
    whole, calls = vae.encode, []

    def encode(x: Tensor) -> object:
        calls.append(x.shape[-1])
        if x.shape[-1] > 1024:
            raise torch.OutOfMemoryError("full")
        return whole(x)

    image = np.random.default_rng(0).integers(0, 256, (64, 1280, 3), dtype=np.uint8)
    expected = encode_image(vae, image).latents
    monkeypatch.setattr(vae, "encode", encode)
    latents, path = encode_image(vae, image)
    assert path == "f16-tiled-1024"
    assert calls == [1280, 1024, 1024]
    assert latents.shape == expected.shape == (1, 16, 4, 80)
    # Normalisation layers see one tile each, so the two are alike and not equal.
    assert torch.corrcoef(torch.stack([latents.flatten(), expected.flatten()]))[0, 1] > 0.9
    samples = [encode_image(vae, image, generator=torch.Generator().manual_seed(3)).latents for _ in range(2)]
    torch.testing.assert_close(*samples, rtol=0, atol=0)
    assert not torch.equal(samples[0], latents)


def test_tiles_blend_without_seams_where_the_encoder_is_local() -> None:
    class Mean(nn.Module):
        config = SimpleNamespace(block_out_channels=(8, 8, 8, 8))
        decoder = SimpleNamespace(conv_out=None)

        def encode(self, x: Tensor) -> SimpleNamespace:
            mean = nn.functional.avg_pool2d(x, 8)
            return SimpleNamespace(latent_dist=DiagonalGaussianDistribution(torch.cat([mean, mean - 1], 1)))

    pixels = noise(1, 3, 1208, 2400)
    tiled = tiled_encode(Mean(), pixels)  # type: ignore[arg-type]
    expected = nn.functional.avg_pool2d(pixels, 8)
    torch.testing.assert_close(tiled.mean, expected)
    torch.testing.assert_close(tiled.logvar, expected - 1)


def test_cpu_decoding_runs_channels_last_to_the_end() -> None:
    vae, seen = make_f16(tiny_vae()), []
    vae.decoder.conv_act.register_forward_hook(lambda *call: seen.append(call[2]))
    decode_latents(vae, noise(1, 16, 4, 6))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


def test_bad_input_is_explained(vae: AutoencoderKL, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="at least 1024, got 512"):
        tiled_decode(vae, noise(1, 16, 4, 4), tile_px=512)
    with pytest.raises(ValueError, match="one picture, got"):
        decode_latents(vae, noise(2, 16, 4, 4))
    with pytest.raises(ValueError, match="multiples of 16 px"):
        encode_image(vae, np.zeros((24, 32, 3), np.uint8))
    with pytest.raises(ValueError, match="uint8, got"):
        encode_image(vae, np.zeros((32, 32, 4), np.uint8))
    monkeypatch.setattr(vae, "decode", lambda *_, **__: (torch.full((1, 3, 2, 2), torch.nan),))
    with pytest.raises(ValueError, match=r"NaN or infinity in torch\.float32; load it in bfloat16"):
        decode_latents(vae, noise(1, 16, 1, 1))


def test_encoding_samples_only_with_a_generator(vae: AutoencoderKL) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    mean, path = encode_image(vae, image)
    assert path == "f16-exact"
    assert mean.shape == (1, 16, 2, 3)
    torch.testing.assert_close(encode_image(vae, image).latents, mean, rtol=0, atol=0)
    samples = [encode_image(vae, image, generator=torch.Generator().manual_seed(3)).latents for _ in range(2)]
    torch.testing.assert_close(*samples, rtol=0, atol=0)
    assert not torch.equal(samples[0], mean)


def test_execution_device_follows_offloading_hooks() -> None:
    module = nn.Linear(1, 1)
    assert execution_device(module) == torch.device("cpu")
    module._hf_hook = SimpleNamespace(execution_device="cuda:0")  # type: ignore[assignment]
    assert execution_device(module) == torch.device("cuda", 0)
