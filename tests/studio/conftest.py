"""A home, a request, and tiny random models saved as folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.home.workspace import Workspace
from studio.render_request import RenderRequest


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "home")


@pytest.fixture
def noise() -> np.ndarray:
    """(96, 128, 3) uint8"""
    return np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)


@pytest.fixture
def new_request() -> Callable[..., RenderRequest]:
    def build(**changes: Any) -> RenderRequest:
        values: dict[str, Any] = {
            "prompt": "mountains at dusk",
            "width_px": 320,
            "height_px": 256,
            "num_inference_steps": 9,
            "guidance_scale": 3.0,
            "seed": 7,
        }
        return RenderRequest(**(values | changes))

    return build


@pytest.fixture(scope="session")
def sd3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random SD3 pipeline with an F16 VAE and without T5, as the bundled model is laid out."""
    from finetune.backbones.autoencoder import use_f16
    from tests.tiny_models import tiny_sd3_pipeline

    folder = tmp_path_factory.mktemp("models") / "tiny-sd3"
    use_f16(tiny_sd3_pipeline(with_t5=False)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def flux_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Flux pipeline with its stock F8 VAE."""
    from tests.tiny_models import tiny_flux_pipeline

    folder = tmp_path_factory.mktemp("models") / "tiny-flux"
    tiny_flux_pipeline().save_pretrained(folder)
    return folder
