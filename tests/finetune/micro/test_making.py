"""The closed-form encoder, the decoder's start, and a whole export from a tiny bank."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusion3Pipeline

from finetune.backbones.autoencoder import use_f16
from finetune.backbones.decoding import encode_image
from finetune.backbones.sd3 import BLANK_TOKENS, Sd3
from finetune.micro import architecture, dit, export, world
from finetune.micro.bank import Entry, Group
from finetune.micro.clip import new_clip, new_tokenizer
from finetune.micro.codec import ENERGY_EXPONENT, Cascade, fit, fitting_pictures, install
from finetune.micro.decoder import begin_decoder
from finetune.micro.training import load_checkpoint
from finetune.micro.unpack import rescale, unpack
from finetune.micro.vae import decode_f16, new_autoencoder


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """Two pictures with structure at every scale: sums of waves, 512 px."""
    folder = tmp_path_factory.mktemp("bank")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:512, :512] / 512
    made = []
    for seed in range(2):
        picture = np.zeros((512, 512, 3))
        for _ in range(40):
            frequency = 2 ** rng.uniform(0, 6)
            angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
            wave = np.sin(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle)) + phase)
            picture += wave[..., None] * rng.normal(size=3) * 60 / frequency**0.7
        path = folder / f"{seed}.npy"
        np.save(path, np.clip(picture + 128, 0, 255).astype(np.uint8))
        made.append(Entry(path, Group(512, 512, 2, 0), seed))
    return made


@pytest.fixture(scope="module")
def cascade(bank: list[Entry]) -> Cascade:
    return fit(bank)


def pixels_of(entry: Entry) -> torch.Tensor:
    return torch.from_numpy(np.array(entry.pixels())).permute(2, 0, 1)[None].float() / 127.5 - 1


def test_latents_are_scaled_by_their_energy(bank: list[Entry], cascade: Cascade) -> None:
    """Uncorrelated, the first of variance 1, the others by the root of their own deviation."""
    flat = torch.cat([cascade.encode(pixels_of(entry)) for entry in bank]).transpose(0, 1).flatten(1)
    assert flat.mean(1).abs().max() < 1e-3
    # The rows of a map of principal components have length 1 before they are scaled.
    deviations = flat.std(1) / cascade.maps[-1].norm(dim=1)
    expected = (deviations / deviations[0]) ** ENERGY_EXPONENT
    torch.testing.assert_close(torch.cov(flat), torch.diag(expected.square()), atol=5e-3, rtol=0)
    assert expected[0] == 1
    assert expected[-1] < 0.5


def test_the_codec_is_measured_on_any_land() -> None:
    groups = (Group(1024, 1024, 5, 0, known=True), Group(1024, 1024, 5, 0), Group(4096, 4096, 1, 0))
    listed = [Entry(Path("x"), group, number) for group in groups for number in range(group.count)]
    chosen = fitting_pictures(listed)
    assert [(entry.group.width_px, entry.group.known) for entry in chosen] == [
        (1024, False),
        *[(4096, False)] * 5,
    ]


def test_weights_of_another_scale_are_brought_to_this_one(
    bank: list[Entry], cascade: Cascade, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("finetune.micro.codec.ENERGY_EXPONENT", 0.0)
        white = fit(bank)
    vae = new_autoencoder().eval()
    vae.encoder.conv_in.stride = (2, 2)
    install(white, vae)
    pixels = pixels_of(bank[0])[..., :256, :384]
    with torch.inference_mode():
        decoded = decode_f16(vae, white.encode(pixels))
        scaled = rescale(white, vae, 0.0, ENERGY_EXPONENT)
        latents = cascade.encode(pixels)
        torch.testing.assert_close(scaled.encode(pixels), latents, atol=1e-3, rtol=0)
        torch.testing.assert_close(vae.encode(pixels).latent_dist.mean, latents, atol=1e-3, rtol=0)
        torch.testing.assert_close(decode_f16(vae, latents), decoded, atol=1e-3, rtol=0)
    assert (white.encode(pixels) - latents).abs().max() > 0.1


def test_stock_encoder_computes_the_cascade(bank: list[Entry], cascade: Cascade) -> None:
    vae = new_autoencoder().eval()
    vae.encoder.conv_in.stride = (2, 2)
    install(cascade, vae)
    pixels = pixels_of(bank[0])[..., :256, :384]
    with torch.inference_mode():
        posterior = vae.encode(pixels).latent_dist
    torch.testing.assert_close(posterior.mean, cascade.encode(pixels), atol=1e-3, rtol=0)
    assert posterior.std.max() < 0.005


def test_decoder_starts_as_a_sharp_linear_picture(bank: list[Entry], cascade: Cascade) -> None:
    pixels = torch.cat([pixels_of(entry) for entry in bank])
    vae = new_autoencoder().eval()
    begin_decoder(vae.decoder, cascade, pixels)
    with torch.inference_mode():
        made = decode_f16(vae, cascade.encode(pixels))
    error = (made - pixels)[..., 32:-32, 32:-32].square().mean()
    flat = pixels.reshape(2, 3, 32, 16, 32, 16).mean((3, 5)).repeat_interleave(16, 2).repeat_interleave(16, 3)
    assert error < 0.5 * (flat - pixels).square().mean()


def test_pins_of_the_last_norm_are_never_trained(bank: list[Entry], cascade: Cascade) -> None:
    pixels = pixels_of(bank[0])[..., :64, :64]
    vae = new_autoencoder()
    begin_decoder(vae.decoder, cascade, pixels_of(bank[0]))
    decode_f16(vae, cascade.encode(pixels)).square().mean().backward()
    last = vae.decoder.up_blocks[-1].resnets[-1].conv2
    pins = torch.arange(3, 32, 4)
    assert last.weight.grad is not None
    assert last.weight.grad[pins].abs().max() == 0
    assert last.weight.grad.abs().max() > 0


def test_embeddings_in_training_are_the_pipelines_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = new_tokenizer(tmp_path / "tokenizer")
    clip = new_clip(tokenizer).eval()
    tokenizer.model_max_length = architecture.TEXT_TOKENS
    pipeline = StableDiffusion3Pipeline(
        transformer=architecture.new_transformer(),
        scheduler=export.new_scheduler(),
        vae=new_autoencoder(),
        text_encoder=export.text_tower(clip),
        tokenizer=tokenizer,
        text_encoder_2=export.text_tower(clip),
        tokenizer_2=tokenizer,
        text_encoder_3=export.silent_t5(),
        tokenizer_3=export.letter_tokenizer(),
    )
    words = ["mountains at dusk, cloudy sky", "Qwxyz? ☃ 12,5", ""]
    ours = world.embed(clip, tokenizer, words, BLANK_TOKENS)
    with torch.inference_mode():
        theirs = pipeline.encode_prompt(
            words,
            words,
            words,
            device=torch.device("cpu"),
            do_classifier_free_guidance=False,
            max_sequence_length=BLANK_TOKENS,
        )
    torch.testing.assert_close(ours[0], theirs[0])
    torch.testing.assert_close(ours[1], theirs[2])
    assert ours[0].shape == (3, architecture.TEXT_TOKENS + BLANK_TOKENS, 256)
    arguments = Sd3().prompt_arguments(pipeline, prompt="a", negative_prompt="", guidance_scale=1.0)
    assert arguments["max_sequence_length"] == BLANK_TOKENS


def test_renders_stop_at_all_noise_levels_that_matter() -> None:
    """Few steps must see the whole composition (above 0.9) and fine grain (below 0.4): at the sizes it composes at."""
    scheduler = export.new_scheduler()
    for tokens in (256, 1024, 4096):  # 512 to 2048 px
        slope = (export.MAX_SHIFT - export.BASE_SHIFT) / (export.MAX_TOKENS_IMAGE - export.BASE_TOKENS)
        mu = export.BASE_SHIFT + slope * (tokens - export.BASE_TOKENS)
        scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / 14, 14).tolist(), mu=mu)
        levels = scheduler.sigmas[:-1]
        assert levels[-1].item() == pytest.approx(export.SHIFT_TERMINAL, rel=1e-4)
        assert (levels > 0.9).sum() >= 2
        assert (levels < 0.4).sum() >= 2


def test_a_window_at_the_centre_has_the_centres_positions() -> None:
    torch.manual_seed(0)
    model = architecture.new_transformer().eval()
    torch.nn.init.normal_(model.proj_out.weight)
    side = 16
    first = (architecture.GRID - side) // 2
    arguments = (
        torch.randn(1, 16, side * architecture.PATCH, side * architecture.PATCH),
        torch.randn(1, 9, 256),
        torch.randn(1, 256),
        torch.tensor([500.0]),
    )
    with torch.inference_mode():
        plain = model(*arguments, return_dict=False)[0]
        with dit.placed(model, (first, first)):
            centred = model(*arguments, return_dict=False)[0]
        with dit.placed(model, (0, 0)):
            cornered = model(*arguments, return_dict=False)[0]
        after = model(*arguments, return_dict=False)[0]
    torch.testing.assert_close(plain, centred)
    torch.testing.assert_close(plain, after)
    assert (plain - cornered).abs().max() > 1e-3


def test_an_exported_folder_opens_with_the_stock_call(
    tmp_path: Path, cascade: Cascade, bank: list[Entry]
) -> None:
    torch.manual_seed(0)
    work, target = tmp_path / "work", tmp_path / "model"
    tokenizer = new_tokenizer(work / "tokenizer")
    vae = new_autoencoder()
    vae.encoder.conv_in.stride = (2, 2)
    install(cascade, vae)
    for name, modules in {
        "vae": {"vae": vae},
        "clip": {"clip": new_clip(tokenizer)},
        "dit": {"ema": architecture.new_transformer()},
    }.items():
        torch.save(
            {"modules": {key: module.state_dict() for key, module in modules.items()}}, work / f"{name}.pt"
        )
    export.export(work, target)
    pipeline = use_f16(StableDiffusion3Pipeline.from_pretrained(target))
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline.vae.config.stride == 2
    image = pipeline("a sea", height=256, width=320, num_inference_steps=2, output_type="np").images
    assert image.shape == (1, 256, 320, 3)
    latents = encode_image(pipeline.vae, np.array(bank[0].pixels())[:256, :256]).latents
    wanted = cascade.encode(pixels_of(bank[0])[..., :256, :256])
    torch.testing.assert_close(latents, wanted, atol=0.05, rtol=0)
    megabytes = sum(path.stat().st_size for path in tmp_path.glob("model*/**/*.safetensors")) / 1e6
    assert megabytes < 64

    again = tmp_path / "again"
    unpack(target, again)
    pixels = pixels_of(bank[0])
    torch.testing.assert_close(
        Cascade.load(again / "codec.safetensors").encode(pixels), cascade.encode(pixels), atol=0.05, rtol=0
    )
    for name, module in (("dit", "ema"), ("clip", "clip"), ("vae", "vae")):
        before, after = (export.trained_weights(folder / f"{name}.pt", module) for folder in (work, again))
        assert before.keys() == after.keys()
        for key, tensor in before.items():
            torch.testing.assert_close(after[key], tensor, atol=1e-2, rtol=1e-3)
    goes_on = dit.TransformerStage(world.World([], new_clip(tokenizer), tokenizer))
    assert load_checkpoint(goes_on, again / "dit.pt") == (0, 0.0)
    for model in goes_on.modules.values():
        for key, tensor in export.trained_weights(again / "dit.pt", "ema").items():
            torch.testing.assert_close(model.state_dict()[key].cpu(), tensor)
    with pytest.raises(ValueError, match="already holds codec"):
        unpack(target, again)

    path = target / "vae" / "config.json"
    config = json.loads(path.read_text())
    assert config.pop("latent_energy_exponent") == ENERGY_EXPONENT
    path.write_text(json.dumps(config))
    unpack(target, tmp_path / "of before")
    assert not (tmp_path / "of before" / "dit.pt").exists()
