"""Mixed precision only where it is quicker."""

from __future__ import annotations

import pytest
import torch

from finetune.backbones.native_dtype import multiplies_bfloat16, quickest_autocast


@pytest.mark.parametrize(
    ("avx512", "amx", "wanted"),
    [
        (True, False, torch.bfloat16),
        (False, True, torch.bfloat16),
        (False, False, torch.float32),
    ],
)
def test_a_cpu_multiplies_in_what_it_has_units_for(
    monkeypatch: pytest.MonkeyPatch, avx512: bool, amx: bool, wanted: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    with quickest_autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == wanted


def test_an_accelerator_always_does() -> None:
    assert multiplies_bfloat16(torch.device("cuda"))
