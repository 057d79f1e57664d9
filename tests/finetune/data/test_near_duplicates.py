"""Near-duplicates: the same picture after scaling, JPEG and brightness is found; other pictures are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from finetune.data.near_duplicates import LookHash, look_hash, near_duplicates

Pixels = NDArray[np.uint8]


def scene(seed: int, side: int = 512) -> Pixels:
    """Blobs of all sizes: smooth noise whose power falls with the square of frequency, as in photographs."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) * side
    spectrum = np.exp(2j * np.pi * rng.random(f.shape)) / np.maximum(f, 1)
    planes = [np.fft.irfft2(spectrum, s=(side, side)), rng.random((side, side))]
    grey = planes[0] / planes[0].std() * 45 + 128 + planes[1] * 8
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, 2)


def jpeg(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=60)
    return Image.open(stream)


CHANGES = {
    "smaller": lambda im: im.resize((300, 300), Image.Resampling.LANCZOS),
    "larger": lambda im: im.resize((1100, 1100), Image.Resampling.BICUBIC),
    "jpeg": jpeg,
    "brighter": lambda im: ImageEnhance.Brightness(im).enhance(1.15),
    "softer": lambda im: im.filter(ImageFilter.GaussianBlur(2)),
    "cropped by 1 %": lambda im: im.crop((3, 3, 509, 509)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(change: str) -> None:
    found = 0
    for seed in range(10):
        image = Image.fromarray(scene(seed))
        copy = np.asarray(CHANGES[change](image).convert("RGB"))
        found += near_duplicates([look_hash(np.asarray(image)), look_hash(copy)]) == [(0, 1)]
    assert found == 10


def test_among_120_other_pictures_there_are_none() -> None:
    assert near_duplicates([look_hash(scene(seed, 128)) for seed in range(120)]) == []


def test_mirrored_and_turned_pictures_are_others() -> None:
    picture = scene(3)
    others = [picture[:, ::-1], picture[::-1], np.rot90(picture)]
    for other in others:
        assert near_duplicates([look_hash(picture), look_hash(np.ascontiguousarray(other))]) == []


def test_groups_chain_and_come_in_order() -> None:
    base = [look_hash(scene(seed, 128)) for seed in range(3)]
    near = LookHash(base[0].cosine ^ 0b11111, base[0].mosaic)  # 5 bits off
    nearer = LookHash(base[0].cosine ^ 0b1111111111, base[0].mosaic)  # 10 off the first, 5 off the second
    assert near_duplicates([base[0], nearer]) == []
    assert near_duplicates([base[1], nearer, base[2], near, base[0], base[2]]) == [(1, 3, 4), (2, 5)]


def test_both_hashes_must_agree() -> None:
    one = look_hash(scene(0))
    assert near_duplicates([one, LookHash(one.cosine, one.mosaic ^ (2**49 - 1))]) == []
    assert near_duplicates([one, LookHash(one.cosine, one.mosaic ^ (2**48 - 1))]) == [(0, 1)]


def test_hashes_survive_text() -> None:
    one = look_hash(scene(0))
    assert LookHash.from_text(one.to_text()) == one
    assert LookHash.from_text(LookHash(0, 1).to_text()) == LookHash(0, 1)


def test_none_and_one() -> None:
    assert near_duplicates([]) == []
    assert near_duplicates([look_hash(scene(0, 64))]) == []
