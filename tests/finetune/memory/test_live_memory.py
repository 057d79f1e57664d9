"""Bytes alive at once, against counts by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from finetune.memory.live_memory import peak_live_bytes

DEVICES = ["cpu", "meta"]


def on(device: str, *shape: int) -> Tensor:
    return torch.empty(shape, device=device)


@pytest.mark.parametrize("device", DEVICES)
def test_results_count_while_they_are_held(device: str) -> None:
    x = on(device, 1000)

    def chain() -> Tensor:
        y = x + 1  # 4,000 bytes
        z = y * 2  # 8,000 with y
        del y
        return z + 3  # z and the result

    assert peak_live_bytes(chain) == 8000


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_let_go_is_not_counted_again(device: str) -> None:
    x = on(device, 1000)

    def loop() -> None:
        for _ in range(10):
            y = x + 1
            del y

    assert peak_live_bytes(loop) == 4000


@pytest.mark.parametrize("device", DEVICES)
def test_views_and_work_in_place_are_free(device: str) -> None:
    x = on(device, 10, 100)
    assert peak_live_bytes(lambda: x.view(100, 10).transpose(0, 1).add_(1)) == 0
    assert peak_live_bytes(lambda: (x + 1).view(-1)[5:].mul_(2)) == 4000


@pytest.mark.parametrize("device", DEVICES)
def test_weights_are_not_counted(device: str) -> None:
    layer, x = nn.Linear(64, 256, device=device), on(device, 10, 64)
    assert peak_live_bytes(lambda: layer(x)) == 10 * 256 * 4


def test_meta_attention_has_no_scores() -> None:
    q, k, v = (on("meta", 1, 2, 4096, 64) for _ in range(3))
    assert peak_live_bytes(lambda: nn.functional.scaled_dot_product_attention(q, k, v)) == 2 * 4096 * 64 * 4


def test_nothing_is_kept_for_gradients() -> None:
    layers = nn.Sequential(*(nn.Linear(100, 100, device="meta") for _ in range(20)))
    assert peak_live_bytes(lambda: layers(on("meta", 10, 100))) == 3 * 10 * 100 * 4
