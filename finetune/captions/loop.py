"""Captions for a dataset by any model, one picture after the other: stopped whenever you like, and gone on with.

Each caption is on disk before the next picture is looked at. Hand-written captions are never replaced. No torch.
Not here: the models (`finetune.captions.endpoint` asks an endpoint, `finetune.captions.local` runs one here), where
captions are kept (`finetune.data.captions`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from finetune.data.captions import HAND, CaptionStore
from finetune.data.dataset import Dataset, Item
from finetune.data.picture_facts import MAX_MEGAPIXELS
from metrics.pictures import read_picture

DEFAULT_PROMPT = (
    "Write one short caption for this picture: say what it shows, plainly, without any introduction."
)
"""The Diffusion-4K paper's, in other words (arXiv 2503.18352, section 4)."""

Which = Literal["missing", "all"]
"""Pictures without a caption; or all whose caption is not from this model yet, hand-written ones aside."""

MAX_FAILURES = 5  # one after the other: then it is not the pictures' fault


@dataclass(frozen=True, slots=True)
class CaptionReport:
    """One picture, done."""

    file_name: str
    caption: str | None
    error: str | None
    """One sentence where there is no caption."""

    done: int
    total: int


class Refused(Exception):
    """This picture cannot be captioned; others may. The message is a sentence for the user."""


def caption_each(
    dataset: Dataset, model: str, ask: Callable[[Path], str], *, which: Which = "missing"
) -> Iterator[CaptionReport]:
    """Caption while the caller keeps asking; each report comes after its caption is kept.

    Args:
        model: Whose captions they are.
        ask: The caption of a picture file. Raises Refused where there is none.

    Raises ValueError where five pictures fail one after the other, and whatever else `ask` raises.
    """
    store = CaptionStore(dataset.root)
    waiting = [item for item in dataset.items if _is_wanted(item, model, which)]
    failures = 0
    for done, item in enumerate(waiting, start=1):
        caption, error = None, None
        try:
            caption = ask(dataset.path(item))
            failures = 0
        except Refused as refusal:
            error, failures = str(refusal), failures + 1
        if caption is not None and not store.write(item.file_name, caption, by=model):
            caption, error = None, "A hand wrote its caption in the meantime; that one stays."
        yield CaptionReport(item.file_name, caption, error, done, len(waiting))
        if failures >= MAX_FAILURES:
            raise ValueError(f"{MAX_FAILURES} pictures failed one after the other, the last one so: {error}")


def small_picture(path: Path, max_side_px: int) -> Image.Image:
    """A picture as a model is shown it: RGB, no side above `max_side_px`. Raises Refused for an unreadable one."""
    try:
        image = Image.fromarray(read_picture(path, max_megapixels=MAX_MEGAPIXELS).pixels)
    except ValueError as error:
        raise Refused(f"{error}.") from error
    image.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
    return image


def as_caption(text: str) -> str:
    """One line, without the quotation marks that models put around. Raises Refused for an empty one."""
    line = " ".join(text.split()).strip('"“”')
    if not line.strip():
        raise Refused("The model gave an empty caption.")
    return line


def _is_wanted(item: Item, model: str, which: Which) -> bool:
    return item.caption is None or (which == "all" and item.caption_by not in (HAND, model))
