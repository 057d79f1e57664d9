"""The Models panel's handlers, against a stand-in of the hub."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
import torch
from safetensors.torch import save

from studio.home.workspace import Workspace
from studio.memory.costs import ANY_GPU, cost_words
from studio.memory.free import FreeMemory, free_memory, take_wish
from studio.memory.measured import Measurement, keep_measurement
from studio.models.adapters import list_adapters
from studio.models.cards import ADAPTERS, CARDS
from studio.models.downloads import Downloads
from studio.models.hub import Hub
from studio.ui.models.handlers import ModelsHandlers
from studio.ui.models.panel import CardView
from tests.studio.models.hub_stand_in import Repository, StandIn, hub_stand_in

TOKEN = "hf_" + "panel" * 7
OPEN, GATED = "zhang0jhon/flux_wavelet", "black-forest-labs/FLUX.1-dev"


@pytest.fixture
def stand_in(flux_folder: Path) -> Iterator[StandIn]:
    files = {
        p.relative_to(flux_folder).as_posix(): p.read_bytes() for p in flux_folder.rglob("*") if p.is_file()
    }
    repositories = {OPEN: Repository(files), GATED: Repository(files, gated=True), "a/b": Repository(files)}
    repositories["a/lora"] = Repository({"lora.safetensors": b"x" * 20_000})
    with hub_stand_in(StandIn(repositories=repositories, accounts={TOKEN: "ada"})) as running:
        yield running


@pytest.fixture
def handlers(
    stand_in: StandIn, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModelsHandlers:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    hub = Hub(endpoint=stand_in.endpoint, cache=tmp_path / "hub")
    return ModelsHandlers(workspace, Downloads(hub), hosted=False)


def press(handlers: ModelsHandlers, action: str, name: str = "") -> dict[str, CardView]:
    event: Any = SimpleNamespace(action=action, id=name)
    return {card.id: card for card in handlers.act(event).cards}


def cards(handlers: ModelsHandlers) -> dict[str, CardView]:
    return {card.id: card for card in handlers.show().cards}


def test_cards_tell_what_each_model_asks_for(handlers: ModelsHandlers) -> None:
    shown = cards(handlers)
    assert list(shown) == [*(card.entry.id for card in CARDS), *(card.id for card in ADAPTERS)]
    assert (shown["micro-4k"].mood, shown["micro-4k"].actions) == ("here", ())
    flux = shown["flux.1-dev"]
    assert (flux.mood, flux.actions) == ("lacking", ("pull",))
    assert flux.gate_url == f"https://huggingface.co/{GATED}"
    assert "accept its licence" in flux.state
    wavelet = shown["diffusion-4k-flux"]
    assert (wavelet.mood, wavelet.state) == ("ready", "34.3 GB of disk needed")
    assert "best at 3072 × 4096" in wavelet.facts
    assert "gated" in flux.facts
    assert "gated" not in wavelet.facts
    for card in CARDS:  # of each, memory and time: measured here, or said to be an estimate
        cost = shown[card.entry.id].facts[-1]
        width_px, height_px = card.advised_sizes_px[0]
        assert cost.startswith(f"{width_px} × {height_px} takes ")
        assert "GB of memory · estimated" in cost
        assert cost.endswith("time not measured here")
    assert "GB memory free" in handlers.show().memory
    assert any("UltraFlux" in text for text in handlers.show().not_offered)


def test_a_download_shows_its_progress_and_then_the_model_is_here(handlers: ModelsHandlers) -> None:
    _, seen = handlers.tick("nothing yet")
    press(handlers, "pull", "diffusion-4k-flux")
    assert handlers.downloads.wait(OPEN, 60).stage == "done"
    content, now = handlers.tick(seen)
    assert now != seen
    assert handlers.tick(now)[1] != now, "an unchanged panel was sent again"
    card = {card.id: card for card in content.cards}["diffusion-4k-flux"]
    assert (card.mood, card.state, card.actions) == ("here", "Here", ("remove",))
    gone = press(handlers, "remove", "diffusion-4k-flux")["diffusion-4k-flux"]
    assert (gone.mood, gone.actions) == ("ready", ("pull",))


def test_a_gated_model_fails_with_its_sentence_and_may_be_tried_again(handlers: ModelsHandlers) -> None:
    press(handlers, "pull", "flux.1-dev")
    handlers.downloads.wait(GATED, 60)
    card = cards(handlers)["flux.1-dev"]
    assert (card.mood, card.actions) == ("lacking", ("pull",))
    assert card.state.startswith(f"{GATED} is gated: accept its licence at")


def test_any_model_of_the_hub(handlers: ModelsHandlers) -> None:
    press(handlers, "pull", "a/b")
    handlers.downloads.wait("a/b", 60)
    assert cards(handlers)["a/b"].actions == ("remove",)
    for name, words in (
        ("a/lora", "no diffusers pipeline"),
        ("../x", "reads owner/name"),
        ("micro-4k", "does not come"),
    ):
        with pytest.raises(gr.Error, match=words):
            press(handlers, "pull", name)
        assert name == "micro-4k" or name not in cards(handlers)


def test_the_token_is_tested_and_never_shown(handlers: ModelsHandlers, tmp_path: Path) -> None:
    press(handlers, "test")
    assert "no token was found; run `hf auth login`" in handlers.account
    (tmp_path / "token").write_text(TOKEN)
    press(handlers, "test")
    assert handlers.account.startswith("The token is ada's, and the hub accepts it.")
    assert TOKEN not in handlers.show().model_dump_json()


def test_the_test_tells_which_gated_models_the_token_opens(
    handlers: ModelsHandlers, stand_in: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    press(handlers, "test")
    assert "It may read" not in handlers.account
    assert "Not yet" in handlers.account
    assert "FLUX.1 [dev]" in handlers.account
    stand_in.admitted.add(TOKEN)
    press(handlers, "test")
    assert "It may read FLUX.1 [dev]. Not yet Stable Diffusion 3 Medium" in handlers.account


def test_what_was_drawn_here_is_told_in_place_of_an_estimate(handlers: ModelsHandlers) -> None:
    measured = Measurement(
        time=1.0,
        device=f"cpu ({platform.machine()})",
        model="micro-4k",
        rung="resident",
        dtype="bfloat16",
        width_px=4096,
        height_px=4096,
        guided=True,
        seconds_per_step=2.0,
        decode_s=10.0,
        peak_bytes=3 * 10**9,
    )
    keep_measurement(handlers.workspace.root, measured)
    desk_without_gpu = FreeMemory(8 * 10**9, 16 * 10**9, 10**11, None)
    told = cost_words(CARDS[0], desk_without_gpu, handlers.workspace.root)
    assert "3.0 GB of memory · as measured here" in told
    assert "not measured" not in told
    assert "as measured here" not in cost_words(CARDS[0], ANY_GPU, handlers.workspace.root)


def test_a_lora_of_the_list_is_fetched_and_removed(handlers: ModelsHandlers, stand_in: StandIn) -> None:
    card = ADAPTERS[0]
    content = save({"a.lora_A.weight": torch.ones(4, 5000)})
    stand_in.repositories[card.hub_id] = Repository({card.file: content})
    assert (cards(handlers)[card.id].mood, cards(handlers)[card.id].actions) == ("ready", ("pull",))
    press(handlers, "pull", card.id)
    assert handlers.downloads.wait(card.hub_id, 60).stage == "done"
    assert (cards(handlers)[card.id].mood, cards(handlers)[card.id].actions) == ("here", ("remove",))
    assert [found.title for found in list_adapters(handlers.workspace)] == [Path(card.file).stem]
    assert press(handlers, "remove", card.id)[card.id].mood == "ready"
    assert list_adapters(handlers.workspace) == ()


def test_another_pipeline_fails_with_its_reason(handlers: ModelsHandlers, stand_in: StandIn) -> None:
    files = dict(stand_in.repositories["a/b"].files)
    files["model_index.json"] = b'{"_class_name": "SanaPipeline"}'
    stand_in.repositories["a/sana"] = Repository(files)
    press(handlers, "pull", "a/sana")
    handlers.downloads.wait("a/sana", 60)
    card = cards(handlers)["a/sana"]
    assert (card.mood, card.state) == (
        "lacking",
        "a/sana is a SanaPipeline; the studio draws with StableDiffusion3Pipeline and FluxPipeline",
    )


def test_memory_is_wished_for_once(handlers: ModelsHandlers) -> None:
    press(handlers, "free")
    assert take_wish(handlers.workspace)
    assert not take_wish(handlers.workspace)
    told = free_memory(handlers.workspace.root / "none" / "yet")
    assert 0 < told.ram_free <= told.ram_total
    assert told.disk_free > 0


def test_visitors_of_a_public_host_change_nothing(handlers: ModelsHandlers) -> None:
    handlers.hosted = True
    assert all(card.actions == () for card in handlers.show().cards)
    assert handlers.show().memory == ""
    assert not any(
        "this machine" in fact or "GPU has" in fact for card in handlers.show().cards for fact in card.facts
    )
    for action in ("pull", "remove", "stop", "free", "test"):
        with pytest.raises(gr.Error, match="by the owner of this studio alone"):
            press(handlers, action, "flux.1-dev")
    assert not take_wish(handlers.workspace)
