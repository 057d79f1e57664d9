"""The gallery's grid of thumbnails: its content and its elements. Selection lives in picture_grid.js."""

from __future__ import annotations

from typing import Literal

from gradio.data_classes import FileData, GradioModel

from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.ui.components import Drawn

Shelf = Literal["all", "starred", "trash"]

PAGE = 60
"""Pictures of one page; "load more" adds as many again."""


class GridPicture(GradioModel):
    id: str
    thumbnail: FileData
    prompt: str
    width_px: int
    height_px: int
    starred: bool
    damage: str = ""
    """Why a stand-in is shown; empty for a whole picture."""


class GridContent(GradioModel):
    """The grid's whole content, newest first."""

    pictures: tuple[GridPicture, ...] = ()
    total: int = 0
    trash: bool = False
    nothing: str = ""
    """What stands there when no picture does."""
    notes: tuple[str, ...] = ()
    """What is wrong with files in the pictures folder, one sentence each."""
    undo: tuple[str, ...] = ()
    """Ids that were just put in the trash."""
    current: str = ""
    """The picture that is to be selected and to take the keys, once for each `demand`."""
    demand: int = 0


class PictureGrid(Drawn):
    """Thumbnails. Events: act (action, ids), choose (id), open (id)."""

    data_model = GridContent
    scripts = ("picture_grid.js",)
    markup = """
<section class="gallery" aria-label="Pictures">
  <header class="gallery-bar"><span class="gallery-total"></span><span class="gallery-selection"></span>
    <button class="text-button gallery-none" type="button" hidden>Clear selection</button>
    <span class="spacer"></span>
    <button class="plain-button gallery-open" type="button" title="Open in the viewer (Enter)" hidden>Open</button>
    <button class="plain-button gallery-star" type="button" hidden>Star</button>
    <button class="plain-button gallery-delete" type="button" hidden>Delete</button>
    <button class="plain-button gallery-restore" type="button" hidden>Restore</button>
    <button class="plain-button gallery-empty" type="button" hidden>Empty trash</button></header>
  <p class="gallery-notes" hidden></p>
  <div class="gallery-grid" role="listbox" tabindex="-1" aria-multiselectable="true"
    aria-label="Pictures, newest first"></div>
  <p class="gallery-nothing" hidden></p>
  <button class="plain-button gallery-more" type="button" hidden>Load more</button>
  <div class="gallery-toast" role="status" hidden><span class="gallery-toast-text"></span>
    <button class="text-button gallery-undo" type="button">Undo</button>
    <button class="text-button gallery-dismiss" type="button" aria-label="Dismiss">×</button></div>
</section>
"""


def grid_content(
    gallery: Gallery,
    *,
    shelf: Shelf,
    search: str,
    limit: int,
    undo: tuple[str, ...] = (),
    current: str = "",
    demand: int = 0,
) -> GridContent:
    """One shelf of the gallery, at most `limit` pictures, that contain the words of `search`."""
    starred_only, trashed = shelf == "starred", shelf == "trash"
    pictures = gallery.pictures(search=search, starred_only=starred_only, trashed=trashed, limit=limit)
    return GridContent(
        pictures=tuple(grid_picture(picture) for picture in pictures),
        total=gallery.count(search=search, starred_only=starred_only, trashed=trashed),
        trash=trashed,
        nothing=reason_for_nothing(shelf, search),
        notes=gallery.unreadable,
        undo=undo,
        current=current,
        demand=demand,
    )


def grid_picture(picture: Picture) -> GridPicture:
    return GridPicture(
        id=picture.id,
        thumbnail=FileData(path=str(picture.thumbnail_path)),
        prompt=picture.record.settings.prompt,
        width_px=picture.width_px,
        height_px=picture.height_px,
        starred=picture.starred,
        damage=picture.damage,
    )


def reason_for_nothing(shelf: Shelf, search: str) -> str:
    if search:
        return f"No picture here has “{search}” in its prompt, size, seed, model or date."
    if shelf == "trash":
        return "The trash is empty."
    if shelf == "starred":
        return "No stars yet. Select a picture and press S."
    return "No pictures yet. What you generate appears here and stays."
