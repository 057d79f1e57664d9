"""Numbers of a picture as chips, each with its card: what it is, its range, which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from math import isinf

from gradio.data_classes import GradioModel

from metrics.catalogue import CARDS, MetricCard
from metrics.score_table import ARROWS
from studio.ui.components import Drawn

WAYS = {
    "higher": "higher is better",
    "lower": "lower is better",
    "neither": "a description: neither way is better",
}


SHORT_TITLES = {
    "compression_ratio": "Compression",
    "effective_resolution": "Real detail",
    "glcm_homogeneity": "Homogeneity",
    "glcm_contrast": "Contrast",
    "glcm_correlation": "Correlation",
    "glcm_energy": "Energy",
}
"""Where a title is too long for a chip; the card has it whole."""


class CardContent(GradioModel):
    """A card of the catalogue, in words."""

    title: str
    definition: str
    rows: tuple[tuple[str, str], ...]


class MetricChip(GradioModel):
    name: str
    title: str
    text: str
    unit: str = ""
    arrow: str = ""
    card: CardContent | None = None
    mood: str = ""
    """"warn" for a verdict that asks for a look."""


class ChipsContent(GradioModel):
    heading: str = ""
    note: str = ""
    chips: tuple[MetricChip, ...] = ()


class MetricChips(Drawn):
    """Chips under a heading; the card of the one under the pointer, or with the focus, floats beside the rail."""

    data_model = ChipsContent
    scripts = ("metric_chips.js",)
    markup = """
<section class="metric-chips" hidden>
  <header class="section-head"><h2></h2></header>
  <p class="metric-note"></p>
  <div class="chips"></div>
  <div class="metric-card" role="tooltip" hidden></div>
</section>
"""


def chip_of(name: str, value: float, *, mood: str = "") -> MetricChip:
    """A number; with its card if the catalogue has one."""
    entry = _BY_NAME.get(name)
    if entry is None:
        return MetricChip(name=name, title=name.replace("_", " "), text=_short(value), mood=mood)
    return MetricChip(
        name=name,
        title=SHORT_TITLES.get(name, entry.title),
        text=_short(value),
        unit=entry.unit if len(entry.unit) <= 6 else "",
        arrow=ARROWS[entry.direction],
        card=card_content(entry),
        mood=mood,
    )


def chips_of(scores: Mapping[str, float], names: tuple[str, ...]) -> tuple[MetricChip, ...]:
    """Chips of those `names` that have a score."""
    return tuple(chip_of(name, scores[name]) for name in names if name in scores)


def card_content(entry: MetricCard) -> CardContent:
    if isinf(entry.low):
        span = "any number"
    else:
        span = f"{entry.low:g} and up" if isinf(entry.high) else f"{entry.low:g} to {entry.high:g}"
    return CardContent(
        title=entry.title,
        definition=f"{entry.definition[0].upper()}{entry.definition[1:]}.",
        rows=(
            ("range", f"{span} {entry.unit}".strip()),
            ("direction", WAYS[entry.direction]),
            ("source", entry.source),
            ("resized", entry.resize_path),
            ("version", entry.version),
        ),
    )


def _short(value: float) -> str:
    return f"{value:.3f}" if 0.001 <= abs(value) < 10 else f"{value:.4g}"


_BY_NAME = {entry.name: entry for entry in CARDS}
