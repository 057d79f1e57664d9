"""Batches are functions of the seed and their number."""

from __future__ import annotations

from collections import Counter

import pytest

from finetune.data.batches import BatchPlan, seed_of, split_validation

SIZES = [(64, 64)] * 5 + [(96, 64)] * 4


def test_every_example_once_an_epoch_in_batches_of_one_size() -> None:
    plan = BatchPlan(SIZES, list(range(9)), batch_size=2, seed=3)
    assert plan.batches_per_epoch == 3 + 2
    orders = []
    for epoch in range(4):
        batches = [plan.batch(5 * epoch + i) for i in range(5)]
        assert Counter(index for batch in batches for index in batch) == dict.fromkeys(range(9), 1)
        assert all(len({SIZES[index] for index in batch}) == 1 for batch in batches)
        orders.append(tuple(batches))
    assert len(set(orders)) == 4, "each epoch has an order of its own"


def test_a_batch_follows_from_its_number_alone() -> None:
    one, other = (BatchPlan(SIZES, [0, 2, 4, 6, 8], batch_size=2, seed=1) for _ in range(2))
    forwards = [one.batch(number) for number in range(20)]
    assert [other.batch(number) for number in reversed(range(20))] == forwards[::-1]
    assert [BatchPlan(SIZES, [0, 2, 4, 6, 8], batch_size=2, seed=2).batch(n) for n in range(20)] != forwards


def test_seeds_differ_by_each_number() -> None:
    assert len({seed_of(a, b) for a in range(40) for b in range(40)}) == 1600
    assert 0 <= seed_of(2**32 - 1, 10**9) < 2**63


def test_validation_is_kept_out() -> None:
    train, kept = split_validation(10, 3, seed=0)
    assert sorted(train + kept) == list(range(10))
    assert len(kept) == 3
    assert split_validation(10, 3, seed=0) == (train, kept)
    with pytest.raises(ValueError, match="add pictures or lower it"):
        split_validation(3, 3, seed=0)
    with pytest.raises(ValueError, match="no picture is left"):
        BatchPlan(SIZES, [], batch_size=1, seed=0)
