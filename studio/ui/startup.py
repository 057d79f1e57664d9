"""Before gradio is imported: what it must know by then, and how the import is made quick."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any


def import_gradio(uploads: Path) -> ModuleType:
    """Gradio, told to send nothing anywhere and to keep uploads in the folder `uploads`."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    with without_stub_files():
        import gradio
    return gradio


@contextmanager
def without_stub_files() -> Iterator[None]:
    """Spare gradio the writing of type stubs for its own components.

    On import its metaclass parses the source of each component class to write a .pyi beside it: 1.4 s of the
    3.3 s of CPU time of `import gradio` (6.31, three runs each). A class without a file is passed over.
    """
    find_file = inspect.getfile

    def find_file_but_of_components(
        object: ModuleType | type[Any] | FunctionType | FrameType | Any,
    ) -> str:
        if isinstance(object, type) and object.__module__.startswith("gradio."):
            raise OSError("not looked for")
        return find_file(object)

    inspect.getfile = find_file_but_of_components
    try:
        yield
    finally:
        inspect.getfile = find_file
