"""The cards' numbers against models built from the published configs, without storage."""

from __future__ import annotations

import pytest
import torch

from finetune.memory.model_sizes import component_sizes
from studio.models.cards import ADAPTERS, CARDS, NOT_OFFERED, ModelCard, card_of, reason_against
from studio.models.catalogue import CATALOGUE
from studio.models.lookup import check_size, find_model

# GB of the single files as the hub shows them, to its three digits; SD3's hold transformer and VAE.
PUBLISHED_FILE_GB = {"sd3-medium": 4.34, "sd3.5-medium": 5.11, "sd3.5-large": 16.5, "flux.1-dev": 23.8}


def test_every_model_has_one_card() -> None:
    assert [card.entry for card in CARDS] == list(CATALOGUE)
    for card in CARDS:
        assert card.advice.endswith(".")
        for width_px, height_px in card.advised_sizes_px:
            check_size(card.entry, width_px, height_px)
        if card.base is not None:
            assert find_model(card.base).licence == card.entry.licence
    for adapter in ADAPTERS:
        assert find_model(adapter.base).licence == adapter.licence


@pytest.mark.parametrize("card", [card for card in CARDS if card.weights], ids=lambda card: card.entry.id)
def test_weights_are_counted_right(card: ModelCard) -> None:
    """Against models built from the published configs; SD3's transformers with their table of positions."""
    counted = component_sizes(card.entry.id)
    assert card.weights == {part: size.num_parameters + size.num_fixed for part, size in counted.items()}
    assert card.download_bytes == sum(size.weight_bytes(torch.bfloat16) for size in counted.values())


@pytest.mark.parametrize("name", sorted(PUBLISHED_FILE_GB))
def test_single_files_are_as_large_as_published(name: str) -> None:
    card = card_of(name)
    vae = card.weights["vae"] if card.entry.family == "sd3" else 0
    stored = 2 * (card.weights["transformer"] + vae)
    assert stored == pytest.approx(PUBLISHED_FILE_GB[name] * 1e9, rel=0.01)


def test_downloads_add_up() -> None:
    assert card_of("micro-4k").download_bytes == card_of("micro-4k").disk_mib == 0
    flux = card_of("flux.1-dev")
    assert flux.download_bytes == pytest.approx(33.7e9, rel=0.01)
    assert flux.disk_mib * 2**20 - flux.download_bytes == 512 * 2**20


def test_the_published_checkpoints_are_drawn_as_they_were_made() -> None:
    """Version 1 has FLUX.1's own decoder, which never saw the reference's shift; version 2's was trained with it."""
    first, second = find_model("zhang0jhon/flux_wavelet"), find_model("zhang0jhon/flux_wavelet_v2_sc")
    assert (first.autoencoder, first.alignment) == ("f16", "exact")
    assert (second.autoencoder, second.alignment) == ("f16", "reference")
    assert first.default_size_px == card_of(first.id).advised_sizes_px[0] == (3072, 4096)


def test_what_is_not_offered_says_why() -> None:
    for known in NOT_OFFERED:
        assert known.reason in str(reason_against(known.hub_id.lower()))
    assert reason_against("black-forest-labs/FLUX.1-dev") is None
    with pytest.raises(ValueError, match="there is no card of no"):
        card_of("no")
