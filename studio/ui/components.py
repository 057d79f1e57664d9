"""The bases of the studio's own components: a gr.HTML whose value is a model and whose script draws it, and uploads."""

from __future__ import annotations

from abc import ABCMeta
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr
from gradio.component_meta import ComponentMeta, updateable
from gradio.data_classes import GradioModel, ListFiles

from studio.ui.scripts import script


class WithoutStub(ComponentMeta):
    """Gradio's metaclass writes a .pyi beside the source of a component class on import; ours do not."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        if "__init__" in attributes:
            attributes["__init__"] = updateable(
                attributes["__init__"]
            )  # gr.skip() rebuilds from what this keeps
        return ABCMeta.__new__(cls, name, bases, attributes)


class SentFile(gr.File, metaclass=WithoutStub):
    """Files that the browser has sent, and no others.

    Gradio believes whoever calls an event where a file lies, if only that is a folder it serves, and pictures of other
    visitors lie in such folders.
    """

    is_template = True  # looks as its parent does

    def preprocess(self, payload: Any) -> Any:
        for file in () if payload is None else payload if isinstance(payload, ListFiles) else (payload,):
            if not Path(file.path).resolve().is_relative_to(Path(self.GRADIO_CACHE).resolve()):
                raise gr.Error(
                    "that file was not sent by this browser; choose it again", print_exception=False
                )
        return super().preprocess(payload)


class Drawn(gr.HTML, metaclass=WithoutStub):
    """Markup is built once; `scripts` watch the value and keep the elements, so nothing flickers.

    Files in the value are FileData, which Gradio turns into addresses that it serves.
    """

    markup: ClassVar[str]
    scripts: ClassVar[tuple[str, ...]]
    data_model: type[GradioModel]

    def __init__(self, value: GradioModel | None = None, *, markup: str | None = None, **kwargs: Any) -> None:
        super().__init__(
            value=self.data_model() if value is None else value,
            html_template=self.markup if markup is None else markup,
            js_on_load=script(*self.scripts),
            apply_default_css=False,
            **kwargs,
        )

    def preprocess(self, payload: Any) -> Any:
        return payload

    def postprocess(self, value: Any) -> Any:
        return value

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}
