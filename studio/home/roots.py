"""Folders that paths given to the studio may lie in. Standard library only.

On one's own machine a path may name anything that its user may read. Where others reach the studio, paths stay in its
home and in what D4K_ROOTS declares, links followed first; on a public host nobody names paths at all
(`studio.models.lookup`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from finetune.named_paths import expanded
from studio.home.doors import is_loopback
from studio.home.settings import ROOT, is_hosted

VARIABLE = "D4K_ROOTS"


def declared_roots(environ: Mapping[str, str]) -> tuple[Path, ...] | None:
    """D4K_ROOTS (folders with the system's path separator between), the home and `assets/`; None: any place will do.

    Without D4K_ROOTS any place will do as long as the studio listens on this machine alone and is no public host.
    """
    text = environ.get(VARIABLE)
    if text is None and not is_hosted(environ) and is_loopback(environ.get("STUDIO_HOST", "127.0.0.1")):
        return None
    named = [Path(part) for part in ("" if text is None else text).split(os.pathsep) if part.strip()]
    ours = (Path(environ.get("STUDIO_HOME", str(ROOT / "workspace"))), ROOT / "assets")
    return tuple(expanded(place).resolve() for place in (*named, *ours))


def is_inside(path: Path, *, environ: Mapping[str, str] | None = None, home: Path | None = None) -> bool:
    """Whether a path lies in the declared roots, links followed; `environ` None is the process's own.

    `home` is a root too.
    """
    roots = declared_roots(os.environ if environ is None else environ)
    if roots is None:
        return True
    place = Path(os.path.realpath(named_path(str(path), environ=environ)))
    return any(place.is_relative_to(root) for root in (*roots, *([] if home is None else [home.resolve()])))


def check_inside(path: Path, *, environ: Mapping[str, str] | None = None, home: Path | None = None) -> None:
    """Raise ValueError for a path that leads out of the declared roots, see `is_inside`."""
    if not is_inside(path, environ=environ, home=home):
        raise ValueError(_outside(str(path)))


def named_path(text: str, *, environ: Mapping[str, str] | None = None) -> Path:
    """The path that somebody wrote, `~` replaced. Raises ValueError for `~` of a user who is not here.

    Where others reach the studio every `~` but one's own is refused alike: who has an account is not theirs to know.
    """
    first = next(iter(Path(text).parts), "")
    others_come = declared_roots(os.environ if environ is None else environ) is not None
    if others_come and first.startswith("~") and first != "~":
        raise ValueError(_outside(text))
    return expanded(text)


def _outside(text: str) -> str:
    return f"{text[:200]} lies outside of this studio's folders; whoever runs it can declare its folder in {VARIABLE}"
