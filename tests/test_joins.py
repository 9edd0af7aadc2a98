"""Filters across the borders of cells: what they touch, what they leave alone, and their arithmetic."""

import numpy as np
import pytest
from synthetic import draw

from inrcodec.cells import Partition
from inrcodec.color import SAMPLE_MAX
from inrcodec.joins import BITS, CLASSES, REACH, TAPS, JoinFilter, across

STEP = 160


def planes_of(partition, name="planes", largest=3000):
    rows, cols = partition.owner.shape
    return draw(name, (3, 8 * rows, 8 * cols), -largest, largest).astype(np.float64)


def test_zero_filters_change_nothing():
    partition = Partition.from_splits(np.array([[0, 16], [5, 1]]))
    planes = planes_of(partition)
    zero = JoinFilter(np.zeros((2, CLASSES, TAPS, TAPS)))
    result = zero.smooth(planes, partition, STEP)
    assert result is not planes
    assert np.array_equal(result, planes)


def test_only_samples_beside_a_border_change(synthetic_codebook):
    partition = Partition.from_splits(np.array([[0, 0], [1, 0]]))
    planes = planes_of(partition)
    before = planes.copy()
    changed = (synthetic_codebook.joins.smooth(planes, partition, STEP) != planes).any(0)
    assert np.array_equal(planes, before)
    near = np.zeros((64, 64), bool)
    near[:, 32 - REACH : 32 + REACH] = True
    near[32 - REACH : 32 + REACH] = True
    near[32:, 16 - REACH : 16 + REACH] = True
    near[48 - REACH : 48 + REACH, :32] = True
    # The edges of a tile are no borders: tiles are independent.
    assert not changed[~near].any()
    assert changed[near].mean() > 0.8


def test_a_single_cell_has_no_borders(synthetic_codebook):
    partition = Partition.from_splits(np.array([[0]]))
    planes = planes_of(partition)
    assert np.array_equal(synthetic_codebook.joins.smooth(planes, partition, STEP), planes)


def test_the_filter_is_the_documented_sum(synthetic_codebook):
    """Two cells side by side: one border, column filters only; integers of Python as the witness."""
    partition = Partition.from_splits(np.array([[0, 0]]))
    planes = planes_of(partition, "two cells", 200)
    result = synthetic_codebook.joins.smooth(planes, partition, STEP)
    classes = set()
    for channel in range(3):
        for row in range(32):
            samples = [int(v) for v in planes[channel, row, 28:36]]
            jump = sum(abs(samples[4] - samples[3]) * n >= STEP for n in (16, 8, 4, 2))
            most = max(abs(samples[3] - samples[1]), abs(samples[6] - samples[4]))
            activity = sum(most * n >= STEP for n in (16, 4))
            kind = ((min(channel, 1) * 3 + 2) * 5 + jump) * 3 + activity
            classes.add(kind)
            mean8 = sum(samples)
            filters = synthetic_codebook.joins.filters[0, kind]
            for i, sample in enumerate(samples):
                total = sum(int(filters[i, j]) * (8 * samples[j] - mean8) for j in range(8))
                expected = sample + (total + 2 ** (BITS + 2) >> BITS + 3)
                assert result[channel, row, 28 + i] == expected
    assert len(classes) > 5


@pytest.mark.parametrize("value", [SAMPLE_MAX, -SAMPLE_MAX])
def test_results_stay_in_range(synthetic_codebook, value):
    partition = Partition.from_splits(np.array([[16, 16], [16, 16]]))
    planes = np.where(planes_of(partition) > 0, float(value), float(-value))
    result = synthetic_codebook.joins.smooth(planes, partition, 1)
    assert np.abs(result).max() == SAMPLE_MAX
    assert np.array_equal(result, np.floor(result))


def test_across_is_centred_on_the_borders():
    planes = np.arange(32.0).reshape(1, 1, 32).repeat(8, 1)
    assert across(planes)[0, 0].tolist() == [list(range(4 + 8 * b, 12 + 8 * b)) for b in range(3)]
