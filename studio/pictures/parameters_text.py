"""The `parameters` text that image tools share: prompt, "Negative prompt: ...", "Steps: 20, Seed: 1, ...".

Made popular by AUTOMATIC1111's web UI and read by most galleries. Not here: where the text lies in a file
(`studio.pictures.png`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

NEGATIVE = "Negative prompt:"


def format_parameters(record: Mapping[str, Any]) -> str:
    """The text for a picture's record."""
    settings = record["settings"]
    model = record.get("model", {})
    values = {
        "Steps": settings["num_inference_steps"],
        "Sampler": "Euler flow matching",
        "CFG scale": f"{settings['guidance_scale']:g}",
        "Seed": settings["seed"],
        "Denoising strength": settings.get("coarse_first") or None,
        "Size": f"{settings['width_px']}x{settings['height_px']}",
        "Model hash": model.get("weights_hash"),
        "Model": settings["model"],
        "Version": record.get("versions", {}).get("studio"),
    }
    negative = [f"{NEGATIVE} {settings['negative_prompt']}"] if settings["negative_prompt"] else []
    listed = ", ".join(f"{key}: {_quoted(str(value))}" for key, value in values.items() if value is not None)
    return "\n".join([settings["prompt"], *negative, listed])


def parse_parameters(text: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Settings named as in `RenderRequest`, as far as the text has them, and the keys that were left aside.

    The last line that begins with "Steps:" lists the values; above it stand the two prompts, each of as many
    lines as it likes. Raises ValueError where there is neither such a line nor a negative prompt.
    """
    lines = text.strip("\0 \n\r").splitlines()
    at = max((i for i, line in enumerate(lines) if line.startswith("Steps:")), default=len(lines))
    negative_at = next((i for i, line in enumerate(lines[:at]) if line.startswith(NEGATIVE)), at)
    if at == len(lines) and negative_at == at:
        raise ValueError("the text does not list generation settings")
    negative = [
        line.removeprefix(NEGATIVE) if i == 0 else line for i, line in enumerate(lines[negative_at:at])
    ]
    values: dict[str, Any] = {
        "prompt": "\n".join(lines[:negative_at]).strip(),
        "negative_prompt": "\n".join(negative).strip(),
    }
    ignored = []
    for key, text_value in _pairs(", ".join(lines[at:])):
        if key in _READERS:
            try:
                values.update(_READERS[key](text_value))
            except ValueError:
                ignored.append(key)
        else:
            ignored.append(key)
    return values, tuple(ignored)


def _size(text: str) -> dict[str, Any]:
    width, _, height = text.lower().partition("x")
    return {"width_px": int(width), "height_px": int(height)}


_READERS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "Steps": lambda text: {"num_inference_steps": int(text)},
    "CFG scale": lambda text: {"guidance_scale": float(text)},
    "Denoising strength": lambda text: {"coarse_first": float(text)},
    "Seed": lambda text: {"seed": int(text)},
    "Size": _size,
    "Model": lambda text: {"model": text},
}


def _quoted(value: str) -> str:
    """In quotes if it would not survive between commas."""
    if not any(mark in value for mark in ',"\n:'):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """(key, value) of "Key: value, Key: "quoted, value"": quotes keep commas and colons together."""
    for part in _split_outside_quotes(text):
        key, colon, value = part.partition(":")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1].replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
        if colon:
            yield key.strip(), value


def _split_outside_quotes(text: str) -> Iterator[str]:
    part, quoted, escaped = "", False, False
    for letter in text:
        if letter == "," and not quoted:
            yield part
            part = ""
            continue
        quoted ^= letter == '"' and not escaped
        escaped = letter == "\\" and not escaped
        part += letter
    yield part
