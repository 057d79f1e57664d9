"""What the Gallery tab does: handlers over plain values. No widgets, no wiring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from studio.pictures.gallery import Gallery
from studio.pictures.gallery_search import Listed, Narrowed
from studio.ui.lookup import find_picture
from studio.ui.messages import shows_errors
from studio.ui.parts.details.details import DetailsContent, details_of_picture
from studio.ui.parts.grid.picture_grid import PAGE, grid_content
from studio.ui.parts.viewer.viewer import Scene, now_ms, picture_scene

Shelf = Literal["all", "starred", "trash"]


@dataclass(frozen=True, slots=True)
class GalleryHandlers:
    """The gallery as the tab works with it. A shelf is all pictures, the starred ones or the trash."""

    gallery: Gallery

    def show(self, shelf: Shelf, search: str, narrowed: Narrowed, limit: int) -> tuple[Any, str]:
        """(grid content, what it was made from)"""
        return self._grid(shelf, search, narrowed, limit)

    def turn_to(self, shelf: Shelf, search: str, narrowed: Narrowed, opened: str) -> tuple[Any, ...]:
        """Another shelf or search starts at its first page: (limit, grid, seen, details, opened).

        Details of a picture that is not among them would be about something that nobody sees.
        """
        content, seen = self.show(shelf, search, narrowed, PAGE)
        is_there = any(picture.id == opened for picture in content.pictures)
        return PAGE, content, seen, self.details(opened if is_there else ""), opened if is_there else ""

    @shows_errors
    def narrow(self, shelf: Shelf, search: str, opened: str, event: gr.EventData) -> tuple[Any, ...]:
        """Another order, model or size: (what is asked for, limit, grid, seen, details, opened)."""
        narrowed = Narrowed(event.order, str(event.model), str(event.size))
        return narrowed, *self.turn_to(shelf, search, narrowed, opened)

    def version(self, shelf: Shelf, search: str, narrowed: Narrowed, limit: int) -> str:
        return f"{self.gallery.version()} {shelf} {limit} {tuple(narrowed)} {search}"

    def tick(self, shelf: Shelf, search: str, narrowed: Narrowed, limit: int, seen: str) -> Any:
        """One look; nothing is sent when nothing changed."""
        try:
            return (
                gr.skip()
                if self.version(shelf, search, narrowed, limit) == seen
                else self.show(shelf, search, narrowed, limit)
            )
        except ValueError:  # a locked database: the Generate tab's line says so, the grid stays as it is
            return gr.skip()

    @shows_errors
    def act(
        self, shelf: Shelf, search: str, narrowed: Narrowed, limit: int, opened: str, event: gr.EventData
    ) -> tuple[int, Any, str, Any]:
        """A button or key of the grid, for one picture or many."""
        action, ids = event.action, [str(picture_id) for picture_id in event.ids]
        undo: tuple[str, ...] = ()
        if action in ("star", "unstar"):
            for picture_id in ids:
                self.gallery.star(picture_id, action == "star")
        elif action == "trash":
            self.gallery.trash(ids)
            undo = tuple(ids)
        elif action == "restore" or (action == "undo" and ids):
            self.gallery.restore(ids)
        elif action == "undo":
            self.gallery.restore_last()
        elif action == "empty":
            self.gallery.empty_trash()
        elif action == "more":
            limit += PAGE
        else:
            raise ValueError(f"unknown action {action!r}; reload the page")
        return limit, *self._grid(shelf, search, narrowed, limit, undo=undo), self.details(opened)

    def details(self, picture_id: str) -> DetailsContent:
        """Of the picture, or nothing where there is none."""
        picture = find_picture(self.gallery, picture_id) if picture_id else None
        return DetailsContent() if picture is None else details_of_picture(picture)

    def choose(self, picture_id: str) -> tuple[Any, str]:
        return self.details(picture_id), picture_id

    @shows_errors
    def open(self, event: gr.EventData) -> tuple[Any, Any, str]:
        return self.loupe(str(event.id))

    def loupe(self, picture_id: str) -> tuple[Any, Any, str]:
        """The picture in the viewer, in place of the grid."""
        picture = self.gallery.get(picture_id)
        scene = picture_scene(picture, scene_id=f"picture-{picture.id}", demand=now_ms())
        return scene, details_of_picture(picture), picture.id

    @shows_errors
    def turn(
        self, shelf: Shelf, search: str, narrowed: Narrowed, opened: str, event: gr.EventData
    ) -> tuple[Any, Any, str]:
        """Another one of the same shelf: the `delta`-th older, newer for less than 0."""
        found = self._neighbour(shelf, search, narrowed, opened, steps=int(event.delta))
        return self.loupe(opened if found is None else found)

    @shows_errors
    def act_on_opened(
        self, shelf: Shelf, search: str, narrowed: Narrowed, limit: int, opened: str, event: gr.EventData
    ) -> tuple[Any, ...]:
        """A key in the viewer: (viewer, details, opened, limit, grid, seen). After the last one, back to the grid."""
        shown, undo = opened, tuple[str, ...]()
        if event.action == "star":
            self.gallery.star(opened, not self.gallery.get(opened).starred)
        elif event.action == "trash":
            older, newer = (
                self._neighbour(shelf, search, narrowed, opened, steps=steps) for steps in (1, -1)
            )
            shown = older or newer or ""
            if self.gallery.trash([opened]):
                undo = (opened,)
        elif event.action == "undo":
            shown = next(iter(self.gallery.restore_last()), opened)
        else:
            raise ValueError(f"unknown action {event.action!r}; reload the page")
        scene, details, shown = self.loupe(shown) if shown else (self.nothing(), DetailsContent(), "")
        return scene, details, shown, limit, *self._grid(shelf, search, narrowed, limit, undo=undo)

    def leave(
        self, shelf: Shelf, search: str, narrowed: Narrowed, limit: int, opened: str
    ) -> tuple[Any, ...]:
        """Back to the grid, to the picture that was seen last: (viewer, limit, grid, seen)."""
        place = self.gallery.place(opened, _listed(shelf, search, narrowed))
        limit = max(limit, -(-(place + 1) // PAGE) * PAGE)
        grid = self._grid(shelf, search, narrowed, limit, current=opened, demand=now_ms())
        return self.nothing(), limit, *grid

    def nothing(self) -> Scene:
        """The viewer steps back behind the grid."""
        return Scene(demand=now_ms())

    def _grid(self, shelf: Shelf, search: str, narrowed: Narrowed, limit: int, **how: Any) -> tuple[Any, str]:
        """What the grid shows, and its version, read first: what changes meanwhile is news to the next look."""
        version = self.version(shelf, search, narrowed, limit)
        return grid_content(self.gallery, _listed(shelf, search, narrowed), limit=limit, **how), version

    def _neighbour(
        self, shelf: Shelf, search: str, narrowed: Narrowed, opened: str, *, steps: int
    ) -> str | None:
        return self.gallery.neighbour(opened, steps=steps, listed=_listed(shelf, search, narrowed))


def _listed(shelf: Shelf, search: str, narrowed: Narrowed) -> Listed:
    return Listed(search, shelf == "starred", shelf == "trash", narrowed)
