"""Charts of the Fine-tune tab (plotly). Curves in, figures out; nothing is read or measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from studio.training.curves import Curve, RunCurves
from studio.training.weights import BandCurves
from studio.ui.plot_look import AMBER, BAND_COLOURS, GREY, ROSE, TEAL, VIOLET, empty_figure

COLOURS = (TEAL, AMBER, VIOLET, ROSE, "#60a5fa", "#a3e635")
_BANDS = {"ll": "#60a5fa", **BAND_COLOURS}
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def weights_plot(curves: BandCurves) -> go.Figure:
    """Weight of each band against sigma, over how often each sigma is drawn. Bands that weigh the same share a line."""
    figure = _figure(190, key="weights")
    density = curves.density
    figure.add_scatter(
        x=curves.sigmas,
        y=density,
        yaxis="y2",
        name="drawn",
        fill="tozeroy",
        fillcolor="rgba(140,140,140,0.16)",
        line={"color": "rgba(140,140,140,0.5)", "width": 1},
        hovertemplate="σ %{x:.2f}: density %{y:.2f}<extra></extra>",
    )
    for names, values in _alike(curves.weights):
        band = names[0][:2]
        figure.add_scatter(
            x=curves.sigmas,
            y=values,
            name="all bands" if len(names) == len(curves.weights) else " ".join(names),
            line={
                "color": TEAL if len(names) == len(curves.weights) else _BANDS[band],
                "width": 1.8,
                "dash": _DASHES[(int(names[0][2:]) - 1) % len(_DASHES)] if names[0][2:] else "solid",
            },
            hovertemplate="σ %{x:.2f}: %{y:.3g}<extra>" + " ".join(names) + "</extra>",
        )
    top = max(float(np.max(values)) for values in curves.weights.values())
    figure.update_xaxes(title_text="σ (0 picture, 1 noise)", range=[0, 1])
    figure.update_yaxes(title_text="effective weight", range=[0, 1.15 * max(top, 1e-6)])
    figure.update_layout(
        yaxis2={
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "zeroline": False,
            "showticklabels": False,
            "range": [0, 1.15 * float(np.max(density))],
        },
    )
    return figure


def loss_plot(main: RunCurves, others: Sequence[RunCurves] = (), *, log: bool = False) -> go.Figure:
    """Loss of a run, raw and as a running mean, with marks where it was restarted; of other runs the mean."""
    figure = _figure(250, key=f"loss {main.name} {log}")
    figure.add_scatter(
        x=main.loss.steps,
        y=main.loss.values,
        name="each step",
        mode="lines",
        line={"color": "rgba(20,184,166,0.32)", "width": 1},
        hovertemplate="step %{x:.0f}: %{y:.4g}<extra>each step</extra>",
    )
    for run, colour in zip((main, *others), COLOURS, strict=False):
        figure.add_scatter(
            x=run.smooth.steps,
            y=run.smooth.values,
            name=_short(run.name),
            line={"color": colour, "width": 1.8},
            hovertemplate="step %{x:.0f}: %{y:.4g}<extra>" + _short(run.name) + "</extra>",
        )
    for step in main.restarts:
        figure.add_vline(x=step, line={"color": AMBER, "width": 1, "dash": "dot"})
    if main.restarts:
        figure.add_annotation(
            x=main.restarts[-1],
            y=1,
            yref="paper",
            yanchor="bottom",
            text="restarted",
            showarrow=False,
            font={"size": 9, "color": AMBER},
        )
    figure.update_xaxes(title_text="step", rangemode="tozero")
    figure.update_yaxes(title_text="training loss", **_log(log))
    return figure


def band_plot(main: RunCurves, *, log: bool = False) -> go.Figure:
    """Velocity MSE of each Haar band: in training as running means, in validation as points on a dotted line."""
    figure = _figure(210, key=f"bands {main.name} {log}")
    for band, curve in main.bands.items():
        _line(figure, curve, band.upper(), _BANDS.get(band, GREY))
    for band, curve in main.validation_bands.items():
        if len(curve.steps):
            name, colour = f"{band.upper()} validated", _BANDS.get(band, GREY)
            _line(figure, curve, name, colour, width=1.0, mode="lines+markers")
            figure.data[-1].update(line_dash="dot", showlegend=False)
    figure.update_xaxes(title_text="step", rangemode="tozero")
    figure.update_yaxes(title_text="MSE of each band", **_log(log))
    return figure


def validation_plot(main: RunCurves, others: Sequence[RunCurves] = (), *, log: bool = False) -> go.Figure:
    """Validation loss at each fixed noise level, thin, and their mean; of other runs the mean."""
    figure = _figure(210, key=f"validation {main.name} {log}")
    for sigma, curve in main.sigmas.items():
        _line(figure, curve, f"σ {sigma:g}", "rgba(140,140,140,0.6)", width=1.0)
        figure.data[-1].showlegend = False
        if len(curve.steps):
            figure.add_annotation(
                x=curve.steps[-1],
                y=np.log10(curve.values[-1]) if log else curve.values[-1],
                xanchor="left",
                xshift=4,
                text=f"σ {sigma:g}",
                showarrow=False,
                font={"size": 9, "color": GREY},
            )
    figure.update_layout(margin_r=44)
    for run, colour in zip((main, *others), COLOURS, strict=False):
        _line(
            figure, run.validation, "mean" if run is main else _short(run.name), colour, mode="lines+markers"
        )
    figure.update_xaxes(title_text="step", rangemode="tozero")
    figure.update_yaxes(title_text="validation loss", **_log(log))
    return figure


def _line(
    figure: go.Figure, curve: Curve, name: str, colour: str, *, width: float = 1.8, mode: str = "lines"
) -> None:
    figure.add_scatter(
        x=curve.steps,
        y=curve.values,
        name=name,
        mode=mode,
        marker={"size": 4},
        line={"color": colour, "width": width},
        hovertemplate="step %{x:.0f}: %{y:.4g}<extra>" + name + "</extra>",
    )


def _alike(weights: Mapping[str, Any]) -> list[tuple[list[str], Any]]:
    """Bands with the same curve together, in the order in which they come."""
    groups: list[tuple[list[str], Any]] = []
    for name, values in weights.items():
        for names, known in groups:
            if np.allclose(known, values):
                names.append(name)
                break
        else:
            groups.append(([name], values))
    return groups


def _log(log: bool) -> dict[str, Any]:
    return {"type": "log", "exponentformat": "power"} if log else {"type": "linear"}


def _figure(height: int, *, key: str) -> go.Figure:
    """`key` names what is shown: a zoom stays while it is the same. The legend lies above the plot."""
    above = {"orientation": "h", "y": 1.0, "yanchor": "bottom"}
    return empty_figure(height, uirevision=key, margin={"l": 52, "t": 20}, legend=above)


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:15]}..."
