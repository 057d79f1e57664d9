"""The ladder's arithmetic, by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest

from studio.memory_rungs import (
    FREE_SHARE,
    KEPT_FREE,
    RUNGS,
    Footprint,
    Line,
    RenderMemory,
    Rung,
    choose_rung,
    render_memory,
    usable,
)

GB = 10**9
MODEL = Footprint(
    weights={"transformer": 20 * GB, "vae": 1 * GB, "text_encoder": 2 * GB, "text_encoder_3": 10 * GB},
    encode=GB // 2,
    denoise=Line(fixed=0, per_pixel=100),
    denoise_guided=Line(fixed=0, per_pixel=200),
    decode=Line(fixed=0, per_pixel=400),
    group=1 * GB,
    flops_per_pixel=1e4,
    flops_per_pixel_squared=1e-3,
)
SIDE = 5000  # 25 million pixels: 2.5 GB to denoise, 10 GB to decode


@pytest.mark.parametrize(
    ("rung", "encode", "denoise", "decode"),
    [
        ("resident", 33.5, 35.5, 43),
        ("encoders_freed", 12.5, 23.5, 31),
        ("model_offload", 10.5, 22.5, 11),
        ("int8", 10.5, 12.5, 11),
        ("nf4", 10.5, 5.625 + 2.5, 11),
        ("group_offload", 2.5, 4.5, 11),
    ],
)
def test_each_stage_of_each_rung(rung: Rung, encode: float, denoise: float, decode: float) -> None:
    found = render_memory(MODEL, rung, width_px=SIDE, height_px=SIDE, guided=False)
    assert (found.encode, found.denoise, found.decode) == (encode * GB, denoise * GB, decode * GB)
    assert found.peak == max(encode, denoise, decode) * GB


def test_guidance_float32_and_adapters_add_up() -> None:
    plain = render_memory(MODEL, "model_offload", width_px=SIDE, height_px=SIDE, guided=False)
    guided = render_memory(MODEL, "model_offload", width_px=SIDE, height_px=SIDE, guided=True)
    assert guided.denoise - plain.denoise == 2.5 * GB
    whole = render_memory(MODEL, "resident", width_px=SIDE, height_px=SIDE, guided=False, weight_bytes=4)
    assert whole.decode == 86 * GB
    worn = render_memory(
        MODEL, "resident", width_px=SIDE, height_px=SIDE, guided=False, adapter_bytes=GB // 10
    )
    assert worn.peak == 43.1 * GB


def test_no_rung_needs_more_than_the_one_above() -> None:
    for size in (512, 1024, 4096, 8192):
        needs = [render_memory(MODEL, r, width_px=size, height_px=size, guided=True).peak for r in RUNGS]
        assert all(below <= above for above, below in pairwise(needs)), size


def test_the_first_rung_that_fits_is_chosen() -> None:
    forecasts = [render_memory(MODEL, r, width_px=SIDE, height_px=SIDE, guided=False) for r in RUNGS]

    def chosen(usable_gb: float) -> Rung:
        return choose_rung(forecasts, round((usable_gb * GB + KEPT_FREE) / FREE_SHARE) + 2).rung

    assert [chosen(gb) for gb in (43, 42.9, 31, 30.9, 22.5, 22.4, 12.5, 11)] == [
        *("resident", "encoders_freed", "encoders_freed", "model_offload"),
        *("model_offload", "int8", "int8", "nf4"),
    ]
    assert chosen(1) == "nf4"  # none fits: the one that needs least, here as little as group_offload


def test_free_memory_is_not_planned_to_the_last_byte() -> None:
    assert usable(80 * GB) == round(0.92 * 80 * GB) - 400 * 2**20
    assert usable(0) == 0


def test_a_footprint_survives_json() -> None:
    assert Footprint.from_dict(MODEL.to_dict()) == MODEL


def test_attention_grows_with_the_square() -> None:
    small, large = MODEL.flops(1000, 1000, guided=False), MODEL.flops(2000, 2000, guided=False)
    assert small == pytest.approx(1e4 * 1e6 + 1e-3 * 1e12)
    assert large == pytest.approx(4 * 1e10 + 16 * 1e9)
    assert MODEL.flops(1000, 1000, guided=True) == 2 * small


def test_the_worst_stage_is_the_peak() -> None:
    assert RenderMemory(rung="resident", encode=1, denoise=3, decode=2).peak == 3
