"""Buckets and crops: sizes by hand, never scaled up, and a preview that is the trained pixels."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.data.buckets import Bucket, Crop, crop_of, cut, make_buckets


def test_the_published_square() -> None:
    assert make_buckets(4096, square_only=True) == (Bucket(4096, 4096),)


@pytest.mark.parametrize(
    ("resolution", "multiple", "longest"), [(4096, 32, None), (1024, 64, 4096), (512, 32, 512)]
)
def test_buckets_hold_no_more_pixels_and_are_multiples(
    resolution: int, multiple: int, longest: int | None
) -> None:
    buckets = make_buckets(resolution, multiple_px=multiple, max_side_px=longest)
    assert buckets[0] == Bucket(resolution, resolution)
    assert len(set(buckets)) == len(buckets)
    assert len(buckets) == (
        9 if multiple == 64 else 11
    )  # in coarse steps 4:3 and 3:2 fall together with neighbours
    for b in buckets:
        assert b.width_px % multiple == b.height_px % multiple == 0
        assert b.width_px * b.height_px <= resolution**2
        assert longest is None or max(b.width_px, b.height_px) <= longest
        assert Bucket(b.height_px, b.width_px) in buckets


def test_the_longest_bucket_by_hand() -> None:
    # 4096 sqrt(2) = 5792.6 -> 5792 = 181 x 32; half of it 2896 -> 90.5, rounded to even, x 32 = 2880
    assert Bucket(5792, 2880) in make_buckets(4096)
    # where positions end at 4096: 4096 x 2048
    assert Bucket(4096, 2048) in make_buckets(4096, max_side_px=4096)


def test_bad_resolutions_name_a_good_one() -> None:
    with pytest.raises(ValueError, match="multiple of 32 px, got 1000; try 992"):
        make_buckets(1000)
    with pytest.raises(ValueError, match="reaches 4096 px"):
        make_buckets(8192, max_side_px=4096)


def test_a_crop_by_hand() -> None:
    # 6000 x 4500 to a square of 4096: scale 4500 / 4096, so 4500 x 4500 around the centre
    crop = crop_of("a", 6000, 4500, (Bucket(4096, 4096),))
    assert crop == Crop("a", (750, 0, 5250, 4500), (4096, 4096))
    assert crop.scale == 4500 / 4096


@pytest.mark.parametrize("size", [(4095, 9000), (9000, 4095), (100, 100)])
def test_nothing_is_scaled_up(size: tuple[int, int]) -> None:
    assert crop_of("a", *size, (Bucket(4096, 4096),)) is None


def test_the_bucket_that_keeps_most_is_taken_among_those_that_are_filled() -> None:
    buckets = make_buckets(2048)
    wide = crop_of("a", 3840, 2160, buckets)
    assert wide is not None
    assert wide.size_px[0] / wide.size_px[1] == pytest.approx(16 / 9, rel=0.03)
    # 2800 x 1536 is nearer to 16:9 than to 2:1, and 2900 x 1535 too low for 16:9 (2720 x 1536)
    for size, bucket in {(2800, 1536): (2720, 1536), (2920, 1535): (2912, 1440)}.items():
        crop = crop_of("a", *size, buckets)
        assert crop is not None
        assert crop.size_px == bucket


@pytest.mark.parametrize("seed", range(5))
def test_every_box_lies_inside_and_keeps_the_buckets_shape(seed: int) -> None:
    rng, buckets = np.random.default_rng(seed), make_buckets(512)
    for width, height in rng.integers(512, 3000, (200, 2)).tolist():
        crop = crop_of("a", width, height, buckets)
        assert crop is not None
        left, top, right, bottom = crop.box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert right - left == width or bottom - top == height  # as much as fits
        assert crop.scale >= 1
        assert (right - left) / (bottom - top) == pytest.approx(crop.size_px[0] / crop.size_px[1], abs=5e-3)


def test_a_crop_as_large_as_its_bucket_is_copied() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 100, 3), dtype=np.uint8)
    np.testing.assert_array_equal(cut(pixels, Crop("a", (18, 0, 82, 64), (64, 64))), pixels[:, 18:82])


def test_a_larger_box_is_scaled_down_in_place() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 256, 0).repeat(3, 2)
    small = cut(ramp, Crop("a", (0, 0, 256, 256), (128, 128)))
    assert small.shape == (128, 128, 3)
    # pixel i of the small one covers 2i and 2i + 1
    np.testing.assert_allclose(small[64, 4:-4, 0], np.arange(4, 124) * 2 + 0.5, atol=0.51)


def test_a_picture_that_changed_is_noticed() -> None:
    with pytest.raises(ValueError, match="smaller than when it was scanned"):
        cut(np.zeros((50, 64, 3), np.uint8), Crop("a", (0, 0, 64, 64), (64, 64)))
