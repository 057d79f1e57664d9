"""The settings inside a picture, whoever made it: our own record, or another tool's text read by its own reader.

Read from headers alone, so that a picture of any size, cut off or damaged in its pixels still says how it was made.
Not here: finding the texts (`studio.pictures.containers`), reading them (`studio.pictures.foreign_text`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from finetune.json_text import parse_json
from finetune.whole_text import shortened, whole, whole_text
from studio.pictures.containers import FileTexts, texts_of
from studio.pictures.foreign_text.a1111 import read_parameters
from studio.pictures.foreign_text.comfy import read_graph
from studio.pictures.foreign_text.json_tools import (
    read_fooocus,
    read_invoke,
    read_novelai,
    read_old_invoke,
    read_swarm,
)
from studio.pictures.foreign_text.reading import Reading
from studio.pictures.png import PARAMETERS_CHUNK, RECORD_CHUNK
from studio.pictures.record import LATER_SETTINGS, PictureRecord
from studio.render_request import RenderRequest

STUDIO = "Diffusion-4K Studio"

_SETTINGS = frozenset(setting.name for setting in fields(RenderRequest))
_PLAIN_REQUEST = {"prompt": "a", "num_inference_steps": 1, "guidance_scale": 1.0, "seed": 0}
"""Takes any one setting more, so that each is judged alone."""

_TEXT_NAMES = (PARAMETERS_CHUNK, "UserComment", "comment", "ImageDescription", "XPComment")
_MAKER = re.compile(r"<xmp:CreatorTool>([^<]{1,80})<|xmp:CreatorTool=\"([^\"]{1,80})\"")


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """What a file says about its making."""

    source: str
    """The tool that wrote it, as its makers write its name; `STUDIO` for our own."""

    values: dict[str, Any]
    """Named as in `RenderRequest`, each such as a request takes; complete from a studio picture, else what there is."""

    record: PictureRecord | None
    """The whole record of a studio picture; None from elsewhere."""

    width_px: int
    """Of the file itself, whatever its text says; 0 where its header is damaged."""

    height_px: int

    left_out: dict[str, str] = field(default_factory=dict)
    """What the text says beside, by its name there: settings without a counterpart here, or why one is not taken."""

    without_counterpart: frozenset[str] = frozenset()
    """The names of what is left out because there is no such setting here; of the others their words say why."""

    def left_out_lines(self) -> tuple[str, ...]:
        """All that is left out, each with the reason, such as "Sampler: Euler a (there is no such setting here)"."""
        return tuple(
            f"{name}: {value}{' (there is no such setting here)' if name in self.without_counterpart else ''}"
            for name, value in self.left_out.items()
        )

    def left_out_words(self, *, limit: int = 6) -> str:
        """Such as "Sampler: Euler a, Clip skip: 2 and 3 more"; empty where everything was taken."""
        listed = [f"{name}: {value}" for name, value in self.left_out.items()]
        more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
        return ", ".join(listed[:limit]) + more


def read_settings(path: Path) -> PictureSettings:
    """Raises ValueError for what is no picture, and for one without settings that can be read, naming its maker."""
    found = texts_of(path)
    if (record := found.texts.get(RECORD_CHUNK)) is not None:
        return _studio_settings(path, record, found)
    refusals = []
    for read, text in _candidates(found.texts):
        try:
            reading = read(whole_text(text))
        except ValueError as error:
            refusals.append(str(error))
            continue
        if reading.values:
            reading.left_out |= _about_the_file(reading, found)
            return _found(reading, None, found.width_px, found.height_px)
        refusals.append(f"its {reading.tool} text has nothing that can be set here")
    if refusals or found.left_out:
        reasons = "; ".join(dict.fromkeys([*refusals, *found.left_out]))
        raise ValueError(f"{path.name} holds no settings that can be read: {reasons}")
    raise ValueError(
        f"{path.name} holds no settings{_maker(found.texts)}; drop the original file, since messengers and editors "
        "strip them"
    )


def settings_of_record(record: PictureRecord, width_px: int, height_px: int) -> PictureSettings:
    """What a record of ours says; the size is the picture's own."""
    reading = Reading(STUDIO, values=record.settings.to_dict())
    later = record.beside.get(LATER_SETTINGS)
    for name, value in later.items() if isinstance(later, Mapping) else ():
        reading.leave(name, value)
    return _found(reading, record, width_px, height_px)


def _candidates(texts: Mapping[str, str]) -> Iterator[tuple[Callable[[str], Reading], str]]:
    """Readers to be tried in turn: what names its tool first, what anybody might have written last."""
    for name, read in (("invokeai_metadata", read_invoke), ("sd-metadata", read_old_invoke)):
        if name in texts:
            yield read, texts[name]
    for text in (texts[name] for name in _TEXT_NAMES if name in texts):
        if not text.lstrip("\0\ufeff \n").startswith("{"):
            yield read_parameters, text
        elif "sui_image_params" in text:
            yield read_swarm, text
        elif "fooocus_scheme" in texts or "metadata_scheme" in text or '"guidance_scale"' in text:
            yield read_fooocus, text
        elif '"class_type"' in text:
            yield read_graph, text
    if "Comment" in texts and texts["Comment"].startswith("{"):
        yield read_novelai, texts["Comment"]
    if "prompt" in texts:
        yield read_graph, texts["prompt"]
    for name in ("Make", "Model", "ImageDescription"):  # ComfyUI's WebP: "prompt:{...}" under a camera's tags
        kind, _, text = texts.get(name, "").partition(":")
        if kind.lower() == "prompt":
            yield read_graph, text


def _about_the_file(reading: Reading, found: FileTexts) -> dict[str, str]:
    """What should be known beside: a size that is not the settings' own, texts that could not be read."""
    said = reading.values.get("width_px"), reading.values.get("height_px")
    sized = {}
    if found.width_px and said != (None, None) and said != (found.width_px, found.height_px):
        sized = {"the file's own size": f"{found.width_px} x {found.height_px}"}
    return {**sized, **{f"text {i + 1}": sentence for i, sentence in enumerate(found.left_out)}}


def _maker(texts: Mapping[str, str]) -> str:
    """Who else says to have made it, such as " (made by Adobe Firefly)"."""
    xmp = _MAKER.search(texts.get("XML:com.adobe.xmp", ""))
    name = texts.get("Software") or texts.get("Source") or (xmp and (xmp[1] or xmp[2])) or ""
    return f" (it was made or last saved by {' '.join(name.split())[:80]})" if name else ""


def _studio_settings(path: Path, text: str, found: FileTexts) -> PictureSettings:
    """A whole record; or, without a record, what a request takes of one that none takes whole."""
    told = None
    try:
        told = parse_json(text)
        return settings_of_record(PictureRecord.from_dict(told), found.width_px, found.height_px)
    except ValueError as error:
        reading = _one_by_one(told)
        if not reading.values:
            raise ValueError(
                f"{path.name} holds a studio record that cannot be read ({error}); update the studio, or set the "
                "form by hand"
            ) from error
    return _found(reading, None, found.width_px, found.height_px)


def _one_by_one(told: Any) -> Reading:
    """Each setting of a damaged record for itself: taken if a request takes it, else left out for its reason."""
    reading = Reading(STUDIO)
    settings = told.get("settings") if isinstance(told, Mapping) else None
    for name, value in whole(dict(settings)).items() if isinstance(settings, Mapping) else ():
        if name not in _SETTINGS:
            reading.leave(name, value)
            continue
        try:
            request = RenderRequest.from_dict({**_PLAIN_REQUEST, name: value})
        except ValueError as error:
            reading.left_out[name] = f"{shortened(str(value))} ({str(error)[:200]})"
        else:
            asked = request.to_dict()
            if name in asked:  # not where it says that there is nothing to begin from
                reading.values[name] = asked[name]
    return reading


def _found(reading: Reading, record: PictureRecord | None, width_px: int, height_px: int) -> PictureSettings:
    unknown = frozenset(reading.without_counterpart)
    return PictureSettings(
        reading.tool, reading.values, record, width_px, height_px, reading.left_out, unknown
    )
