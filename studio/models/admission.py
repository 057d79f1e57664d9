"""One answer to "can this be drawn here": for the page, the command line and the worker, before anything expensive.

Not here: what a request alone can get wrong (`studio.render_request`), how often a visitor may ask
(`studio.visitors.limits`), what fits into memory (`studio.memory.fitting`).
"""

from __future__ import annotations

from studio.home.init_images import require_init_image
from studio.home.settings import Settings
from studio.models.adapters import resolve_adapter
from studio.models.catalogue import ModelEntry
from studio.models.lookup import check_available, check_options, check_size, find_model
from studio.render_request import RenderRequest


def admit(request: RenderRequest, settings: Settings) -> ModelEntry:
    """The model that is to draw it. Only names, sizes and headers are looked at: no torch, no network.

    Raises ValueError, with the remedy, for a model that is none or cannot run here, a size beyond the model's reach or
    beyond what this host draws, an option that its family cannot have, and for a LoRA or a picture to begin from that
    is not there.
    """
    entry = find_model(request.model)
    megapixels = request.width_px * request.height_px / 1e6
    if megapixels > settings.max_megapixels:
        raise ValueError(
            f"{request.width_px} x {request.height_px} is {megapixels:.1f} megapixels, but this studio renders "
            f"at most {settings.max_megapixels:g}; choose a smaller size"
        )
    check_size(entry, request.width_px, request.height_px)
    check_options(entry, rope=request.rope, speed=request.speed)
    for use in request.adapters:
        resolve_adapter(settings.home, use.path)
    if request.init is not None:
        require_init_image(settings.home, request.init)
    check_available(entry)
    return entry
