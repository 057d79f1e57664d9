"""The `parameters` text that image tools share: prompt, "Negative prompt: ...", "Steps: 20, Seed: 1, ...".

Made popular by AUTOMATIC1111's web UI; Forge, SD.Next, reForge and picture sites write it with differences:
Forge adds "Distilled CFG Scale" (the guidance of a FLUX model), SD.Next may separate by "|", sites put all in one line,
extensions add lines after the values. Not here: where the text lies in a file (`studio.pictures.containers`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from finetune.json_text import parse_json
from finetune.whole_text import shortened
from studio.init_image import InitImage
from studio.pictures.foreign_text.reading import Reading
from studio.pictures.record import PictureRecord

NEGATIVE = "Negative prompt:"
OUR_SAMPLER = "Euler flow matching"

_VALUES_LINE = re.compile(r"Steps: *[^,|\n]+(?:[,|]|$)")
_COUNTED_LINE = re.compile(r"Steps: *\d+ *(?:[,|]|$)")
_IN_ONE_LINE = re.compile(r"\s(?=Negative prompt:|Steps: *\d+ *[,|])")
_AFTERWARDS = ("Template:", "Negative Template:", "Wildcard prompt:", "Civitai resources:")
"""What extensions and sites add below the values."""

_INIT = ("Init image", "Init image strength")
_NAMES = {
    "Steps": "num_inference_steps",
    "CFG scale": "guidance_scale",
    "Seed": "seed",
    "Model": "model",
}


def format_parameters(record: PictureRecord) -> str:
    """The text for a picture's record."""
    settings = record.settings
    values = {
        "Steps": settings.num_inference_steps,
        "Sampler": OUR_SAMPLER,
        "CFG scale": f"{settings.guidance_scale:g}",
        "Seed": settings.seed,
        "Denoising strength": settings.coarse_first or None,
        "Init image": None if settings.init is None else settings.init.id,
        "Init image strength": None if settings.init is None else f"{settings.init.strength:g}",
        "Size": f"{settings.width_px}x{settings.height_px}",
        "Model hash": record.model.weights_hash or None,
        "Model": settings.model,
        "Version": record.versions.get("studio"),
    }
    negative = [f"{NEGATIVE} {_lines(settings.negative_prompt)}"] if settings.negative_prompt else []
    listed = ", ".join(f"{key}: {_quoted(str(value))}" for key, value in values.items() if value is not None)
    return "\n".join([_lines(settings.prompt), *negative, listed])


def _lines(text: str) -> str:
    """With the line ends of every system as one: a lone return before ours would be read as one of Windows."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_parameters(text: str) -> Reading:
    """Settings as far as the text has them. ValueError where it lists none and has no negative prompt."""
    lines = text.strip("\0\ufeff").replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not any(line.startswith((NEGATIVE, "Steps:")) for line in lines[1:]):
        lines = [part for line in lines for part in _IN_ONE_LINE.split(line)]
    at = _values_at(lines)
    negative_at = next((i for i, line in enumerate(lines[:at]) if line.startswith(NEGATIVE)), at)
    if at == len(lines) and negative_at == at:
        raise ValueError("the text does not list generation settings")
    pairs = dict(_pairs(lines[at])) if at < len(lines) else {}
    found = Reading(_tool(pairs))
    found.take("prompt", "\n".join(lines[:negative_at]), called="prompt")
    negative = "\n".join(lines[negative_at:at]).removeprefix(NEGATIVE).removeprefix(" ")
    found.take("negative_prompt", negative, called="Negative prompt")
    _take_pairs(found, pairs)
    if at + 1 < len(lines):
        found.leave("lines below the settings", " ".join(lines[at + 1 :]))
    return found


def _values_at(lines: list[str]) -> int:
    """Which line lists the values: the last that counts its steps, and before what extensions add below.

    A prompt may have a line that begins with "Steps:" too, so the last counts; a template may as well, so what
    follows a template's mark does not. The number of lines where there is none.
    """
    for pattern in (_COUNTED_LINE, _VALUES_LINE):
        end, last = len(lines), None
        for i, line in enumerate(lines):
            if last is not None and line.startswith(_AFTERWARDS):
                end = i
                break
            if pattern.match(line):
                last = i
        if last is not None and last < end:
            return last
    return len(lines)


def _tool(pairs: Mapping[str, str]) -> str:
    version, app = pairs.get("Version", ""), pairs.get("App", "")
    if pairs.get("Sampler") == OUR_SAMPLER:
        return "Diffusion-4K Studio"
    if "SD.Next" in app or pairs.get("Backend") in ("Diffusers", "Original"):
        return "SD.Next"
    if version.startswith("f") or "Distilled CFG Scale" in pairs or "forge" in version.lower():
        return "Forge"
    if version.startswith("ComfyUI"):
        return "ComfyUI"
    return "AUTOMATIC1111"


def _take_pairs(found: Reading, pairs: Mapping[str, str]) -> None:
    distilled = "Distilled CFG Scale" in pairs
    for key, value in pairs.items():
        if key in _INIT and found.tool == "Diffusion-4K Studio":
            _take_init(found, pairs)
        elif key == "Size":
            width, _, height = value.lower().partition("x")
            found.take_size(width, height, called=key)
        elif key == "Distilled CFG Scale":
            found.take("guidance_scale", value, called=key)
        elif key == "CFG scale" and distilled:
            found.leave(key, value)
        elif key == "Denoising strength" and (found.tool == "Diffusion-4K Studio" or _is_hires(pairs)):
            found.take("coarse_first", value, called=key)
        elif key in _NAMES:
            found.take(_NAMES[key], value, called=key)
        else:
            found.leave(key, value)


def _take_init(found: Reading, pairs: Mapping[str, str]) -> None:
    """Both or neither: a strength without a picture says nothing."""
    try:
        init = InitImage(pairs.get(_INIT[0], ""), float(pairs.get(_INIT[1], "")))
    except ValueError as error:
        found.left_out[_INIT[0]] = f"{shortened(pairs.get(_INIT[0], ''))} ({error})"
    else:
        found.values["init"] = {"id": init.id, "strength": init.strength}


def _is_hires(pairs: Mapping[str, str]) -> bool:
    return any(key.startswith("Hires ") for key in pairs)


def _quoted(value: str) -> str:
    """In quotes if it would not survive between commas."""
    if value.isprintable() and value == value.strip() and not any(mark in value for mark in ',":\\|'):
        return value
    return json.dumps(value, ensure_ascii=False)


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """(key, value) of "Key: value, Key: "quoted, value"": quotes keep commas and colons together."""
    for part in _split(line):
        key, colon, value = part.partition(":")
        if colon:
            yield key.strip(), _unquoted(value.strip())


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return str(parse_json(value))
        except ValueError:
            return value[1:-1]
    return value


def _split(line: str) -> Iterator[str]:
    """At commas outside quotes, or at bars where the values are separated by bars. Quotes open after a colon only."""
    mark = "|" if re.match(r"[^,|]+\|", line) else ","
    part, quoted, escaped = "", False, False
    for letter in line:
        if letter == mark and not quoted:
            yield part
            part = ""
            continue
        if letter == '"' and not escaped:
            quoted = not quoted and part.rstrip().endswith(":")
        escaped = letter == "\\" and quoted and not escaped
        part += letter
    yield part
