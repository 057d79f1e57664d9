"""A stand-in of the hub with two repositories, and a cache of one's own: fixtures of the tests of the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.models.hub import Hub
from tests.studio.models.hub_stand_in import Repository, StandIn, hub_stand_in

ID, GATED = "someone/tiny", "someone/gated"
TOKEN = "hf_" + "stand" * 7
UNSEEN = {
    "flux1.safetensors": b"single file" * 1000,
    "transformer/diffusion_pytorch_model.fp16.safetensors": b"x" * 20_000,
    "text_encoder/model.fp16-00001-of-00002.safetensors": b"y" * 20_000,
    "text_encoder/model.safetensors.index.fp16.json": b"{}",
    "text_encoder/pytorch_model.bin": b"pickle" * 5000,
    "text_encoders/t5.safetensors": b"other layout" * 2000,
    "transformer/code.py": b"import os",
    "README.md": b"hello",
    "vae/../../../evil.json": b"{}",
}


@pytest.fixture
def stand_in(sd3_folder: Path) -> Iterator[StandIn]:
    files = {
        path.relative_to(sd3_folder).as_posix(): path.read_bytes()
        for path in sd3_folder.rglob("*")
        if path.is_file()
    }
    repositories = {ID: Repository(files | UNSEEN), GATED: Repository(dict(files), gated=True)}
    with hub_stand_in(StandIn(repositories=repositories, accounts={TOKEN: "ada"})) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_token_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))


@pytest.fixture
def hub(stand_in: StandIn, tmp_path: Path) -> Hub:
    return Hub(endpoint=stand_in.endpoint, cache=tmp_path / "hub")


def told(hub: Hub, hub_id: str = ID) -> list[int]:
    """Download and return what was reported."""
    reports: list[int] = []
    hub.download(hub.plan(hub_id), on_bytes=lambda here: reports.append(here) or True)  # type: ignore[func-returns-value]
    return reports


WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"
