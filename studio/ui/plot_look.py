"""How every plot of the studio looks (plotly): colours, grid, letters, an empty figure to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

TEAL, AMBER, VIOLET, ROSE, GREY = "#14b8a6", "#f59e0b", "#a78bfa", "#f472b6", "#8c8c8c"
GRID = "rgba(128,128,128,0.18)"
BAND_COLOURS: Mapping[str, str] = {"lh": TEAL, "hl": AMBER, "hh": VIOLET}

_CLEAR = "rgba(0,0,0,0)"
_AXIS = {"gridcolor": GRID, "zeroline": False, "title": {"standoff": 4}}
_LEGEND = {"x": 1, "xanchor": "right", "font": {"size": 9}, "bgcolor": _CLEAR, "itemwidth": 30}


def empty_figure(height: int, **layout: Any) -> go.Figure:
    """A figure without curves, `height` px high, on whatever the page's ground is; `layout` has the last word.

    Legends lie in the plot's upper right corner. An axis's title stands close to it.
    """
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 46, "r": 8, "t": 26, "b": 34, "autoexpand": False},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        font={"size": 10, "color": GREY, "family": "IBM Plex Mono, monospace"},
        legend={**_LEGEND, "y": 1, "yanchor": "top"},
        xaxis=_AXIS,
        yaxis=_AXIS,
        hovermode="closest",
    )
    figure.update_layout(**layout)
    return figure


def titled(text: str) -> dict[str, Any]:
    """A layout's small title."""
    return {"title": {"text": text, "font": {"size": 12}, "x": 0.02, "y": 0.98}}
