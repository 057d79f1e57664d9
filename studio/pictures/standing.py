"""How far a request is: its picture in the gallery, else the job that is to make it, else how that ended. No torch.

A picture belongs to a request when it was drawn from the very same one and with the very same LoRAs: nothing is drawn
twice, whoever asked for it, and a cleared queue loses nothing. Not here: asking (`studio.queue.table`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from studio.models.adapters import file_digest
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.record import PictureRecord
from studio.queue.job import Job
from studio.queue.table import JobTable
from studio.render_request import RenderRequest

StandingName = Literal["done", "running", "queued", "failed", "cancelled", "interrupted", "absent"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one request."""

    state: StandingName
    picture: Picture | None = None
    job: Job | None = None


def standing_of(
    requests: Sequence[RenderRequest], *, jobs: JobTable, gallery: Gallery
) -> dict[RenderRequest, Standing]:
    """Of each request."""
    home, digests = gallery.workspace.root, _Digests(gallery.workspace.root)
    drawn: dict[str, Picture] = {}
    for prompt in dict.fromkeys(request.prompt for request in requests):
        for picture in gallery.pictures(prompt=prompt, limit=1000):  # the newest first
            if not picture.missing and digests.are_those_of(picture.record):
                drawn.setdefault(_key(picture.record.settings.to_dict(), home), picture)
    known: dict[str, Job] = {}
    for job in _by_hope(jobs.jobs(kind="render")):
        with suppress(TypeError, KeyError, ValueError):  # a damaged row is no request's
            known.setdefault(_key(job.request, home), job)
    found: dict[RenderRequest, Standing] = {}
    for request in requests:
        key = _key(request.to_dict(), home)
        made, asked = drawn.get(key), known.get(key)
        if made is not None:
            found[request] = Standing("done", made)
        elif asked is None or asked.state == "done":
            found[request] = Standing("absent")
        else:
            found[request] = Standing(asked.state, None, asked)
    return found


def missing_of(requests: Sequence[RenderRequest], *, jobs: JobTable, gallery: Gallery) -> list[RenderRequest]:
    """Those that are neither drawn nor on their way, each once, in this order."""
    standing = standing_of(requests, jobs=jobs, gallery=gallery)
    going_on = ("done", "queued", "running")
    return [request for request in dict.fromkeys(requests) if standing[request].state not in going_on]


def ask_for_missing(requests: Sequence[RenderRequest], *, jobs: JobTable, gallery: Gallery) -> list[int]:
    """Queue what is missing; the ids of the new jobs."""
    return [
        jobs.submit("render", request.to_dict(), label=request.prompt)
        for request in missing_of(requests, jobs=jobs, gallery=gallery)
    ]


def _by_hope(jobs: Iterable[Job]) -> list[Job]:
    """Those that go on before those that ended."""
    return sorted(jobs, key=lambda job: job.state not in ("queued", "running"))


def _key(settings: Mapping[str, Any], home: Path) -> str:
    """One text for one request, wherever its LoRA's path begins and however it is to fit into memory."""
    worn = [
        [str((home / str(use["path"])).resolve()), float(use["weight"])]
        for use in settings.get("adapters", ())
    ]
    rest = {name: value for name, value in settings.items() if name not in ("adapters", "memory")}
    return json.dumps([sorted(worn), rest], sort_keys=True)


class _Digests:
    """Compares LoRAs that were worn with those that are here now."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def are_those_of(self, record: PictureRecord) -> bool:
        """Whether every LoRA of a picture is still the one that it was drawn with."""
        return all(self._of(used.path) == used.digest for used in record.adapters)

    def _of(self, path: str) -> str:
        file = self._home / path
        try:
            state = file.stat()
        except OSError:
            return ""
        return _digest(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _digest(file: Path, _modified_ns: int, _size: int) -> str:
    """Read once while the file stays as it is: a page asks every second."""
    return file_digest(file)
