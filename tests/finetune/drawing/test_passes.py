"""Sizes and noise levels of a picture's passes, by hand and over many sizes."""

from __future__ import annotations

import itertools

import pytest

from finetune.drawing.passes import SLACK, Size, composed_size, grown_sizes, passes_of


@pytest.mark.parametrize(
    ("small", "large", "sizes"),
    [
        ((512, 512), (1024, 1024), [(1024, 1024)]),
        ((512, 512), (4096, 4096), [(1024, 1024), (2048, 2048), (4096, 4096)]),
        ((512, 512), (3072, 3072), [(928, 928), (1696, 1696), (3072, 3072)]),  # by the third root of 6
        ((768, 512), (3072, 2048), [(1536, 1024), (3072, 2048)]),
        ((512, 512), (1088, 1088), [(1088, 1088)]),  # hardly more than twice
        ((512, 512), (544, 544), [(544, 544)]),
        ((288, 256), (640, 512), [(416, 352), (640, 512)]),  # one side alone by more than twice
    ],
)
def test_sizes_in_between(small: Size, large: Size, sizes: list[Size]) -> None:
    assert list(grown_sizes(small, large, multiple_px=32)) == sizes


def test_no_side_much_more_than_doubles() -> None:
    for small, width, height in itertools.product(
        [(256, 256), (512, 512), (512, 1024)], range(1056, 8192, 416), range(1056, 8192, 416)
    ):
        steps = itertools.pairwise([small, *grown_sizes(small, (width, height), multiple_px=32)])
        for before, after in steps:
            for side, grown in zip(before, after, strict=True):
                assert grown - 32 <= side * 2 ** (1 + SLACK)


@pytest.mark.parametrize(
    ("size", "by_area", "by_short_side"),
    [
        ((4096, 4096), (1024, 1024), (1024, 1024)),
        ((3072, 4096), (896, 1184), (1024, 1376)),
        ((4096, 2048), (1440, 736), (2048, 1024)),
        ((4096, 1024), (2048, 512), (2048, 512)),  # no longer than twice the square's side
        ((8192, 512), (4096, 256), (2048, 256)),
        ((1088, 1088), None, None),
        ((1152, 1152), (1024, 1024), (1024, 1024)),
    ],
)
def test_composed_sizes(size: Size, by_area: Size | None, by_short_side: Size | None) -> None:
    for wanted, short in ((by_area, False), (by_short_side, True)):
        assert composed_size(size, 1024, by_short_side=short, multiple_px=32, min_side_px=256) == wanted


def test_passes_by_hand() -> None:
    passes = passes_of((2048, 2048), num_steps=10, composed=(512, 512), coarse_first=0.5, multiple_px=32)
    assert [(one.size, one.first, one.end, one.is_literal) for one in passes] == [
        ((512, 512), 0, 10, False),
        ((1024, 1024), 10, 15, True),
        ((2048, 2048), 15, 20, True),
    ]
    assert passes[0].sigmas == pytest.approx([1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    assert passes[1].sigmas == passes[2].sigmas == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1])


@pytest.mark.parametrize(
    ("composed", "coarse_first", "strength", "levels"),
    [
        (None, 0.5, None, (1.0, 0.75, 0.5, 0.25)),
        ((512, 512), 0.0, None, (1.0, 0.75, 0.5, 0.25)),
        ((512, 512), 0.5, 0.4, (0.4, 0.3, 0.2, 0.1)),  # changed less than coarse first would
    ],
)
def test_one_pass(
    composed: Size | None, coarse_first: float, strength: float | None, levels: tuple[float, ...]
) -> None:
    (one,) = passes_of(
        (2048, 2048),
        num_steps=4,
        composed=composed,
        coarse_first=coarse_first,
        strength=strength,
        multiple_px=32,
    )
    assert (one.size, one.is_literal) == ((2048, 2048), strength is not None)
    assert one.sigmas == pytest.approx(levels)
