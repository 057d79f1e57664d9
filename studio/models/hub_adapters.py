"""Published LoRAs that are fetched from the hub into `loras/` of the home, where every list finds them. No torch.

Not here: which ones there are (`studio.models.cards`), the transfer (`studio.models.hub`).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from finetune.weight_files import read_header
from studio.home.disk import whole_file
from studio.models.adapters import FOLDER
from studio.models.cards import AdapterCard
from studio.models.hub import Hub


def adapter_place(card: AdapterCard, home: Path) -> Path:
    """Where it lies once it is here."""
    return home / FOLDER / card.file


def keep_adapter(card: AdapterCard, snapshot: Path, home: Path) -> Path:
    """Give the fetched file its place: the same bytes on the disk where the system can, else a copy.

    Raises ValueError for what is no safetensors file, and on a full disk.
    """
    source, place = (snapshot / card.file).resolve(), adapter_place(card, home)
    read_header(source)
    place.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(place) as part:
        try:
            os.link(source, part)
        except OSError:  # another disk, or one without links
            shutil.copyfile(source, part)
    return place


def remove_adapter(hub: Hub, card: AdapterCard, home: Path) -> None:
    """Delete it from the home and from the cache."""
    adapter_place(card, home).unlink(missing_ok=True)
    if hub.cached_commit(card.hub_id) is not None:
        hub.remove(card.hub_id)
