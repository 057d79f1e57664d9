"""The gallery's grid of thumbnails: its content and its elements. Selection lives in picture_grid.js."""

from __future__ import annotations

from gradio.data_classes import FileData, GradioModel

from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.gallery_search import Listed
from studio.ui.components import Drawn

PAGE = 60
"""Pictures of one page; "load more" adds as many again."""


class GridPicture(GradioModel):
    id: str
    thumbnail: FileData
    master: FileData
    prompt: str
    width_px: int
    height_px: int
    starred: bool
    damage: str = ""
    """Why a stand-in is shown; empty for a whole picture."""


class GridContent(GradioModel):
    """The grid's whole content, in the order asked for."""

    pictures: tuple[GridPicture, ...] = ()
    total: int = 0
    trash: bool = False
    order: str = "newest"
    model: str = ""
    """What the list is narrowed to; empty for every model."""
    size: str = ""
    models: tuple[tuple[str, int], ...] = ()
    """What it could be narrowed to, with numbers of pictures."""
    sizes: tuple[tuple[str, int], ...] = ()
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
    """Thumbnails. Events: act (action, ids), choose (), open (id), inspect (ids), narrow (order, model, size)."""

    data_model = GridContent
    scripts = ("grid_bar.js", "picture_grid.js")
    markup = """
<section class="gallery" aria-label="Pictures">
  <header class="gallery-bar"><span class="gallery-total"></span><span class="gallery-selection"></span>
    <button class="text-button gallery-none" type="button" hidden>Clear selection</button>
    <span class="spacer"></span>
    <button class="plain-button gallery-open" type="button" title="Open in the viewer (Enter)" hidden>Open</button>
    <button class="plain-button gallery-beside" type="button"
      title="Two to four pictures on one stage of Inspect" hidden>Side by side</button>
    <button class="plain-button gallery-download" type="button"
      title="The lossless PNGs with their settings inside" hidden>Download</button>
    <button class="plain-button gallery-star" type="button" hidden>Star</button>
    <button class="plain-button gallery-delete" type="button" hidden>Delete</button>
    <button class="plain-button gallery-restore" type="button" hidden>Restore</button>
    <button class="plain-button gallery-empty" type="button" hidden>Empty trash</button></header>
  <div class="gallery-narrow">
    <label>Order <select class="gallery-order" aria-label="Order"><option value="newest">newest first</option>
      <option value="oldest">oldest first</option><option value="largest">largest first</option>
      <option value="smallest">smallest first</option></select></label>
    <label>Model <select class="gallery-model" aria-label="Model"></select></label>
    <label>Size <select class="gallery-size" aria-label="Size"></select></label>
    <span class="spacer"></span>
    <label class="gallery-scale">Thumbnails <input class="gallery-thumbs" type="range" min="100" max="460"
      step="20" aria-label="Size of the thumbnails"></label></div>
  <p class="gallery-notes" hidden></p>
  <div class="gallery-grid" role="listbox" tabindex="-1" aria-multiselectable="true"
    aria-label="Pictures"></div>
  <p class="gallery-nothing" hidden></p>
  <button class="plain-button gallery-more" type="button" hidden>Load more</button>
  <div class="gallery-toast" role="status" hidden><span class="gallery-toast-text"></span>
    <button class="text-button gallery-undo" type="button">Undo</button>
    <button class="text-button gallery-dismiss" type="button" aria-label="Dismiss">×</button></div>
</section>
"""


def grid_content(
    gallery: Gallery,
    listed: Listed,
    *,
    limit: int,
    undo: tuple[str, ...] = (),
    current: str = "",
    demand: int = 0,
) -> GridContent:
    """The first `limit` pictures of a list."""
    models, sizes = gallery.kinds(listed)
    return GridContent(
        pictures=tuple(grid_picture(picture) for picture in gallery.pictures(listed, limit=limit)),
        total=gallery.count(listed),
        trash=listed.trashed,
        **listed.narrowed._asdict(),
        models=models,
        sizes=sizes,
        nothing=reason_for_nothing(listed),
        notes=gallery.unreadable,
        undo=undo,
        current=current,
        demand=demand,
    )


def grid_picture(picture: Picture) -> GridPicture:
    return GridPicture(
        id=picture.id,
        thumbnail=FileData(path=str(picture.thumbnail_path)),
        master=FileData(path=str(picture.path)),
        prompt=picture.record.settings.prompt,
        width_px=picture.width_px,
        height_px=picture.height_px,
        starred=picture.starred,
        damage=picture.damage,
    )


def reason_for_nothing(listed: Listed) -> str:
    _, model, size = listed.narrowed
    narrowed = " and ".join([*([model] if model else []), *([size.replace("x", " × ")] if size else [])])
    if listed.search:
        among = f" among those of {narrowed}" if narrowed else ""
        return f"No picture here has “{listed.search}” in its prompt, size, seed, model or date{among}."
    if narrowed:
        return f"No picture here of {narrowed}."
    if listed.trashed:
        return "The trash is empty."
    if listed.starred_only:
        return "No stars yet. Select a picture and press S."
    return "No pictures yet. What you generate appears here and stays."
