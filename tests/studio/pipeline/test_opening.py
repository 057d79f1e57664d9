from __future__ import annotations

import pytest
import torch

from studio.models.lookup import find_model
from studio.pipeline.opening import cpu_dtype


@pytest.mark.parametrize(
    ("avx512", "amx", "wanted"),
    [(True, False, torch.bfloat16), (False, True, torch.bfloat16), (False, False, torch.float32)],
)
def test_the_quickest_dtype_is_what_the_cpu_multiplies_itself(
    monkeypatch: pytest.MonkeyPatch, avx512: bool, amx: bool, wanted: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert cpu_dtype(find_model("micro-4k")) == wanted


def test_large_models_take_the_half_of_memory() -> None:
    assert cpu_dtype(find_model("sd3-medium")) == torch.bfloat16
