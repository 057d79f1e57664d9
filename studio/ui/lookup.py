"""Finding a picture that may be gone by now."""

from __future__ import annotations

from studio.home.database import NotThere
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture


def find_picture(gallery: Gallery, picture_id: str) -> Picture | None:
    """The picture, or None if it was deleted for good. Raises DatabaseBusy while nobody can tell."""
    try:
        return gallery.get(picture_id)
    except NotThere:
        return None
