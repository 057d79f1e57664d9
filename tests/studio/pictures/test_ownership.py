"""A gallery that strangers share: each sees, stars, trashes and empties its own pictures, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.home.database import NotThere
from studio.home.ownership import Owners
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.gallery_search import Listed
from studio.pictures.record import PictureRecord
from tests.studio.ui.conftest import a_request

TRASH = Listed(trashed=True)


def drawn(workspace: Workspace, owner: str) -> Picture:
    """As the worker keeps what a visitor asked for."""
    picture = Gallery(workspace).add(np.zeros((256, 256, 3), np.uint8), PictureRecord(settings=a_request()))
    Owners(workspace.database).give("pictures", picture.id, owner)
    return picture


def files(picture: Picture) -> tuple[Path, ...]:
    return picture.path, picture.preview_path, picture.thumbnail_path


@pytest.fixture
def of_eve(workspace: Workspace) -> Gallery:
    return Gallery(workspace, viewer=lambda: "eve")


def test_emptying_the_trash_leaves_everybody_elses(workspace: Workspace, of_eve: Gallery) -> None:
    of_ada, whole = Gallery(workspace, viewer=lambda: "ada"), Gallery(workspace)
    hers, mine = drawn(workspace, "ada"), drawn(workspace, "eve")
    assert of_ada.trash([hers.id]) == 1
    assert (of_eve.count(TRASH), of_eve.empty_trash()) == (0, 0)
    assert of_eve.trash([mine.id]) == 1
    assert of_eve.empty_trash() == 1
    assert not any(path.exists() for path in files(mine))
    assert all(path.is_file() for path in files(hers))
    assert [picture.id for picture in whole.pictures(TRASH)] == [hers.id]
    assert of_ada.empty_trash() == 1
    assert not any(path.exists() for path in files(hers))


def test_nobody_elses_picture_is_put_into_the_trash_or_taken_out(
    workspace: Workspace, of_eve: Gallery
) -> None:
    of_ada, hers = Gallery(workspace, viewer=lambda: "ada"), drawn(workspace, "ada")
    assert of_eve.trash([hers.id]) == 0
    assert of_ada.get(hers.id).trashed_at is None
    of_ada.trash([hers.id])
    trashed_at = of_ada.get(hers.id).trashed_at
    assert (of_eve.restore_last(), of_eve.restore([hers.id])) == ((), 0)
    assert of_ada.get(hers.id).trashed_at == trashed_at is not None
    assert of_ada.restore_last() == (hers.id,)


def test_ones_own_is_restored_though_somebody_trashed_later(workspace: Workspace, of_eve: Gallery) -> None:
    of_ada = Gallery(workspace, viewer=lambda: "ada")
    mine, hers = drawn(workspace, "eve"), drawn(workspace, "ada")
    of_eve.trash([mine.id])
    of_ada.trash([hers.id])
    assert of_eve.restore_last() == (mine.id,)
    assert of_ada.get(hers.id).trashed_at is not None


def test_nobody_elses_picture_is_starred_or_seen(workspace: Workspace, of_eve: Gallery) -> None:
    hers = drawn(workspace, "ada")
    for ask in (lambda: of_eve.star(hers.id, True), lambda: of_eve.get(hers.id)):
        with pytest.raises(NotThere, match=f"there is no picture {hers.id}"):
            ask()
    assert of_eve.pictures() == []
    assert not Gallery(workspace).get(hers.id).starred
