"""From pictures and settings to what the stage shows: which layers lie over which picture, made if need be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from studio.home.database import DatabaseTrouble
from studio.inspection.layers import Layers
from studio.inspection.numbers import Numbers
from studio.inspection.opened import Opened, Subject
from studio.inspection.parts import Box, clamped
from studio.pictures.gallery import Gallery
from studio.ui.inspect.settings import MAX_PANES, InspectSettings
from studio.ui.inspect.stage import Board, Look, Mark, Pane, band_planes, map_plane, mask_plane, pane_of
from studio.ui.parts.viewer.viewer import now_ms

MAP_UNITS = {"entropy": "bits", "contrast": "levels²", "dissimilarity": "levels"}
UPLOADED = "file-"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of one picture that is measured; in an address as "id,x,y,width,height"."""

    subject_id: str
    box: Box

    @classmethod
    def of(cls, text: str) -> Part | None:
        """None for an empty text; ValueError for a wrong one."""
        if not text:
            return None
        subject_id, *numbers = text.split(",")
        try:
            x, y, width, height = (int(number) for number in numbers)
        except ValueError as error:
            raise ValueError(f"a part is told as id,x,y,width,height, got {text[:60]!r}") from error
        return cls(subject_id, Box(x, y, width, height))

    def __str__(self) -> str:
        box = self.box
        return f"{self.subject_id},{box.x},{box.y},{box.width},{box.height}"


@dataclass(frozen=True, slots=True)
class Boards:
    """Makes boards. A key names a picture: a gallery id, or "file-" and the id of an opened file."""

    gallery: Gallery
    opened: Opened
    layers: Layers
    numbers: Numbers

    def board(
        self,
        keys: Sequence[str],
        settings: InspectSettings,
        *,
        part: Part | None = None,
        view: str = "",
        at: str = "",
        asked: str = "",
    ) -> Board:
        """The stage for these pictures and settings. Raises ValueError for what cannot be shown."""
        if not keys:
            return Board(demand=now_ms(), asked=asked)
        subjects = self.subjects(keys)
        return Board(
            panes=tuple(self._pane(subject, settings, part) for subject in subjects),
            look=Look(**settings.looks()),
            query=settings.query(tuple(keys), str(part) if part else ""),
            view=view,
            at=at,
            demand=now_ms(),
            asked=asked,
        )

    def subjects(self, keys: Sequence[str]) -> list[Subject]:
        """Raises ValueError for too many, and for a key that names nothing."""
        if len(keys) > MAX_PANES:
            raise ValueError(f"the stage holds {MAX_PANES} pictures, got {len(keys)}; take some away")
        return [self.subject(key) for key in keys]

    def still_there(self, keys: Sequence[str], opened: Sequence[Subject]) -> tuple[list[str], list[str]]:
        """(the keys that still name a picture, a sentence for each other one)

        Of a file that was just `opened` again the key of before is passed over: the page sends it as a new file.
        """
        known: list[str] = []
        gone: list[str] = []
        again = {subject.path.resolve() for subject in opened}
        for key in keys:
            try:
                self.subject(key)
            except DatabaseTrouble:
                raise
            except ValueError as error:
                if self.opened.source_of(key.removeprefix(UPLOADED)) not in again:
                    gone.append(f"taken off the stage: {error}")
            else:
                known.append(key)
        return known, gone

    def subject(self, key: str) -> Subject:
        """Raises ValueError for a key that names nothing."""
        if key.startswith(UPLOADED):
            return self.opened.open_again(key.removeprefix(UPLOADED))
        picture = self.gallery.get(key)
        return self.opened.open_master(
            picture.path,
            title=title_of(picture.record.settings.prompt),
            preview=picture.preview_path,
            thumbnail=picture.thumbnail_path,
            width_px=picture.width_px,
            height_px=picture.height_px,
        )

    def of_part(self, keys: Sequence[str], part: Part) -> Subject | None:
        """The picture a part belongs to, or None if it has left the stage."""
        return next((one for one in self.subjects(keys) if one.id == part.subject_id), None)

    def choices(self, chosen: Sequence[str] = ()) -> list[tuple[str, str]]:
        """(words, key) of the newest pictures of the gallery, and of those that are chosen already."""
        listed = [
            (
                f"{title_of(one.record.settings.prompt)}  ·  {one.width_px} × {one.height_px}  ·  {one.id[-6:]}",
                one.id,
            )
            for one in self.gallery.pictures(limit=80)
        ]
        known = {key for _, key in listed}
        return listed + [(self.subject(key).title, key) for key in chosen if key not in known]

    def _pane(self, subject: Subject, settings: InspectSettings, part: Part | None) -> Pane:
        pane = pane_of(subject)
        bank: dict[str, Any] = {
            "wavelet": settings.wavelet,
            "mode": settings.boundary,
            "levels": settings.levels,
        }
        if settings.layer == "subbands":
            bands = self.layers.subbands(subject, **bank)
            only = None if settings.band == "pyramid" else settings.band
            pane.planes, pane.under = band_planes(subject, bands, only=only), 0.0
            if not pane.planes:
                raise ValueError(f"there is no band {only} with {settings.levels} levels; raise the levels")
        elif settings.layer == "rebuild":
            path = self.layers.rebuilt(subject, gains=gains_of(settings), **bank)
            rebuilt = replace(
                subject,
                id=f"{subject.id}-{path.stem}",
                preview_path=path,
                exact_path=path,
                thumbnail_path=None,
            )
            pane.picture = pane_of(rebuilt).picture
        elif settings.layer == "glcm":
            shape = {"window_px": settings.window_px, "stride_px": settings.stride_px}
            found = self.layers.glcm_map(subject, measure=settings.measure, offsets=settings.offsets, **shape)
            unit = MAP_UNITS.get(settings.measure, "")
            pane.planes = (map_plane(found, measure=settings.measure, unit=unit, **shape),)
        elif settings.layer == "clipping":
            pane.planes, pane.under = (mask_plane(subject, self.layers.clipped(subject)),), 0.35
        elif settings.layer == "artefacts":
            pane.marks = self._artefact_marks(subject)
        if part is not None and part.subject_id == subject.id:
            pane.marks = (*pane.marks, _mark_of(part.box))
        return pane

    def _artefact_marks(self, subject: Subject) -> tuple[Mark, ...]:
        return tuple(
            Mark(x=x, y=y, width=width, height=height, text=f"{found.kind} {found.score:.2f}")
            for found in self.numbers.of(subject).artefacts
            if found.found
            for x, y, width, height in [found.place]
        )


def gains_of(settings: InspectSettings) -> dict[tuple[str, int], float]:
    """What each detail band is multiplied by when the picture is rebuilt; those that are not named stay."""
    gains: dict[tuple[str, int], float] = {}
    for level in range(1, settings.levels + 1):
        for band in ("lh", "hl", "hh"):
            name = f"{band}{level}"
            if name in settings.muted:
                gains[band, level] = 0.0
            elif not settings.scaled or name in settings.scaled:
                gains[band, level] = settings.detail
    return gains


def title_of(words: str) -> str:
    """A prompt in at most 48 letters."""
    return words if len(words) <= 48 else f"{words[:45]}..."


def checked_part(part: Part | None, subjects: Sequence[Subject]) -> Part | None:
    """A part within its picture, or None if that is not there. Raises ValueError for one that is too small."""
    for subject in subjects:
        if part is not None and subject.id == part.subject_id:
            return Part(subject.id, clamped(part.box, subject.width_px, subject.height_px))
    return None


def checked_view(text: str) -> str:
    """ "x,y,scale" of an address, or nothing if it makes no sense."""
    try:
        x, y, scale = (float(number) for number in text.split(","))
    except ValueError:
        return ""
    return f"{x},{y},{scale}" if 0 < scale <= 64 and isfinite(x) and isfinite(y) else ""


def checked_at(text: str) -> str:
    """A number from 0 to 3 of an address, or nothing if it makes no sense."""
    try:
        return text if 0 <= float(text) <= MAX_PANES - 1 else ""
    except ValueError:
        return ""


def _mark_of(box: Box) -> Mark:
    patch = (box.width, box.height) == (64, 64)
    return Mark(x=box.x, y=box.y, width=box.width, height=box.height, kind="patch" if patch else "region")
