"""The viewer over a table of pictures: opened at a cell, turned to its neighbours, left."""

from __future__ import annotations

from collections.abc import Iterable

from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.ui.parts.viewer.viewer import Scene, now_ms, picture_scene

Loupe = tuple[Scene, str]
"""(what the viewer shows, the id of its picture)"""


def opened(gallery: Gallery, picture_id: str) -> Loupe:
    """Raises ValueError for a picture that is gone."""
    picture = gallery.get(picture_id)
    return picture_scene(picture, scene_id=f"grid-{picture.id}", demand=now_ms()), picture.id


def turned(gallery: Gallery, cells: Iterable[Picture | None], shown: str, delta: int) -> Loupe:
    """The next picture of the table: delta 1 to the right and then down, -1 back."""
    ids = list(dict.fromkeys(picture.id for picture in cells if picture is not None))
    place = ids.index(shown) + delta if shown in ids else 0
    return opened(gallery, ids[min(len(ids) - 1, max(0, place))])


def left() -> Loupe:
    """Back to the table."""
    return Scene(demand=now_ms()), ""
