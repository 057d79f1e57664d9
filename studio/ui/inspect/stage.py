"""The stage of Inspect and Compare: one to four pictures under one view, with layers over them. Drawn by inspect_*.js.

All panes share pan and zoom by construction: they are parts of one canvas. Not here: which layers there are.
"""

from __future__ import annotations

from typing import Any, Literal

from gradio.data_classes import FileData, GradioModel

from studio.inspection.grey_files import GreyFile
from studio.inspection.layers import BandFile
from studio.inspection.opened import Subject
from studio.ui.components import Drawn
from studio.ui.icons import icon
from studio.ui.parts.viewer.viewer import Layer, tool


class Plane(GradioModel):
    """A grey file laid over a picture; its place is in picture pixels."""

    id: str
    file: FileData
    coarse: FileData | None = None
    """The same shrunken, for a view from afar; None where the file is small itself."""

    x: float = 0
    y: float = 0
    width: float = 1
    height: float = 1
    kind: Literal["signed", "plain", "mask", "map"] = "plain"
    """A signed band; the low band; a mask of clipped pixels; a map, smooth and as opaque as asked."""

    low: float = 0
    high: float = 1
    name: str = ""
    unit: str = ""


class Mark(GradioModel):
    """A rectangle with a word, in picture pixels."""

    x: float
    y: float
    width: float
    height: float
    text: str = ""
    kind: Literal["artefact", "patch", "region"] = "artefact"


class Pane(GradioModel):
    """One picture and what lies over it."""

    id: str
    title: str = ""
    width_px: int = 1
    height_px: int = 1
    picture: Layer
    planes: tuple[Plane, ...] = ()
    under: float = 1.0
    """Opacity of the picture under its planes."""
    marks: tuple[Mark, ...] = ()


class Look(GradioModel):
    """What the page can change by itself."""

    opacity: float = 0.8
    colour: str = "auto"
    """"auto" is balance for signed bands, grey for the low one and viridis for maps."""
    gain: float = 1.0
    mode: str = "side"
    """How two panes or more share the stage; see `.settings.CHOICES`."""
    channel: str = "rgb"


class Board(GradioModel):
    """What the stage shows."""

    panes: tuple[Pane, ...] = ()
    look: Look = Look()
    query: str = ""
    """The address of this board without look and view, which the stage adds; empty to leave the address alone."""
    view: str = ""
    """Where to look first: "x,y,scale", the point in pixels of the first picture; empty for the whole picture."""
    at: str = ""
    """Where the slider stands or how far the second picture has faded in, 0 to 1, or which picture is shown."""
    demand: int = 0
    """Rises with each wish for `view` or `at`."""
    asked: str = ""
    """What the page asked for, word for word. It shows this board at once when it asks for the same again, and shows
    no layer of a board that something else was asked after. Empty for a board that comes unasked."""
    message: str = "Open a picture from the gallery, or drop one"


class InspectStage(Drawn):
    """Events: pick (x, y, pane), region (x, y, width, height, pane), whole, mode (mode), swap.

    Listens to two events of the window, whose detail names it as `stage`: "d4k-look" with changes to `look`, and
    "d4k-ask" with what was `asked`, sent before the server is: if that board is known it is shown at once.
    """

    data_model = Board
    scripts = (
        "viewer_view.js",
        "viewer_layers.js",
        "viewer_input.js",
        "inspect_planes.js",
        "inspect_drawing.js",
        "inspect_words.js",
        "inspect_input.js",
        "inspect_stage.js",
    )

    def __init__(
        self,
        value: Board | None = None,
        *,
        layers_in: str = "",
        layer_keys: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> None:
        """The keys 1, 2, ... choose `layer_keys` in the radio with the elem_id `layers_in`."""
        super().__init__(value, markup=_markup(f"#{layers_in}" if layers_in else "", layer_keys), **kwargs)


def pane_of(subject: Subject) -> Pane:
    """A picture without anything over it."""
    picture = Layer(
        id="picture",
        thumbnail=None if subject.thumbnail_path is None else FileData(path=str(subject.thumbnail_path)),
        preview=FileData(path=str(subject.preview_path)),
        master=FileData(path=str(subject.exact_path)),
        stamp=subject.id,
    )
    return Pane(
        id=subject.id,
        title=subject.title,
        width_px=subject.width_px,
        height_px=subject.height_px,
        picture=picture,
    )


def band_planes(subject: Subject, bands: tuple[BandFile, ...], *, only: str | None) -> tuple[Plane, ...]:
    """Subbands in the classic pyramid, LL in the top left corner; or one of them over the whole picture.

    `only` is "ll" or such as "hh1"; None for the pyramid.
    """
    planes = []
    for found in bands:
        name = f"{found.band}{found.level}"
        width, height = subject.width_px / found.cell_px, subject.height_px / found.cell_px
        x = width if found.band in ("hl", "hh") else 0.0
        y = height if found.band in ("lh", "hh") else 0.0
        if only is not None:
            if only not in (name, found.band):
                continue
            x = y = found.left_px
            width, height = float(found.grey.width * found.cell_px), float(found.grey.height * found.cell_px)
        planes.append(
            Plane(
                **_source(name, found.grey),
                x=x,
                y=y,
                width=width,
                height=height,
                kind="plain" if found.band == "ll" else "signed",
                unit="grey levels",
            )
        )
    return tuple(planes)


def map_plane(found: GreyFile, *, measure: str, unit: str, window_px: int, stride_px: int) -> Plane:
    """A map of windows: each cell lies around its window's middle."""
    edge = (window_px - stride_px) / 2
    return Plane(
        **_source(measure, found),
        x=edge,
        y=edge,
        width=found.width * stride_px,
        height=found.height * stride_px,
        unit=unit,
        kind="map",
    )


def mask_plane(subject: Subject, found: GreyFile) -> Plane:
    """The clipped pixels of a picture."""
    return Plane(**_source("clipped", found), width=subject.width_px, height=subject.height_px, kind="mask")


def _source(name: str, found: GreyFile) -> dict[str, Any]:
    return {
        "id": f"{found.path.parent.name}/{found.path.stem}",
        "file": FileData(path=str(found.path)),
        "coarse": None if found.coarse is None else FileData(path=str(found.coarse)),
        "low": found.low,
        "high": found.high,
        "name": name,
    }


def _markup(layers_in: str, layer_keys: tuple[str, ...]) -> str:
    return f"""
<div class="viewer inspect" tabindex="0" role="application" aria-label="Inspection stage" data-kind="empty"
  data-layers-in="{layers_in}" data-layer-keys="{" ".join(layer_keys)}">
  <canvas class="viewer-canvas"></canvas>
  <div class="viewer-empty">{icon("stage")}<strong class="viewer-message"></strong></div>
  <div class="viewer-title"></div>
  <div class="inspect-names"></div>
  <div class="viewer-tools" role="toolbar" aria-label="View">
    {tool("fit", "Fit (0)", icon("fit"))}
    {tool("actual", "Actual pixels (Z)", "1:1")}
    {tool("farther", "Zoom out (-)", icon("minus"))}
    <span class="viewer-zoom"></span>
    {tool("closer", "Zoom in (+)", icon("plus"))}
    {tool("save", "Save this view as PNG (S)", icon("save"))}
    {tool("full", "Full screen (F)", icon("full"))}
  </div>
  <div class="viewer-failed" role="alert"></div>
  <div class="inspect-mode" hidden></div>
  <output class="viewer-readout" hidden><i></i><span></span></output>
  <canvas class="viewer-map" hidden></canvas>
  <div class="inspect-scale" hidden><span></span><canvas width="256" height="1"></canvas><span></span></div>
</div>
"""
