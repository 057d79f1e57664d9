"""What a render could not honour, or did otherwise than was asked, in sentences.

Not here: what it cost (`studio.pipeline.draw`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from finetune.data.token_limits import pipeline_token_limits
from finetune.drawing.passes import Pass
from studio.memory_rungs import CHANGES_PICTURE, RUNG_TITLES
from studio.pipeline.coarse_first import coarse_size
from studio.pipeline.opening import OpenedModel
from studio.render_request import RenderRequest


def render_notes(
    opened: OpenedModel,
    request: RenderRequest,
    passes: Sequence[Pass],
    *,
    encode_paths: Collection[str] = (),
) -> tuple[str, ...]:
    """Of a render that is done, in the order in which they matter.

    `encode_paths`: the ways pictures were encoded on the way, see `finetune.backbones.decoding`.
    """
    return tuple(_notes(opened, request, passes, encode_paths))


def _notes(
    opened: OpenedModel, request: RenderRequest, passes: Sequence[Pass], encode_paths: Collection[str]
) -> Iterator[str]:
    title, size = opened.entry.title, passes[-1].size
    negative = request.negative_prompt if request.negative_prompt.strip() else ""
    if negative and not opened.family.takes_negative_prompt:
        yield f"{title} takes no negative prompt; it was not used."
        negative = ""
    elif negative and request.guidance_scale <= 1:
        yield "With a guidance of 1 or less the negative prompt has no say."
        negative = ""
    if opened.entry.family == "flux" and not opened.pipeline.transformer.config.guidance_embeds:
        yield f"{title} takes no guidance; {request.guidance_scale:g} was not used."
    yield from _unread(opened, "prompt", request.prompt)
    yield from _unread(opened, "negative prompt", negative)
    if request.init is not None:
        yield f"Begun from a picture, at a noise level of {request.init.strength:g}."
        if request.init.strength <= request.coarse_first and len(passes) == 1:
            yield f"Drawn at full size alone: coarse first would change it more than {request.init.strength:g}."
    if (largest := _level_of_large(opened, passes)) > opened.entry.redrawn_below:
        yield (
            f"{title} composes at {opened.entry.composed_at_px} px, and knows larger pictures up to a noise level of "
            f"{opened.entry.redrawn_below:g}; this one was drawn from {largest:g}: choose a lower coarse first, not 0."
        )
    if len(passes) > 1:
        first, *between = (f"{one.size[0]} x {one.size[1]}" for one in passes[:-1])
        at = f", at {', '.join(between)} and at full size" if between else ""
        yield f"Composed at {first}, then drawn anew from a noise level of {request.coarse_first:g}{at}."
    if tiled := sorted(path for path in encode_paths if "tiled" in path):
        yield f"Memory was too short to encode a picture whole: {tiled[0].rpartition('-')[2]} px tiles, blended."
    if size != (request.width_px, request.height_px):
        yield f"Drawn at {size[0]} x {size[1]} and cut to size at the borders."
    if request.speed:
        yield f"Drawn with {request.speed.replace(',', ', ')}; `d4k speed` measures what that changes."
    if opened.rung in CHANGES_PICTURE:
        yield f"Drawn with {RUNG_TITLES[opened.rung]}, which changes the picture a little."
    yield from opened.adapters.notes()


def _level_of_large(opened: OpenedModel, passes: Sequence[Pass]) -> float:
    """The highest noise level of a pass above the model's own size, 0 where there is none."""
    multiple_px = opened.family.geometry(opened.pipeline).multiple_px
    return max(
        (
            one.sigmas[0]
            for one in passes
            if coarse_size(opened.entry, one.size, multiple_px=multiple_px) is not None
        ),
        default=0.0,
    )


def _unread(opened: OpenedModel, name: str, text: str) -> Iterator[str]:
    """One sentence for all encoders that stop at the same place: CLIP-L and CLIP-G read the same tokens."""
    limits = pipeline_token_limits(
        opened.pipeline, opened.family.name, max_sequence_length=opened.entry.max_sequence_length
    )
    stops: dict[tuple[int, int], list[str]] = {}
    for limit in limits:
        if (tokens := limit.count(text)) > limit.longest:
            stops.setdefault((tokens, limit.longest), []).append(limit.name)
    for (tokens, longest), encoders in stops.items():
        readers = " and ".join(encoders)
        yield f"The {name} has {tokens} tokens for {readers}; the first {longest} were read."
