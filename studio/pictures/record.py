"""The record that every picture carries: what it was told, what drew it, what it cost. One reader, one writer.

No torch. On disk it is JSON, inside the PNG and in the gallery's row. Not here: filling it from a render
(`studio.rendering.drawn_record`), pictures of other tools (`studio.pictures.settings_reader`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from finetune.whole_text import whole
from studio.render_request import RenderRequest

RECORD_VERSION = 1
LATER_SETTINGS = "settings_of_a_later_studio"
"""In `PictureRecord.beside`: settings that no request of this studio has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsed:
    """The model that drew a picture."""

    id: str = ""
    title: str = ""
    source: str = ""
    """Hub id or folder."""
    weights_hash: str = ""
    repairs: tuple[str, ...] = ()
    """One sentence for each thing that was put right when it was opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterUsed:
    """One LoRA as it took part."""

    path: str
    """As the request named it."""
    weight: float
    digest: str = ""
    """16 hex digits of the file's SHA-256."""
    layers: int = 0
    unused_keys: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRecord:
    """How one picture was made. What an older or another program did not say is empty."""

    settings: RenderRequest
    id: str = ""
    """Of its picture in the gallery."""
    created_at: float | None = None
    """Seconds since 1970."""
    model: ModelUsed = ModelUsed()
    adapters: tuple[AdapterUsed, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the studio, Python, torch and diffusers."""
    device: str = ""
    dtype: str = ""
    rung: str = ""
    """A `studio.memory_rungs.Rung`."""
    gave_up: tuple[str, ...] = ()
    """Rungs that were tried before, and were out of memory."""
    decode_path: str = ""
    timings_s: Mapping[str, float] = field(default_factory=dict)
    peak_memory_mib: int | None = None
    resumed_from_step: int = 0
    notes: tuple[str, ...] = ()
    imported_from: str = ""
    """The name of the file it came from."""
    source: str = ""
    """The tool that wrote that file."""
    beside: Mapping[str, Any] = field(default_factory=dict)
    """What else the record held, as it stood: keys of a later studio, and values of the wrong kind."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values, in the order in which they are read; what is empty is left out."""
        values: dict[str, Any] = {
            "record_version": RECORD_VERSION,
            "id": self.id,
            "created_at": self.created_at,
            "settings": self.settings.to_dict(),
            "model": _filled(self.model),
            "adapters": [_filled(adapter, all_of_it=True) for adapter in self.adapters],
            "memory": {"rung": self.rung, "gave_up": list(self.gave_up)} if self.rung else {},
            "resumed_from_step": self.resumed_from_step,
            **{name: _plain(getattr(self, name)) for name in _READERS},
        }
        return {**self.beside, **{name: value for name, value in values.items() if value not in _EMPTY}}

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """The opposite. ValueError where it does not say what was drawn: all else may be missing or wrong."""
        if not isinstance(values, Mapping) or not isinstance(values.get("settings"), Mapping):
            raise ValueError("the record has no settings")
        values = dict(whole(dict(values)))
        known = {f.name for f in fields(RenderRequest)}
        told = values.pop("settings")
        settings = RenderRequest.from_dict({name: value for name, value in told.items() if name in known})
        found: dict[str, Any] = {}
        for name, reader in {**_READERS, **_DEEPER}.items():
            if name in values:
                try:
                    found |= reader(name, values[name])
                except (ValueError, TypeError, AttributeError, KeyError):
                    continue
                del values[name]
        values.pop("record_version", None)
        if unknown := {name: value for name, value in told.items() if name not in known}:
            values[LATER_SETTINGS] = unknown
        return cls(settings=settings, beside=values, **found)


_EMPTY: tuple[Any, ...] = (None, "", [], {}, 0)

Reader = Callable[[str, Any], dict[str, Any]]


def _text(name: str, value: Any) -> dict[str, Any]:
    return {name: _kind(value, str)}


def _texts(name: str, value: Any) -> dict[str, Any]:
    return {name: tuple(_kind(entry, str) for entry in _kind(value, list))}


def _number(name: str, value: Any) -> dict[str, Any]:
    return {name: _finite(value)}


def _whole_number(name: str, value: Any) -> dict[str, Any]:
    return {name: round(_finite(value))}


def _table(of: Callable[[Any], Any]) -> Reader:
    return lambda name, value: {name: {str(k): of(entry) for k, entry in _kind(value, dict).items()}}


def _model(name: str, value: Any) -> dict[str, Any]:
    told = _kind(value, dict)
    texts = {key: _kind(told[key], str) for key in ("id", "title", "source", "weights_hash") if key in told}
    return {name: ModelUsed(**texts, repairs=_texts("repairs", told.get("repairs", []))["repairs"])}


def _adapters(name: str, value: Any) -> dict[str, Any]:
    return {
        name: tuple(
            AdapterUsed(
                path=_kind(one["path"], str),
                weight=_finite(one["weight"]),
                digest=_kind(one.get("digest", ""), str),
                layers=round(_finite(one.get("layers", 0))),
                unused_keys=round(_finite(one.get("unused_keys", 0))),
            )
            for one in _kind(value, list)
        )
    }


def _memory(_name: str, value: Any) -> dict[str, Any]:
    return {**_text("rung", value["rung"]), **_texts("gave_up", value.get("gave_up", []))}


_READERS: Mapping[str, Reader] = {
    "versions": _table(lambda value: _kind(value, str)),
    "device": _text,
    "dtype": _text,
    "decode_path": _text,
    "timings_s": _table(lambda value: _finite(value)),
    "peak_memory_mib": _whole_number,
    "notes": _texts,
    "imported_from": _text,
    "source": _text,
}
_DEEPER: Mapping[str, Reader] = {
    "id": _text,
    "created_at": _number,
    "model": _model,
    "adapters": _adapters,
    "memory": _memory,
    "resumed_from_step": _whole_number,
}


def _kind(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"expected {kind.__name__}, got {value!r}")
    return value


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a number, got {value!r}")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _filled(value: ModelUsed | AdapterUsed, *, all_of_it: bool = False) -> dict[str, Any]:
    held = {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return held if all_of_it else {name: entry for name, entry in held.items() if entry not in _EMPTY}
