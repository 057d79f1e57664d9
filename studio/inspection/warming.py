"""Compiling what layers and numbers need before they are asked for: a first call costs seconds. Not here: when."""

from __future__ import annotations

import threading

_BEGUN = threading.Event()


def warm_once() -> None:
    """Compile in a thread of its own, the first time that this is called in a process."""
    if not _BEGUN.is_set():
        _BEGUN.set()
        threading.Thread(target=compile_layers, name="warm", daemon=True).start()


def compile_layers() -> None:
    """Run every compiled kernel once on a small picture."""
    import numpy as np

    from metrics.glcm_map import glcm_map
    from metrics.subbands import decompose, luma, rebuild
    from studio.inspection.numbers import measure_picture
    from studio.inspection.parts import Box, measure_part

    sample = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    rebuild(decompose(luma(sample), levels=2))
    glcm_map(sample, properties=("entropy",))
    measure_part(sample, Box(0, 0, 64, 64))
    measure_picture(sample)
