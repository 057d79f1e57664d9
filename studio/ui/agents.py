"""The studio as an MCP server (STUDIO_MCP=1): agents list the gallery's pictures and measure them.

A master of 20 MB does not pass through an agent's words, and Gradio fetches no address of this machine: on one's own
machine a picture is named, by its path or as the gallery lists it. Where others come in too, only the endpoints of
`studio.ui.tools` are offered, which take a public address. Not here: the measuring (`studio.comparison.measuring`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import gradio as gr

from finetune.named_paths import expanded
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_search import Listed
from studio.ui.tools import endpoint, measures, measuring_endpoints

PREFIX = "inspect_"
MOST = 100
_BY_FILE = "picture: A PNG, JPEG, WebP or TIFF file."
_BY_NAME = (
    "picture: A path on the studio's machine (PNG, JPEG, WebP, TIFF), or the id of a picture of its gallery."
)


def build_agent_tools(gallery: Gallery, maps: Path) -> None:
    """The tools `pictures`, and `inspect_...` for each measurement."""
    listing = Pictures(gallery)
    with gr.Group(visible=False):
        words, count = gr.Textbox("", label="words"), gr.Number(20, precision=0, label="count")
        endpoint(listing.pictures, [words, count], [gr.JSON(label="pictures")], "pictures")
        functions = {name: listing.named(function) for name, function in measures(maps).items()}
        measuring_endpoints(gr.Textbox(label="picture"), functions, prefix=PREFIX, visibility="public")


class Pictures:
    """What an agent calls a picture, and which there are."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery

    def pictures(self, words: str = "", count: int = 20) -> list[dict[str, Any]]:
        """The gallery's pictures, newest first: id, size, prompt, model, seed and the path of the PNG.

        Args:
            words: What the gallery's search takes: words of the prompt, a seed, a size, a model; empty for all.
            count: How many at most, 1 to 100.
        """
        if not 1 <= count <= MOST:
            raise ValueError(f"count must lie between 1 and {MOST}, got {count}; 20 is usual")
        return [
            {
                "id": picture.id,
                "width_px": picture.width_px,
                "height_px": picture.height_px,
                "prompt": picture.record.settings.prompt,
                "model": picture.record.settings.model,
                "seed": picture.record.settings.seed,
                "path": str(picture.path),
            }
            for picture in self._gallery.pictures(Listed(words), limit=int(count))
        ]

    def named(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, its first argument a name instead of an uploaded file."""

        @wraps(function)
        def called(picture: str, *rest: Any) -> Any:
            return function(str(self._path(picture)), *rest)

        assert function.__doc__ is not None
        assert _BY_FILE in function.__doc__
        called.__name__ = f"{PREFIX}{function.__name__}"  # an agent reads this one, a script the endpoint's
        called.__doc__ = function.__doc__.replace(_BY_FILE, _BY_NAME)
        return called

    def _path(self, picture: str) -> Path:
        name = picture.strip()
        if not name:
            raise ValueError("no picture is named; give a path, or an id that the tool `pictures` lists")
        if any(mark in name for mark in "/\\."):
            return expanded(name)
        return self._gallery.get(name).path


def bring_token(token: str) -> None:
    """Before the launch: Gradio passes agents' calls on to the page over HTTP, through the studio's own door.

    Whoever reaches the MCP server has shown the token; its client, one for all, has no other place to be told of it.
    """
    served: Any = import_module("gradio.mcp")
    client = served.Client

    def with_token(*place: Any, headers: dict[str, str], **settings: Any) -> Any:
        return client(*place, headers={**headers, "Authorization": f"Bearer {token}"}, **settings)

    served.Client = with_token


def require_started(demo: gr.Blocks) -> None:
    """After the launch. Raises ValueError if there is no MCP server: Gradio goes on without it, quietly."""
    if demo.mcp_server_obj is None:
        raise ValueError(
            f"the MCP server did not start ({demo.mcp_error}); unset STUDIO_MCP to go without it"
        )
