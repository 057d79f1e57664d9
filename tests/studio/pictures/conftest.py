"""A gallery, and a way to put pictures of noise into it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_rows import Picture
from studio.pictures.record import PictureRecord
from studio.render_request import RenderRequest

NewRequest = Callable[..., RenderRequest]


@pytest.fixture
def gallery(workspace: Workspace) -> Gallery:
    return Gallery(workspace)


@pytest.fixture
def add(gallery: Gallery, noise: np.ndarray, new_request: NewRequest) -> Callable[[str], Picture]:
    def add_one(prompt: str = "mountains at dusk") -> Picture:
        return gallery.add(noise, PictureRecord(settings=new_request(prompt=prompt)))

    return add_one


def ids(pictures: list[Picture]) -> list[str]:
    return [picture.id for picture in pictures]
