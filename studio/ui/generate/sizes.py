"""Picture sizes as the form offers them, and the sentence beneath them."""

from __future__ import annotations

CUSTOM = "custom"

PRESETS: tuple[tuple[str, str], ...] = (
    ("4096²", "4096x4096"),
    ("3072 × 4096", "3072x4096"),
    ("4096 × 3072", "4096x3072"),
    ("2048²", "2048x2048"),
    ("1024²", "1024x1024"),
    ("Custom", CUSTOM),
)
"""(label, value); a value is WIDTHxHEIGHT in pixels."""


def preset_size(preset: str) -> tuple[int, int]:
    """(width_px, height_px) of a preset that is not CUSTOM."""
    width_px, height_px = preset.split("x")
    return int(width_px), int(height_px)


def preset_of(width_px: int, height_px: int) -> str:
    """The preset of this size, or CUSTOM."""
    value = f"{width_px}x{height_px}"
    return value if any(value == known for _, known in PRESETS) else CUSTOM


def size_sentence(width_px: int, height_px: int) -> str:
    """Such as "16.8 megapixels, 1:1"."""
    megapixels = f"{width_px * height_px / 1e6:.1f} megapixels"
    return f"{width_px} × {height_px} px, {megapixels}"
