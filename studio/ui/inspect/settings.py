"""What the Inspect tab is set to: one list of names, defaults and choices for widgets, handlers and the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from studio.inspection.parts import ANGLES_DEG, DISTANCES

DETAIL_BANDS = tuple(f"{band}{level}" for level in range(1, 6) for band in ("lh", "hl", "hh"))
DIRECTIONS = {
    "all": ((0, 1), (1, 1), (1, 0), (1, -1)),
    "0": ((0, 1),),
    "45": ((1, 1),),
    "90": ((1, 0),),
    "135": ((1, -1),),
}
"""(dy, dx) of a distance of one pixel, y downward, by angle in degrees."""

_BIORTHOGONAL = (
    "1.1",
    "1.3",
    "1.5",
    "2.2",
    "2.4",
    "2.6",
    "2.8",
    "3.1",
    "3.3",
    "3.5",
    "3.7",
    "3.9",
    "4.4",
    "5.5",
    "6.8",
)
WAVELETS = (
    "haar",
    *(f"db{order}" for order in range(2, 39)),
    *(f"sym{order}" for order in range(2, 21)),
    *(f"coif{order}" for order in range(1, 18)),
    *(f"{kind}{orders}" for kind in ("bior", "rbio") for orders in _BIORTHOGONAL),
    "dmey",
)
"""PyWavelets' discrete ones, named here since importing it costs the page's start; a test compares."""

CHOICES: dict[str, tuple[Any, ...]] = {
    "layer": ("picture", "subbands", "rebuild", "glcm", "artefacts", "clipping"),
    "wavelet": WAVELETS,
    "boundary": (
        *("symmetric", "reflect", "periodization", "zero", "constant", "periodic"),
        *("smooth", "antisymmetric", "antireflect"),
    ),
    "levels": (1, 2, 3, 4, 5),
    "band": ("pyramid", *DETAIL_BANDS, "ll"),
    "measure": ("entropy", "contrast", "dissimilarity", "homogeneity", "energy", "correlation", "asm"),
    "window_px": (16, 32, 64, 128),
    "stride_px": (8, 16, 32, 64),
    "distance": (1, 2, 3, 4, 5, 6, 7, 8),
    "direction": tuple(DIRECTIONS),
    "colour": ("auto", "balance", "viridis", "magma", "grey"),
    "mode": ("side", "slider", "flicker", "blend", "difference", "single"),
    "channel": ("rgb", "luma", "red", "green", "blue"),
    "part_distance": DISTANCES,
    "part_angle": ANGLES_DEG,
}
RANGES = {"detail": (0.0, 4.0), "opacity": (0.0, 1.0), "gain": (0.25, 16.0)}

LOOKS = ("opacity", "colour", "gain", "mode", "channel")
"""Settings that the page applies by itself, at once: no file depends on them."""

MAX_PANES = 4


@dataclass(frozen=True, slots=True)
class InspectSettings:
    """The order of the fields is the order of every handler's arguments."""

    layer: str = "picture"
    wavelet: str = "haar"
    boundary: str = "symmetric"
    levels: int = 3
    band: str = "pyramid"
    """Or one band alone, such as "hh1"."""

    muted: tuple[str, ...] = ()
    """Bands that rebuilding leaves out, such as "hh1"."""

    scaled: tuple[str, ...] = ()
    """Bands that rebuilding multiplies by `detail`; empty for all that are not muted."""

    detail: float = 1.0

    measure: str = "entropy"
    window_px: int = 64
    stride_px: int = 16
    distance: int = 1
    direction: str = "all"
    opacity: float = 0.8
    colour: str = "auto"
    gain: float = 1.0
    mode: str = "side"
    """How two pictures or more share the stage."""

    channel: str = "rgb"
    part_distance: int = 1
    """Of the co-occurrence matrix that is shown of a measured part, in pixels; and its angle in degrees."""

    part_angle: int = 0

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                shown = ", ".join(str(one) for one in known)
                raise ValueError(f"{name} cannot be {getattr(self, name)!r}; choose from {shown}")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie in {low:g} to {high:g}, got {getattr(self, name):g}")
        unknown = {*self.muted, *self.scaled} - set(DETAIL_BANDS)
        if unknown:
            raise ValueError(f"there is no band {sorted(unknown)[0]!r}; there are lh1, hl1, hh1 to hh5")

    @classmethod
    def of(cls, values: tuple[Any, ...]) -> InspectSettings:
        """From widget values, in order."""
        return cls(**{f.name: _typed(f.name, value) for f, value in zip(fields(cls), values, strict=True)})

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> InspectSettings:
        """From an address; what it leaves out is as usual, and what it has wrong is a ValueError."""
        said = {f.name: _typed(f.name, query[f.name]) for f in fields(cls) if f.name in query}
        return replace(cls(), **said)

    def values(self) -> tuple[Any, ...]:
        """As widgets take them."""
        return tuple(
            list(value) if isinstance(value, tuple) else value
            for value in (getattr(self, f.name) for f in fields(self))
        )

    def query(self, keys: tuple[str, ...], part: str = "") -> str:
        """Pictures, the part that is measured, and the settings that differ from the defaults, as a query string.

        Without `LOOKS`, which the page adds as they are at that moment.
        """
        said: list[tuple[str, str]] = [("tab", "inspect"), *(("p", key) for key in keys)]
        if part:
            said.append(("part", part))
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name not in LOOKS and value != f.default:
                said.append((f.name, ",".join(value) if isinstance(value, tuple) else str(value)))
        return urlencode(said)

    def looks(self) -> dict[str, Any]:
        """The values of `LOOKS`."""
        return {name: getattr(self, name) for name in LOOKS}

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """(dy, dx) of the co-occurrence map."""
        return tuple((dy * self.distance, dx * self.distance) for dy, dx in DIRECTIONS[self.direction])


def _typed(name: str, value: Any) -> Any:
    default: Any = InspectSettings.__dataclass_fields__[name].default
    if isinstance(default, tuple):
        parts = value.split(",") if isinstance(value, str) else (value if value is not None else ())
        return tuple(part for part in parts if part)
    try:
        return type(default)(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be {value!r}; it is a {type(default).__name__}") from error
