"""Before gradio is imported: what it must know by then."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType


def import_gradio(uploads: Path) -> ModuleType:
    """Gradio, told to send nothing anywhere and to keep uploads in the folder `uploads`."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    import gradio

    return gradio
