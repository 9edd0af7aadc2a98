"""Global magnitude pruning."""

from __future__ import annotations

import numpy as np
import pytest

from inrcodec.training.prune import prune
from inrcodec.training.siren import Layout, Siren


def test_removes_the_smallest_scores_of_all_layers() -> None:
    score = np.array([5.0, 0.1, 3.0, 0.0, 0.2, 4.0], np.float32)
    every = np.ones(6, np.bool_)
    prunable = np.array([True, True, True, False, True, True])
    kept = prune(score, every, prunable, 0.4)
    np.testing.assert_array_equal(kept, [True, False, True, True, False, True])
    assert every.all()


def test_equal_scores_go_in_index_order() -> None:
    kept = prune(np.zeros(10, np.float32), np.ones(10, np.bool_), np.ones(10, np.bool_), 0.3)
    np.testing.assert_array_equal(kept, [False] * 3 + [True] * 7)


def test_what_is_pruned_stays_pruned() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random(100) < 0.5
    kept = prune(rng.random(100), mask, np.ones(100, np.bool_), 0.2)
    assert not (kept & ~mask).any()
    assert kept.sum() == mask.sum() - round(0.2 * mask.sum())


def test_survivors_of_the_base_paper() -> None:
    siren = Siren.sine_init(Layout.sines(2, (256,) * 4, 3, 200.0), 0)
    prunable = siren.layout.select("weight")
    counts = {}
    for index in range(1, 21):
        siren = siren.prune(prune(np.abs(siren.params), siren.mask, prunable, 0.2))
        counts[index] = int((siren.mask & prunable).sum())
    published = {4: 81_055, 10: 21_248, 13: 10_879, 15: 6_963, 17: 4_456, 18: 3_565, 20: 2_281}
    for index, count in published.items():
        assert abs(counts[index] - count) <= 2
    assert siren.mask[siren.layout.select("bias")].all()
    # at the start the first layer's weights are hundreds of times larger than all others
    assert siren.survivor_counts()["0.weight"] > 500


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_nothing_and_everything(fraction: float) -> None:
    prunable = np.arange(8) < 6
    kept = prune(np.arange(8.0), np.ones(8, np.bool_), prunable, fraction)
    assert kept.sum() == (8 if fraction == 0 else 2)


def test_bad_arguments_are_refused() -> None:
    every = np.ones(3, np.bool_)
    with pytest.raises(ValueError, match="fraction"):
        prune(np.ones(3), every, every, 1.5)
    with pytest.raises(ValueError, match="finite"):
        prune(np.array([1.0, np.nan, 2.0]), every, every, 0.5)
