"""How large the pictures of a dataset are, as a plot (plotly). Numbers in, figure out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import plotly.graph_objects as go

from studio.ui.plot_look import GREY, TEAL, empty_figure, titled

STEPS_PX = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
MOST_BARS, MOST_TICKS = 16, 4


def size_plot(trained_px: Sequence[int], left_out_px: Sequence[int], *, resolution_px: int) -> go.Figure:
    """Pictures by their short sides in px, those trained on over those left out; a line where the resolution is."""
    step = bar_width(trained_px, left_out_px, [resolution_px])
    ends = [*trained_px, *left_out_px, resolution_px]
    figure = empty_figure(
        150,
        barmode="stack",
        showlegend=False,
        margin={"l": 24, "t": 30, "b": 22},
        **titled("Short side (px)"),
    )
    for name, sides, colour in (("trained on", trained_px, TEAL), ("left out", left_out_px, GREY)):
        counts = Counter(side // step * step for side in sides)
        if counts:
            figure.add_bar(
                x=[edge + step / 2 for edge in sorted(counts)],
                y=[counts[edge] for edge in sorted(counts)],
                width=step * 0.9,
                name=name,
                marker={"color": colour, "line": {"width": 0}},
                customdata=[f"{edge} to {edge + step - 1} px" for edge in sorted(counts)],
                hovertemplate="%{customdata}: %{y}<extra>" + name + "</extra>",
            )
    figure.add_vline(x=resolution_px, line={"color": GREY, "width": 1, "dash": "dot"})
    figure.update_xaxes(
        showgrid=False,
        type="linear",
        tick0=0,
        dtick=tick_distance(max(ends) - min(ends)),
        tickformat="d",
    )
    figure.update_yaxes(nticks=3, tickformat="d")
    return figure


def tick_distance(span_px: int) -> int:
    """The smallest of STEPS_PX that marks no more than MOST_TICKS of so many px; the largest where none does."""
    return next((step for step in STEPS_PX if span_px <= step * MOST_TICKS), STEPS_PX[-1])


def bar_width(*sides_px: Sequence[int]) -> int:
    """The narrowest of STEPS_PX that needs no more than MOST_BARS bars; the widest where none does."""
    every = [side for sides in sides_px for side in sides]
    span = max(every) - min(every) if every else 0
    return next((step for step in STEPS_PX if span < step * MOST_BARS), STEPS_PX[-1])
