"""Line icons and the wordmark, drawn for the studio as inline SVG; no files, no icon font."""

from __future__ import annotations


def icon(name: str) -> str:
    """A 16 x 16 line icon in the colour of its text."""
    return (
        '<svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.3" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{PATHS[name]}</svg>'
    )


PATHS = {
    "fit": '<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"/>'
    '<rect x="5.5" y="5.5" width="5" height="5"/>',
    "save": '<path d="M8 2.5v7M5 7l3 3 3-3M3 12.5h10"/>',
    "bell": '<path d="M3.5 11.5h9c-1-1-1.2-2-1.2-4.2a3.3 3.3 0 0 0-6.6 0c0 2.2-.2 3.2-1.2 4.2zM6.7 13.6h2.6"/>',
    "plus": '<path d="M8 3.5v9M3.5 8h9"/>',
    "minus": '<path d="M3.5 8h9"/>',
    "full": '<path d="M9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9"/>',
    "back": '<path d="M9.5 3.5 5 8l4.5 4.5"/>',
    "forward": '<path d="M6.5 3.5 11 8l-4.5 4.5"/>',
    "half": '<circle cx="8" cy="8" r="5.2"/>'
    '<path d="M8 2.8v10.4a5.2 5.2 0 0 0 0-10.4z" fill="currentColor"/>',
    "panel": '<rect x="2.5" y="3" width="11" height="10" rx="1"/><path d="M6.5 3v10"/>',
    "models": '<path d="m8 2 5.5 3v6L8 14l-5.5-3V5z"/><path d="M2.5 5 8 8l5.5-3M8 8v6"/>',
    "stage": '<rect x="2" y="3" width="12" height="10" rx="1"/>'
    '<path d="m2.5 11.5 3.6-4 2.6 2.7 1.8-1.7 3 3"/><circle cx="10.8" cy="6" r=".9"/>',
}

# A two-level wavelet tiling: one coarse square, the detail bands around it halving in size.
WORDMARK = (
    '<svg class="wordmark" viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" '
    'stroke-width="1.4"><rect x="2" y="2" width="20" height="20" rx="2"/>'
    '<path d="M12 2v20M2 12h20M7 2v10M2 7h10"/>'
    '<rect x="2.7" y="2.7" width="3.6" height="3.6" fill="currentColor" stroke="none"/></svg>'
)
