"""The picture that the form begins from: what of it the page shows, and what a render is asked for.

Not here: its file (`studio.home.init_images`), where it comes from (`studio.ui.generate.restoring`).
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

from gradio.data_classes import GradioModel
from PIL import Image

from studio.home.init_images import is_of, read_init_image, require_init_image
from studio.init_image import MAX_STRENGTH, MIN_STRENGTH, USUAL_STRENGTH, InitImage
from studio.ui.components import Drawn

_THUMB_PX = 160


class InitContent(GradioModel):
    """What the form holds; without an id it begins from noise alone."""

    id: str = ""
    title: str = ""
    size: str = ""
    """Such as "4096 × 2731 px"."""

    thumb: str = ""
    """A data address: a picture that nobody else may see is not served."""

    strength: float = USUAL_STRENGTH


class InitPicture(Drawn):
    """Event: change, after each edit. Hidden without a picture; the drop zone is in its place then (controls.css)."""

    data_model = InitContent
    scripts = ("init_picture.js",)
    markup = f"""
<section class="init" aria-label="Begin from a picture" hidden>
  <img class="init-thumb" alt="">
  <div class="init-about">
    <p class="init-what" role="status">Begin from <b class="init-title"></b></p>
    <p class="init-size"></p>
  </div>
  <button class="text-button init-away" type="button" title="Take it away" aria-label="Take it away">×</button>
  <label class="init-strength"><span>Strength</span>
    <input type="range" min="{MIN_STRENGTH:g}" max="{MAX_STRENGTH:g}" step="0.05"><output></output></label>
  <p class="init-hint">Low keeps the picture, high keeps little but its colours.</p>
</section>
"""


def init_of(content: InitContent, owner: str | None) -> InitImage | None:
    """What a render is asked for. ValueError for what `owner` has not handed in, and a strength out of range."""
    if not content.id:
        return None
    init = InitImage(content.id, content.strength)
    if not is_of(init.id, owner):
        raise ValueError("that picture to begin from is not kept here; choose its file, or take it away")
    return init


def content_of(home: Path, init: InitImage, *, title: str) -> InitContent:
    """What the form shows of a picture that is kept. ValueError where it is not there any more, or damaged."""
    pixels = read_init_image(require_init_image(home, init))
    small = io.BytesIO()
    image = Image.fromarray(pixels)
    image.thumbnail((_THUMB_PX, _THUMB_PX), reducing_gap=2.0)
    image.save(small, format="JPEG", quality=80)
    address = f"data:image/jpeg;base64,{base64.b64encode(small.getvalue()).decode()}"
    size = f"{pixels.shape[1]} × {pixels.shape[0]} px"
    return InitContent(id=init.id, title=title, size=size, thumb=address, strength=init.strength)
