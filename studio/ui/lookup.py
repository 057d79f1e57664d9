"""Finding a picture that may be gone by now."""

from __future__ import annotations

from studio.gallery import Gallery, Picture


def find_picture(gallery: Gallery, picture_id: str) -> Picture | None:
    """The picture, or None if it was deleted for good."""
    try:
        return gallery.get(picture_id)
    except ValueError:
        return None
