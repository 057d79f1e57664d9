"""The deep viewer: a canvas for pictures of any size. What is drawn is a Scene; how, is in viewer*.js.

A scene is a list of layers over one another, so overlays, differences and linked panes are more layers or
more viewers, not another viewer.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

from gradio.data_classes import FileData, GradioModel

from studio.pictures.gallery_rows import Picture
from studio.queue.job import Job
from studio.ui.components import Drawn
from studio.ui.icons import icon
from studio.ui.messages import state_sentence
from studio.work.kinds import drawing_of


class Layer(GradioModel):
    """One picture of a scene in up to three files, coarse to exact."""

    id: str
    thumbnail: FileData | None = None
    preview: FileData | None = None
    master: FileData | None = None
    opacity: float = 1.0
    blend: str = "source-over"
    """A canvas globalCompositeOperation, such as "source-over" or "difference"."""
    stamp: str = ""
    """Changes when a file changes under the same name."""


class Scene(GradioModel):
    """What the viewer shows. Two scenes of one id are the same subject: the view is kept between them."""

    id: str = ""
    kind: Literal["empty", "waiting", "live", "picture"] = "empty"
    picture: str = ""
    """Id of the picture that is shown; `turn` tells it, so that each turn begins where the last one ended."""

    title: str = ""
    description: str = ""
    """What the picture shows, for those who do not see it: its prompt."""

    message: str = ""
    """Stands on a stage that has nothing to show yet."""
    width_px: int = 1
    height_px: int = 1
    layers: tuple[Layer, ...] = ()
    demand: int = 0
    """Rises when the reader asked for this scene, see `now_ms`; without that, a closely watched picture stays."""
    arrival: bool = False
    """A newer picture waits to be shown."""


class DeepViewer(Drawn):
    """Shows a Scene. Events: show_newest, leave, act (action "star", "trash" or "undo", and picture), turn (delta:
    pictures further down the list, picture: from which)."""

    data_model = Scene
    scripts = ("viewer_view.js", "viewer_layers.js", "viewer_input.js", "viewer_menu.js", "viewer.js")

    def __init__(self, value: Scene | None = None, *, closable: bool = False, **kwargs: Any) -> None:
        super().__init__(value, markup=viewer_markup(closable=closable), **kwargs)


def now_ms() -> int:
    """Milliseconds since 1970: a wish made later is a greater number."""
    return time.time_ns() // 1_000_000


def picture_scene(picture: Picture, *, scene_id: str, demand: int, arrival: bool = False) -> Scene:
    """The scene of a finished picture: thumbnail, then preview, then the lossless master."""
    return Scene(
        id=scene_id,
        kind="picture",
        picture=picture.id,
        title=f"{picture.width_px} × {picture.height_px}  {picture.path.name}",
        description=picture.record.settings.prompt,
        width_px=picture.width_px,
        height_px=picture.height_px,
        layers=(
            Layer(
                id="picture",
                thumbnail=FileData(path=str(picture.thumbnail_path)),
                preview=FileData(path=str(picture.preview_path)),
                master=FileData(path=str(picture.path)),
            ),
        ),
        demand=demand,
        arrival=arrival,
    )


def live_scene(job: Job, *, demand: int) -> Scene:
    """The scene of a running job: its latest preview, stretched over the size that is asked for."""
    drawing = drawing_of(job)
    if drawing is None:
        return Scene(
            id=f"job-{job.id}", kind="waiting", title=job.label, message=state_sentence(job), demand=demand
        )
    width_px, height_px = drawing.width_px, drawing.height_px
    layers: tuple[Layer, ...] = ()
    if job.preview is not None and Path(job.preview).is_file():
        stamp = str(Path(job.preview).stat().st_mtime_ns)
        layers = (Layer(id="picture", preview=FileData(path=job.preview), stamp=stamp),)
    return Scene(
        id=f"job-{job.id}",
        kind="live" if layers else "waiting",
        title=f"{width_px} × {height_px}  {'live' if job.state == 'running' else 'last'} preview",
        description=job.label,
        message=state_sentence(job),
        width_px=width_px,
        height_px=height_px,
        layers=layers,
        demand=demand,
    )


def viewer_markup(*, closable: bool) -> str:
    """The viewer's elements. Nothing here names the value, so updates never rebuild the canvas."""
    return f"""
<div class="viewer" tabindex="0" role="application" aria-label="Picture viewer" data-kind="empty">
  <canvas class="viewer-canvas"></canvas>
  <div class="viewer-empty">{icon("stage")}<strong class="viewer-message"></strong>
    <span class="viewer-hint">Describe a picture and press <kbd>Ctrl</kbd> <kbd>Enter</kbd></span></div>
  <button class="viewer-close" type="button" {"" if closable else "hidden"}
    aria-label="Back to the grid">{icon("back")} grid</button>
  <div class="viewer-title"></div>
  <div class="viewer-tools" role="toolbar" aria-label="View">
    {tool("before", "Previous picture ([)", icon("back"))}
    {tool("after", "Next picture (])", icon("forward"))}
    {tool("fit", "Fit (0)", icon("fit"))}
    {tool("actual", "Actual pixels (1)", "1:1")}
    {tool("farther", "Zoom out (-)", icon("minus"))}
    <span class="viewer-zoom"></span>
    {tool("closer", "Zoom in (+)", icon("plus"))}
    {tool("exact", "Exact pixels (E)", "exact")}
    {tool("full", "Full screen (F)", icon("full"))}
  </div>
  <div class="viewer-failed" role="alert"></div>
  <output class="viewer-readout" hidden><i></i><span></span></output>
  <canvas class="viewer-map" hidden></canvas>
  <button class="viewer-arrival" type="button" hidden>New picture</button>
  <div class="viewer-menu" role="menu" aria-label="Picture" popover>
    <button type="button" role="menuitem"></button><button type="button" role="menuitem"></button></div>
</div>
"""


def tool(name: str, hint: str, face: str) -> str:
    return f'<button class="viewer-{name}" type="button" title="{hint}" aria-label="{hint}">{face}</button>'
