"""How a benchmark's numbers come about, as data: the published procedure and ours, a column each metric.

A number belongs to a protocol: the same metric measured two ways stands in two columns, and never in one. Standard
library only. Not here: what a metric is (`metrics.catalogue`), measuring (`metrics.protocol_scores`), others' numbers
(`metrics.published`).
"""

from __future__ import annotations

from dataclasses import dataclass

from metrics.catalogue import RATIOS, MetricCard, card


@dataclass(frozen=True, slots=True)
class Column:
    """One metric under one protocol."""

    protocol: str
    metric: str
    procedure: str
    """What is done to a picture, a prompt or a set before and while it is measured, in one sentence."""

    @property
    def key(self) -> str:
        """Such as "as-published/glcm_score": what files and tables call it."""
        return f"{self.protocol}/{self.metric}"

    @property
    def card(self) -> MetricCard:
        return card(self.metric)

    @property
    def is_of_pictures(self) -> bool:
        """Whether each picture has a value; else a set has one."""
        return self.card.scope != "set"

    @property
    def is_ratio_of_sums(self) -> bool:
        """Whether a set's value weighs pictures by their raw bytes."""
        return self.metric in RATIOS


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Columns that are measured together."""

    name: str
    title: str
    version: str
    """Changes whenever equal pictures would score otherwise."""

    sentence: str
    columns: tuple[Column, ...]


def _columns(protocol: str, **procedures: str) -> tuple[Column, ...]:
    return tuple(
        Column(protocol, metric.replace("__micro", "[micro]"), how) for metric, how in procedures.items()
    )


AS_PUBLISHED = Protocol(
    name="as-published",
    title="as published",
    version="1",
    sentence="As the evaluation released with Diffusion-4K (CVPR 2025) measures: numbers compare with the paper's.",
    columns=_columns(
        "as-published",
        glcm_score="on the picture as JPEG of quality 95, 4:2:0, decoded; OpenCV's grey, 64 levels, 64 px patches",
        compression_ratio="raw bytes over bytes of JPEG, quality 95, 4:2:0; of a set the ratio of sums",
        clip_score="CLIP ViT-B/16; a prompt is cut after 77 tokens, its end mark with it",
        aesthetics="CLIP ViT-L/14 on 224 px and the linear MLP head",
        fid="drawn pictures as JPEG; short side to the set's size, centre crop, Inception at 299 px",
    ),
)
OURS = Protocol(
    name="ours",
    title="ours",
    version="1",
    sentence="On the picture as it was drawn, nothing shrunk where detail is asked for, and long prompts read whole.",
    columns=_columns(
        "ours",
        glcm_score="on the picture as it was drawn, never through JPEG",
        glcm_entropy="true joint entropy of neighbouring grey levels, on the picture as it was drawn",
        compression_ratio_444="raw bytes over bytes of JPEG, quality 95, 4:4:4; of a set the ratio of sums",
        effective_resolution="on the picture as it was drawn",
        spectrum_slope="on the picture as it was drawn",
        grid="on the picture as it was drawn",
        seam="on the picture as it was drawn",
        clip_score="CLIP ViT-B/16; a long prompt is read in parts, which are averaged",
        clip_score__micro="the bundled small CLIP, which knows Micro-4K's words alone; a long prompt is read in parts",
        aesthetics="CLIP ViT-L/14 on 224 px and the linear MLP head",
        texture_frechet="wavelet and co-occurrence features of 256 px patches at 1:1, no network",
        fid_crops="Inception on 299 px crops at 1:1, from the same places of both sets",
        kid_crops="Inception on 299 px crops at 1:1, from the same places of both sets",
        cmmd="CLIP ViT-L/14 at 336 px, Gaussian kernel",
    ),
)
PROTOCOLS: tuple[Protocol, ...] = (AS_PUBLISHED, OURS)


def find_protocol(name: str) -> Protocol:
    """By name; ValueError with the names there are."""
    for protocol in PROTOCOLS:
        if protocol.name == name:
            return protocol
    raise ValueError(
        f"there is no protocol {name!r}; choose {' or '.join(protocol.name for protocol in PROTOCOLS)}"
    )


def find_column(key: str) -> Column:
    """By "protocol/metric"; ValueError where there is none."""
    name = key.partition("/")[0]
    for column in find_protocol(name).columns:
        if column.key == key:
            return column
    raise ValueError(f"protocol {name} has no column {key.partition('/')[2]!r}")
