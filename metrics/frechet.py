"""Distances between two sets of features: Frechet distance, kernel distances, their intervals. NumPy alone.

Which features, and how a picture was shrunk for them, is the extractor's business (`metrics.features`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GaussianStatistics:
    """Count, mean and scatter of features, gathered in any number of batches in float64."""

    count: int
    mean: NDArray[np.float64]
    """(D,)"""

    scatter: NDArray[np.float64]
    """(D, D), sum of outer products of deviations: covariance times (count - 1)."""

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> GaussianStatistics:
        """Of (N, D) features, N at least 1."""
        if features.ndim != 2 or not len(features):
            raise ValueError(f"features must be (N, D) with N of at least 1, got shape {features.shape}")
        values = features.astype(np.float64)
        mean = values.mean(0)
        deviations = values - mean
        return cls(len(values), mean, deviations.T @ deviations)

    def merged(self, other: GaussianStatistics) -> GaussianStatistics:
        """Of both batches together (Chan, Golub & LeVeque, 1979): no sum of squares that cancels."""
        if self.mean.shape != other.mean.shape:
            raise ValueError(
                f"features of {self.mean.size} and {other.mean.size} numbers do not mix; use one extractor for both"
            )
        count = self.count + other.count
        step = other.mean - self.mean
        return GaussianStatistics(
            count,
            self.mean + step * (other.count / count),
            self.scatter + other.scatter + np.outer(step, step) * (self.count * other.count / count),
        )

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(D, D), unbiased."""
        if self.count < 2:
            raise ValueError("a covariance needs at least two pictures; add pictures to the set")
        return self.scatter / (self.count - 1)


def frechet_distance(ours: GaussianStatistics, reference: GaussianStatistics) -> float:
    """Squared Frechet distance of two Gaussians, |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2); 0 for equal ones.

    The trace of the root is the sum of the roots of the eigenvalues of C1^1/2 C2 C1^1/2, which is symmetric: no
    complex square root, and rank-deficient covariances (fewer pictures than features) need no offset.
    """
    if ours.mean.shape != reference.mean.shape:
        raise ValueError(
            f"features of {ours.mean.size} and {reference.mean.size} numbers do not compare; use one extractor for both"
        )
    first, second = ours.covariance, reference.covariance
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    trace_of_root = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    step = ours.mean - reference.mean
    return float(max(0.0, step @ step + np.trace(first) + np.trace(second) - 2 * trace_of_root))


def cubic_kernel_distance(ours: Features, reference: Features) -> float:
    """KID of whole sets: unbiased squared MMD with the kernel (x.y / D + 1)^3. May fall below 0 for equal sets."""
    dimension = _checked(ours, reference)

    def kernel(x: Features, y: Features) -> Features:
        return (x @ y.T / dimension + 1) ** 3

    return _unbiased_mmd(ours, reference, kernel)


def kernel_inception_distance(
    ours: Features, reference: Features, *, subset_size: int = 1000, num_subsets: int = 100, seed: int = 0
) -> tuple[float, float]:
    """KID as published: mean and standard deviation of `cubic_kernel_distance` over random subsets."""
    _checked(ours, reference)
    size = min(subset_size, len(ours), len(reference))
    rng = np.random.default_rng(seed)
    found = [
        cubic_kernel_distance(
            ours[rng.choice(len(ours), size, replace=False)],
            reference[rng.choice(len(reference), size, replace=False)],
        )
        for _ in range(num_subsets)
    ]
    return float(np.mean(found)), float(np.std(found))


def cmmd(ours: Features, reference: Features, *, sigma: float = 10.0, scale: float = 1000.0) -> float:
    """CMMD of CLIP embeddings of length 1: `scale` times the (biased) squared MMD with a Gaussian kernel."""
    _checked(ours, reference)

    def kernel(x: Features, y: Features) -> Features:
        squares = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * (x @ y.T)
        return np.exp(-squares.clip(0) / (2 * sigma**2))

    return float(
        scale
        * (
            kernel(ours, ours).mean()
            + kernel(reference, reference).mean()
            - 2 * kernel(ours, reference).mean()
        )
    )


def bootstrap_interval(
    distance: Callable[[Features, Features], float],
    ours: Features,
    reference: Features,
    *,
    rows: tuple[Sequence[int], Sequence[int]] | None = None,
    num_draws: int = 200,
    share: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Where the distance lies when both sets are drawn again with replacement: (low, high) of the middle `share`.

    `rows` says how many features each picture has, in their order; pictures are drawn whole, since crops of one are
    alike and would make the interval too narrow. None: one each. Redrawing repeats pictures, which makes a Frechet
    distance look larger: the interval tells spread, not the centre.
    """
    _checked(ours, reference)
    rng = np.random.default_rng(seed)
    pictures = _pictures(ours, reference, rows)

    def drawn(index: int) -> NDArray[np.int64]:
        of = pictures[index]
        return np.concatenate([of[i] for i in rng.integers(len(of), size=len(of))])

    found = [distance(ours[drawn(0)], reference[drawn(1)]) for _ in range(num_draws)]
    low, high = np.quantile(found, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def halves_interval(
    distance: Callable[[Features, Features], float],
    ours: Features,
    reference: Features,
    *,
    rows: tuple[Sequence[int], Sequence[int]] | None = None,
    num_draws: int = 200,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of an unbiased distance, from random halves of both sets: (low, high) around that of the whole.

    The deviation over halves drawn without replacement is that of the whole (delete-half jackknife; Efron, Tibshirani
    1993, 11.5); redrawing with repeats would make an unbiased squared MMD look larger. Wider than it need be where
    the sets do not differ at all. `rows` as for `bootstrap_interval`.
    """
    _checked(ours, reference)
    rng = np.random.default_rng(seed)
    pictures = _pictures(ours, reference, rows)

    def half(index: int) -> NDArray[np.int64]:
        of = pictures[index]
        return np.concatenate([of[i] for i in rng.permutation(len(of))[: max(2, len(of) // 2)]])

    found = [distance(ours[half(0)], reference[half(1)]) for _ in range(num_draws)]
    centre, reach = distance(ours, reference), 1.959963984540054 * float(np.std(found, ddof=1))
    return centre - reach, centre + reach


def _pictures(
    ours: Features, reference: Features, rows: tuple[Sequence[int], Sequence[int]] | None
) -> list[list[NDArray[np.int64]]]:
    """Of each set: which of its features are of one picture."""
    counts = ([1] * len(ours), [1] * len(reference)) if rows is None else rows
    return [np.split(np.arange(sum(each)), np.cumsum(each)[:-1]) for each in counts]


def too_few(count: int, dimension: int) -> str | None:
    """A warning where a Frechet distance of so many pictures means little; None where it is sound."""
    if count <= dimension:
        return (
            f"{count} pictures for {dimension} features: the covariance is rank-deficient, so the Frechet distance is "
            "biased high and only compares sets of the same size; read KID or CMMD beside it"
        )
    if count < 10_000:
        return f"{count} pictures: a Frechet distance is biased high below some 10,000; compare sets of the same size"
    return None


def _unbiased_mmd(
    ours: Features, reference: Features, kernel: Callable[[Features, Features], Features]
) -> float:
    n, m = len(ours), len(reference)
    if min(n, m) < 2:
        raise ValueError("a kernel distance needs at least two pictures a set; add pictures")
    within, beside, across = kernel(ours, ours), kernel(reference, reference), kernel(ours, reference)
    return float(
        (within.sum() - np.trace(within)) / (n * (n - 1))
        + (beside.sum() - np.trace(beside)) / (m * (m - 1))
        - 2 * across.mean()
    )


def _checked(ours: Features, reference: Features) -> int:
    if ours.ndim != 2 or reference.ndim != 2 or ours.shape[1] != reference.shape[1]:
        raise ValueError(
            f"features must be (N, D) with one D for both sets, got {ours.shape} and {reference.shape}; "
            "use one extractor for both"
        )
    return ours.shape[1]
