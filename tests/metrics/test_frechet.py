"""Distances of feature sets against closed forms, plain loops and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from metrics.frechet import (
    GaussianStatistics,
    bootstrap_interval,
    cmmd,
    cubic_kernel_distance,
    frechet_distance,
    halves_interval,
    kernel_inception_distance,
    too_few,
)

RNG = np.random.default_rng(0)
A, B = RNG.normal(0, 1, (60, 5)), RNG.normal(0.3, 1.4, (80, 5)) @ RNG.normal(0, 1, (5, 5))


def test_batches_together_are_the_whole_even_far_from_zero() -> None:
    far = A + 1e6
    whole = GaussianStatistics.of(far)
    parts = (
        GaussianStatistics.of(far[:7])
        .merged(GaussianStatistics.of(far[7:8]))
        .merged(GaussianStatistics.of(far[8:]))
    )
    assert parts.count == 60
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-14)
    np.testing.assert_allclose(parts.covariance, np.cov(A.T), rtol=1e-7)


def test_equal_covariances_leave_the_squared_distance_of_means() -> None:
    moved = A + np.array([3.0, 0, 0, 4.0, 0])
    assert frechet_distance(GaussianStatistics.of(A), GaussianStatistics.of(moved)) == pytest.approx(
        25, rel=1e-9
    )


def test_one_dimension_in_closed_form() -> None:
    x, y = A[:, :1], B[:, :1]
    wanted = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert frechet_distance(GaussianStatistics.of(x), GaussianStatistics.of(y)) == pytest.approx(
        wanted, rel=1e-10
    )


def test_general_covariances_agree_with_a_matrix_square_root() -> None:
    first, second = np.cov(A.T), np.cov(B.T)
    root = scipy.linalg.sqrtm(first @ second).real
    wanted = ((A.mean(0) - B.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    ours = frechet_distance(GaussianStatistics.of(A), GaussianStatistics.of(B))
    assert ours == pytest.approx(wanted, rel=1e-9)
    assert ours == pytest.approx(
        frechet_distance(GaussianStatistics.of(B), GaussianStatistics.of(A)), rel=1e-9
    )


def test_fewer_pictures_than_features_is_finite_and_zero_for_itself() -> None:
    few = GaussianStatistics.of(RNG.normal(size=(10, 64)))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
    assert "rank-deficient" in str(too_few(195, 2048))
    assert "compare sets of the same size" in str(too_few(5000, 2048))
    assert too_few(50_000, 2048) is None


def test_the_kernel_distance_is_its_sum_by_loops() -> None:
    x, y = A[:9], B[:7]

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 5 + 1) ** 3)

    wanted = (
        sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / (9 * 8)
        + sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / (7 * 6)
        - 2 * sum(k(a, b) for a in x for b in y) / 63
    )
    assert cubic_kernel_distance(x, y) == pytest.approx(wanted, rel=1e-10)


def test_the_kernel_distance_is_unbiased() -> None:
    rng = np.random.default_rng(1)
    found = [cubic_kernel_distance(rng.normal(size=(20, 3)), rng.normal(size=(20, 3))) for _ in range(400)]
    assert abs(np.mean(found)) < 4 * np.std(found) / 20
    mean, spread = kernel_inception_distance(A, B, subset_size=30, num_subsets=10)
    assert kernel_inception_distance(A, B, subset_size=30, num_subsets=10) == (mean, spread)


def test_cmmd_of_two_single_points_in_closed_form() -> None:
    x, y = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert cmmd(x, y) == pytest.approx(1000 * (2 - 2 * np.exp(-2 / 200)), rel=1e-12)
    assert cmmd(A, A) == pytest.approx(0, abs=1e-9)


def test_an_interval_holds_the_distance_of_means() -> None:
    def means(x: np.ndarray, y: np.ndarray) -> float:
        return float(((x.mean(0) - y.mean(0)) ** 2).sum())

    low, high = bootstrap_interval(means, A, B)
    assert low < means(A, B) < high
    wide = bootstrap_interval(means, A[:10], B[:10])
    assert wide[1] - wide[0] > high - low


def test_halves_tell_how_far_an_unbiased_distance_would_move() -> None:
    """The interval holds the true distance as often as it says."""
    rng = np.random.default_rng(3)
    shift = np.array([0.6, 0, 0])
    true = cubic_kernel_distance(rng.normal(size=(6000, 3)), rng.normal(size=(6000, 3)) + shift)
    held = 0
    for seed in range(200):
        ours, theirs = rng.normal(size=(40, 3)), rng.normal(size=(40, 3)) + shift
        low, high = halves_interval(cubic_kernel_distance, ours, theirs, num_draws=60, seed=seed)
        assert low < cubic_kernel_distance(ours, theirs) < high
        held += low < true < high
    assert 0.90 <= held / 200 <= 0.99


def test_halves_keep_views_of_one_picture_together() -> None:
    rng = np.random.default_rng(4)
    ours, theirs = (rng.normal(size=(30, 2)) for _ in range(2))

    def means(x: np.ndarray, y: np.ndarray) -> float:
        return float(x.mean() - y.mean())

    plain = halves_interval(means, ours, theirs)
    nine = [side.repeat(9, axis=0) for side in (ours, theirs)]
    assert halves_interval(means, *nine, rows=([9] * 30, [9] * 30)) == pytest.approx(plain)


def test_views_of_one_picture_are_drawn_together() -> None:
    def means(x: np.ndarray, y: np.ndarray) -> float:
        return float(x.mean() - y.mean())

    rng = np.random.default_rng(2)
    ours, theirs = (rng.normal(size=(30, 1)) for _ in range(2))
    plain = bootstrap_interval(means, ours, theirs)
    nine = [side.repeat(9, axis=0) for side in (ours, theirs)]  # nine crops that say the same
    narrow = bootstrap_interval(means, *nine)
    whole = bootstrap_interval(means, *nine, rows=([9] * 30, [9] * 30))
    assert whole == pytest.approx(plain)
    assert whole[1] - whole[0] > 2 * (narrow[1] - narrow[0])


def test_what_does_not_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="use one extractor"):
        frechet_distance(GaussianStatistics.of(A), GaussianStatistics.of(A[:, :3]))
    with pytest.raises(ValueError, match="use one extractor"):
        cubic_kernel_distance(A, A[:, :3])
    with pytest.raises(ValueError, match="at least two pictures"):
        frechet_distance(GaussianStatistics.of(A[:1]), GaussianStatistics.of(A))
    with pytest.raises(ValueError, match=r"\(N, D\)"):
        GaussianStatistics.of(np.zeros((0, 4)))
