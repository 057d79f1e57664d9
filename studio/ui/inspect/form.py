"""The settings of the Inspect tab as widgets, in the order of `InspectSettings`, and which of them matter when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from studio.ui.inspect.settings import CHOICES, DETAIL_BANDS, RANGES, InspectSettings

WORDS = {
    "layer": ("Picture", "Subbands", "Rebuild", "GLCM map", "Artefacts", "Clipping"),
    "direction": ("All four", "0°", "45°", "90°", "135°"),
    "colour": ("Usual", "Balance", "Viridis", "Magma", "Grey"),
    "mode": ("Side by side", "Slider", "Flicker", "Transparency", "Difference", "One at a time"),
    "channel": ("RGB", "Luma", "R", "G", "B"),
}
"""What stands on the page, in the order of `CHOICES`."""


@dataclass(frozen=True, slots=True)
class InspectForm:
    """Widgets by the names of `InspectSettings`, in its order, and groups that come and go together."""

    settings: dict[str, Any]
    groups: dict[str, gr.Column]

    def values(self) -> list[Any]:
        return list(self.settings.values())


def build_form() -> InspectForm:
    made: dict[str, Any] = {}
    groups: dict[str, gr.Column] = {}

    @contextmanager
    def group(name: str) -> Iterator[None]:
        with gr.Column(visible=False, min_width=0) as groups[name]:
            yield

    made["layer"] = _segments("layer", "Layer", "segments thirds")
    with group("subbands"):
        with gr.Row(elem_classes="pair"):
            made["wavelet"] = _list("wavelet", "Wavelet")
            made["boundary"] = _list("boundary", "Boundary")
        with gr.Row(elem_classes="pair"):
            made["levels"] = _segments("levels", "Levels", "segments")
    with group("band"):
        made["band"] = _list("band", "Show")
    with group("rebuild"):
        made["muted"] = _bands("muted", "Muted bands")
        made["scaled"] = _bands("scaled", "Scaled bands (none: all others)")
        with gr.Row(elem_classes="pair"):
            made["detail"] = _slider("detail", "Times", 0.05)
    with group("glcm"):
        made["measure"] = _list("measure", "Property")
        with gr.Row(elem_classes="pair"):
            made["window_px"] = _list("window_px", "Window (px)")
            made["stride_px"] = _list("stride_px", "Stride (px)")
        with gr.Row(elem_classes="pair"):
            made["distance"] = _list("distance", "Distance (px)")
            made["direction"] = _list("direction", "Direction")
        with gr.Row(elem_classes="pair"):
            made["opacity"] = _slider("opacity", "Opacity", 0.05)
    with group("colour"):
        made["colour"] = _list("colour", "Colours")
    with group("gain"), gr.Row(elem_classes="pair"):
        made["gain"] = _slider("gain", "Gain", 0.25)
    with group("channel"):
        made["channel"] = _segments("channel", "Channel", "segments")
    with group("mode"):
        made["mode"] = _list("mode", "Compare by")
    # The page places these two beside the matrix that they turn.
    made["part_distance"] = _segments("part_distance", "Distance (px)", "segments", render=False)
    made["part_angle"] = _segments("part_angle", "Angle (°)", "segments", render=False)
    gr.HTML(_KEYS, elem_classes="inspect-keys", padding=False)
    return InspectForm({f.name: made[f.name] for f in fields(InspectSettings)}, groups)


def visible_groups(layer: str, mode: str, keys: list[str] | None) -> tuple[Any, ...]:
    """An update for every group, in the form's order: what matters for this layer and mode is shown."""
    several, coloured = len(keys or ()) > 1, layer in ("subbands", "glcm")
    shown = {
        "subbands": layer in ("subbands", "rebuild"),
        "band": layer == "subbands",
        "rebuild": layer == "rebuild",
        "glcm": layer == "glcm",
        "colour": coloured,
        "gain": coloured or (several and mode == "difference"),
        "channel": layer != "subbands",
        "mode": several,
    }
    return tuple(gr.Column(visible=visible) for visible in shown.values())


_KEYS = """
<details><summary>Keys</summary><dl>
<dt>1 2 3 4</dt><dd>picture, subbands, GLCM map, artefacts</dd>
<dt>0 Z</dt><dd>fit, actual pixels</dd>
<dt>← → ↑ ↓</dt><dd>pan</dd>
<dt>M C</dt><dd>next mode, change places</dd>
<dt>[ ]</dt><dd>move the slider, fade, turn over</dd>
<dt>S F</dt><dd>save the view, full screen</dd>
<dt>Esc</dt><dd>leave the measured part</dd>
</dl></details>
"""


def _pairs(name: str) -> list[Any]:
    known = CHOICES[name]
    return list(zip(WORDS[name], known, strict=True)) if name in WORDS else list(known)


def _usual(name: str) -> Any:
    return getattr(InspectSettings(), name)


def _list(name: str, label: str) -> gr.Dropdown:
    return gr.Dropdown(_pairs(name), value=_usual(name), label=label, min_width=90, elem_id=_id(name))


def _bands(name: str, label: str) -> gr.Dropdown:
    return gr.Dropdown(list(DETAIL_BANDS), value=[], multiselect=True, label=label, elem_id=name)


def _segments(name: str, label: str, classes: str, *, render: bool = True) -> gr.Radio:
    return gr.Radio(
        _pairs(name),
        value=_usual(name),
        label=label,
        elem_id=_id(name),
        elem_classes=classes,
        min_width=90,
        render=render,
    )


def _slider(name: str, label: str, step: float) -> gr.Slider:
    low, high = RANGES[name]
    return gr.Slider(
        low, high, value=_usual(name), step=step, label=label, buttons=[], min_width=90, elem_id=_id(name)
    )


def _id(name: str) -> str:
    return f"inspect-{name.removesuffix('_px')}"
