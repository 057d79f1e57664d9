"""Landscape scenes: the world that Micro-4K is taught. `description` says what, `render` draws it at any size."""
