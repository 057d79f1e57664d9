"""What a Space keeps for its owner: parts of the page that answer nobody else, whoever may call them and how.

Who that is, the hub says: its login (OAuth) puts the account into the session. Not here: visitors, who are told apart
without a login (`studio.ui.visitors.visitors`).
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio.context import LocalContext

NOT_YOURS = "Training is for the owner of this Space alone; sign in as the owner, or duplicate the Space"
_BY_HAND = frozenset({"click", "submit", "upload", "input", "select"})


def account() -> str | None:
    """The hub's account whose request is being answered; None without a login, or when another site sent it."""
    request = LocalContext.request.get(None)
    # The session's cookie goes along from pages of other sites too, since the hub shows a Space within its own.
    if request is None or request.headers.get("sec-fetch-site") == "cross-site":
        return None
    login = request.session.get("oauth_info", {})
    name = login.get("userinfo", {}).get("preferred_username")
    return name if isinstance(name, str) and login.get("expires_at", 0) > time.time() else None


@contextmanager
def kept_for(owner: str | None, demo: gr.Blocks) -> Iterator[None]:
    """Every event and every server function that is made for `demo` within answers `owner` alone; None keeps nothing.

    Checked in the functions themselves: by which of Gradio's routes they are called does not matter.
    """
    blocks, events = set(demo.blocks), set(demo.fns)
    yield
    if owner is None:
        return
    for number in demo.fns.keys() - events:
        event = demo.fns[number]
        if event.fn is not None:
            # A page asks for its parts by itself when it opens; a stranger's gets nothing, and no word of it.
            asked = any(kind in _BY_HAND for _, kind in event.targets)
            event.fn = _guarded(event.fn, owner, silent=not asked)
    for number in demo.blocks.keys() - blocks:
        block = demo.blocks[number]
        for function in getattr(block, "server_fns", ()):
            setattr(block, function.__name__, _guarded(function, owner, silent=False))


def shown_to(owner: str, tab: gr.Tab, demo: gr.Blocks) -> None:
    """Hide the tab from everyone who opens the page but `owner`."""
    tab.visible = False
    demo.load(lambda: gr.Tab(visible=account() == owner), None, tab, queue=False, api_visibility="private")


def _guarded(function: Callable[..., Any], owner: str, *, silent: bool) -> Callable[..., Any]:
    """The function itself for the owner; of its own kind, by which Gradio decides how to call it."""

    def may() -> bool:
        if account() == owner:
            return True
        if silent:
            return False
        raise gr.Error(NOT_YOURS, print_exception=False)

    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def drawn(*args: Any, **kwargs: Any) -> Iterator[Any]:
            if may():
                yield from function(*args, **kwargs)
            else:
                yield gr.skip()

        return drawn
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ValueError(f"{function.__qualname__} is asynchronous; the owner's parts of the page are not")

    @functools.wraps(function)
    def answered(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs) if may() else gr.skip()

    return answered
