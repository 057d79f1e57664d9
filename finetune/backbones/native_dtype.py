"""Which numbers a device multiplies itself. Without units for bfloat16 a CPU is some eighty times slower in it."""

from __future__ import annotations

import torch


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is the quicker one: on accelerators, and on CPUs with AVX512-BF16 or AMX."""
    if device.type != "cpu":
        return True
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def quickest_autocast(device: torch.device) -> torch.autocast:
    """Mixed precision in bfloat16 where that is quicker, else none."""
    return torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bfloat16(device))
