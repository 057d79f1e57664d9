"""Which files from elsewhere the gallery takes in.

Not here: reading what a file says (`studio.pictures.settings_reader`), keeping it (`studio.pictures.gallery`).
"""

from __future__ import annotations

from pathlib import Path

from studio.pictures.record import PictureRecord
from studio.pictures.settings_reader import STUDIO, PictureSettings
from studio.render_request import RenderRequest


def importable(path: Path, found: PictureSettings) -> PictureRecord:
    """Its record. ValueError unless the file is a PNG and says all that the gallery shows."""
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            raise ValueError(
                f"{path.name} is not a PNG; the gallery keeps lossless masters only, drop it on Generate to "
                "restore its settings"
            )
    if not found.width_px or not found.height_px:
        raise ValueError(f"{path.name} is damaged: its header has no size; copy it again")
    if found.record is not None:
        return found.record
    if found.source == STUDIO:
        raise ValueError(
            f"{path.name} holds a damaged studio record (left out: {found.left_out_words()}); drop it on Generate to "
            "restore what it says"
        )
    wanted = ("prompt", "num_inference_steps", "guidance_scale", "seed", "width_px", "height_px", "model")
    if missing := [name for name in wanted if name not in found.values]:
        beside = f" (left out: {words})" if (words := found.left_out_words()) else ""
        raise ValueError(
            f"{path.name} does not say its {', '.join(missing)}{beside}; drop it on Generate to restore what it says"
        )
    return PictureRecord(settings=RenderRequest.from_dict(found.values), source=found.source)
