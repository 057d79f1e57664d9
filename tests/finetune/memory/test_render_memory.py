"""Memory of a render by shapes alone, against what a CPU is measured to take."""

from __future__ import annotations

import logging
import os

import pytest
import torch

from finetune.backbones.autoencoder import use_f16
from finetune.backbones.full_size import FULL_SIZE_TRANSFORMERS, FULL_SIZE_VAE
from finetune.json_text import parse_json
from finetune.memory.render_memory import (
    decode_bytes,
    encode_bytes,
    hollow_autoencoder,
    largest_block_bytes,
    step_flops,
)
from tests.bench.bench_render_memory import MICRO, forecast_bytes, measured_bytes
from tests.tiny_models import tiny_sd3_pipeline


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="the kernel's peak cannot be reset here"
)
@pytest.mark.parametrize(
    "size_px", [512, *(pytest.param(side, marks=pytest.mark.slow) for side in (1024, 2048, 4096))]
)
def test_micro_4k_takes_what_shapes_say(size_px: int) -> None:
    measured = measured_bytes(size_px)
    for stage, size in forecast_bytes(size_px).items():
        assert size == pytest.approx(measured[stage], rel=0.15), stage


def test_f8_decodes_four_times_the_pixels() -> None:
    settings = dict(tiny_sd3_pipeline().vae.config)
    whole = decode_bytes(hollow_autoencoder(settings, f16=False), (16, 64, 64), dtype=torch.float32)
    f16 = decode_bytes(hollow_autoencoder(settings, f16=True), (16, 32, 32), dtype=torch.float32)
    assert 2 < whole / f16 < 4.5


@pytest.mark.parametrize(("f16", "latent_px"), [(True, 16), (False, 8)])
def test_enlarging_takes_no_more_than_decoding(f16: bool, latent_px: int) -> None:
    """So a forecast of decoding holds for a picture that is drawn coarse first, too."""
    vae = hollow_autoencoder(FULL_SIZE_VAE, f16=f16)
    decoding = decode_bytes(vae, (16, 4096 // latent_px, 3072 // latent_px))
    assert 0.5 * decoding < encode_bytes(vae, (3072, 4096)) <= decoding


def test_a_hollow_f16_vae_is_laid_out_as_the_real_one() -> None:
    real = use_f16(tiny_sd3_pipeline()).vae
    hollow = hollow_autoencoder(dict(real.config), f16=True)
    assert {k: v.shape for k, v in hollow.state_dict().items()} == {
        k: v.shape for k, v in real.state_dict().items()
    }


def test_our_keys_of_a_config_are_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """Diffusers warns of what it does not know: nothing for the log of a studio that forecasts before each picture."""
    settings = parse_json((MICRO / "vae" / "config.json").read_text(encoding="utf-8"))
    logger = logging.getLogger("diffusers")
    logger.addHandler(caplog.handler)
    try:
        hollow_autoencoder({**settings, "unheard_of": 1}, f16=True)
        assert "unheard_of" in caplog.text
        caplog.clear()
        hollow_autoencoder(settings, f16=True)
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.text == ""


def test_the_operations_of_a_step_by_hand() -> None:
    """FLUX.1: 57 blocks; each token meets 12 d^2 weights in each (4 of attention, 8 of feed-forward)."""
    transformer, d, tokens = FULL_SIZE_TRANSFORMERS["flux.1-dev"].on_meta(), 3072, 4096 + 512
    found = step_flops(transformer, "flux", (16, 128, 128), text_tokens=512)
    products, attention = 2 * tokens * 57 * 12 * d**2, 57 * 4 * tokens**2 * d
    assert found == pytest.approx(products + attention, rel=0.01)


def test_the_largest_block() -> None:
    flux = FULL_SIZE_TRANSFORMERS["flux.1-dev"].on_meta().to(torch.bfloat16)
    # Two streams of attention (4 d^2), feed-forward (8 d^2) and modulation (6 d^2) at d = 3072.
    assert largest_block_bytes(flux) == pytest.approx(2 * 2 * 18 * 3072**2, rel=0.001)
