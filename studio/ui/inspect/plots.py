"""Plots of the Inspect tab (plotly). Arrays in, figures out; no measuring here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from studio.ui.plot_look import AMBER, BAND_COLOURS, GREY, ROSE, TEAL, VIOLET, empty_figure, titled

if TYPE_CHECKING:
    from metrics.spectrum import RadialSpectrum
    from metrics.subbands import DetailEnergies

_FREQUENCY: Mapping[str, Any] = {
    "type": "log",
    "title": "cycles per pixel",
    "tickvals": [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
}


def spectrum_plot(spectra: Sequence[tuple[str, RadialSpectrum]]) -> go.Figure:
    """Radial power in log-log, beside the slope of -2 that natural pictures have."""
    figure = _figure("Radial spectrum", height=230)
    for (name, spectrum), colour in zip(spectra, (TEAL, AMBER, VIOLET, ROSE), strict=False):
        shown = spectrum.power > 0
        shown[:1] = False  # the mean was taken off, so the first ring says nothing
        figure.add_scatter(
            x=spectrum.frequency[shown],
            y=spectrum.power[shown],
            name=f"{_short(name)}  {spectrum.slope:.2f}",
            line={"color": colour, "width": 1.5},
            hovertemplate="%{x:.3f} cycles/px<br>%{y:.3g}<extra></extra>",
        )
    if spectra and (first := spectra[0][1]).power.any():
        middle = min(int(np.searchsorted(first.frequency, 0.03)), len(first.power) - 1)
        natural = first.power[middle] * (first.frequency / first.frequency[middle]) ** -2
        figure.add_scatter(
            x=first.frequency,
            y=natural,
            name="natural, -2",
            line={"color": GREY, "width": 1, "dash": "dot"},
            hoverinfo="skip",
        )
    figure.update_xaxes(**_FREQUENCY)
    figure.update_yaxes(type="log", exponentformat="power", dtick=2)
    return figure


def energy_plot(energies: Sequence[DetailEnergies]) -> go.Figure:
    """Energy of each band and level, log scale, finest first."""
    figure = _figure("Subband energy", height=200)
    for band, colour in BAND_COLOURS.items():
        figure.add_bar(
            x=[f"{level}" for level in range(1, len(energies) + 1)],
            y=[max(getattr(found, band), 1e-4) for found in energies],
            name=band.upper(),
            marker_color=colour,
            hovertemplate="level %{x}: %{y:.3g}<extra>" + band.upper() + "</extra>",
        )
    figure.update_layout(
        barmode="group",
        bargap=0.3,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "entrywidth": 20},
    )
    figure.update_xaxes(title="level (1 is finest)", type="category")
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    return figure


def matrix_plot(matrix: NDArray[np.float64], *, title: str) -> go.Figure:
    """One co-occurrence matrix, (64, 64) shares, in log colour."""
    figure = _figure(title, height=270)
    figure.update_layout(margin_r=52)
    shares = np.where(matrix > 0, np.log10(np.maximum(matrix, 1e-9)), np.nan)
    figure.add_heatmap(
        z=shares,
        colorscale="Viridis",
        colorbar={"title": {"text": "log10"}, "thickness": 8, "len": 1, "x": 1.02, "tickfont": {"size": 9}},
        hovertemplate="%{y} then %{x}: 10^%{z:.2f}<extra></extra>",
    )
    low, high = _occupied(matrix)
    figure.update_xaxes(title="second pixel's level", constrain="domain", range=[low, high])
    figure.update_yaxes(title="first pixel's level", scaleanchor="x", constrain="domain", range=[high, low])
    return figure


def _occupied(matrix: NDArray[np.float64]) -> tuple[float, float]:
    """The levels that occur, as one range for both axes, at least 8 of them and a little room around."""
    there = np.flatnonzero((matrix > 0).any(0) | (matrix > 0).any(1))
    low, high = float(there.min()) - 1, float(there.max()) + 1
    missing = max(0.0, 8 - (high - low)) / 2
    return low - missing - 0.5, high + missing + 0.5


def histogram_plot(histogram: NDArray[np.int64]) -> go.Figure:
    """Pixels of each luma level."""
    figure = _figure("Grey levels", height=150)
    figure.add_bar(
        x=np.arange(256),
        y=histogram,
        marker_color=TEAL,
        marker_line_width=0,
        hovertemplate="%{x}: %{y}<extra></extra>",
    )
    figure.update_layout(bargap=0)
    return figure


def part_spectrum_plot(frequency: NDArray[np.float64], power: NDArray[np.float64]) -> go.Figure:
    """Radial power of a part."""
    figure = _figure("Spectrum of this part", height=170)
    # The mean was taken off, so the first ring says nothing.
    figure.add_scatter(x=frequency[1:], y=power[1:], line={"color": TEAL, "width": 1.5}, showlegend=False)
    figure.update_xaxes(**_FREQUENCY)
    figure.update_yaxes(type="log", exponentformat="power", dtick=2)
    return figure


def _figure(title: str, *, height: int) -> go.Figure:
    return empty_figure(height, **titled(title))


def _short(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:13]}..."
