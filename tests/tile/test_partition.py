"""Cells: every sample in exactly one, and nothing looks at what is coded later."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inrcodec.tile.partition import (
    BLOCK,
    SIZES,
    SPLITS,
    UNIT,
    Partition,
    boundary_indices,
    boundary_size,
    sample_indices,
)

splits_of_tiles = arrays(
    np.int64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.integers(0, SPLITS - 1)
)


def width_of(partition):
    return partition.owner.shape[1] * UNIT


def looked_at(partition, size):
    """Per cell of a size, the cells its boundary samples belong to."""
    cells = partition.of_size(size)
    width = width_of(partition)
    index = boundary_indices(partition, cells, size, width)
    for cell, samples in zip(cells.tolist(), index, strict=True):
        y, x = np.divmod(samples[samples >= 0], width)
        yield cell, samples, set(partition.owner[y // UNIT, x // UNIT].tolist())


@settings(max_examples=30, deadline=None)
@given(splits_of_tiles)
def test_cells_cover_every_sample_once(splits):
    partition = Partition.from_splits(splits)
    width = width_of(partition)
    samples = [sample_indices(partition, partition.of_size(s), s, width).ravel() for s in SIZES]
    assert np.array_equal(np.sort(np.concatenate(samples)), np.arange(splits.size * BLOCK**2))
    for cell, (size, row, col) in enumerate(zip(partition.size, partition.row, partition.col, strict=True)):
        k = size // UNIT
        assert (partition.owner[row : row + k, col : col + k] == cell).all()
    assert partition.owner.shape == (4 * splits.shape[0], 4 * splits.shape[1])


@settings(max_examples=30, deadline=None)
@given(splits_of_tiles)
def test_cells_look_only_at_cells_coded_before(splits):
    partition = Partition.from_splits(splits)
    for size in SIZES:
        for cell, samples, seen in looked_at(partition, size):
            if partition.row[cell] == partition.col[cell] == 0:
                assert (samples == -1).all()
                assert partition.level[cell] == 0
                continue
            assert (samples >= 0).all()
            assert (samples < splits.size * BLOCK**2).all()
            assert max(seen) < cell
            assert partition.level[cell] > max(partition.level[list(seen)])


@pytest.mark.parametrize("grouped", [Partition.groups, Partition.fewer_groups])
@settings(max_examples=30, deadline=None)
@given(splits=splits_of_tiles)
def test_groups_respect_dependence(grouped, splits):
    partition = Partition.from_splits(splits)
    done: set[int] = set()
    seen_by = {cell: seen for size in SIZES for cell, _, seen in looked_at(partition, size)}
    for size, cells, place in grouped(partition):
        assert np.array_equal(partition.of_size(size)[place], cells)
        assert (partition.size[cells] == size).all()
        assert all(seen_by[cell] <= done for cell in cells.tolist())
        assert not done & set(cells.tolist())
        done |= set(cells.tolist())
    assert done == set(range(len(partition.size)))


def test_waiting_for_others_of_a_size_saves_groups():
    partition = Partition.from_splits(np.random.default_rng(0).integers(0, SPLITS, (12, 12)))
    assert len(partition.fewer_groups()) < 0.85 * len(partition.groups())


def test_blocks_are_coded_in_raster_order_and_cells_in_z_order():
    partition = Partition.from_splits(np.array([[0, 1], [16, 1 + 0b0010]]))
    places = list(zip(partition.size.tolist(), partition.row.tolist(), partition.col.tolist(), strict=True))
    quarters = [(16, 0, 4), (16, 0, 6), (16, 2, 4), (16, 2, 6)]
    eighths = [
        (8, 4 + 2 * qy + y, 2 * qx + x) for qy in (0, 1) for qx in (0, 1) for y in (0, 1) for x in (0, 1)
    ]
    mixed = [(16, 4, 4), (8, 4, 6), (8, 4, 7), (8, 5, 6), (8, 5, 7), (16, 6, 4), (16, 6, 6)]
    assert places == [(32, 0, 0), *quarters, *eighths, *mixed]


@pytest.mark.parametrize("size", SIZES)
def test_boundary_of_an_inner_cell(size):
    partition = Partition.from_splits(np.full((3, 3), {32: 0, 16: 1, 8: 16}[size]))
    width = width_of(partition)
    row, col = BLOCK // UNIT, BLOCK // UNIT
    cell = int(partition.owner[row, col])
    assert partition.corner[cell]
    y, x = row * UNIT, col * UNIT
    expected = [(y + r, x + c) for r in (-2, -1) for c in range(-2, 2 * size)]
    expected += [(y + r, x + c) for c in (-2, -1) for r in range(size)]
    index = boundary_indices(partition, np.array([cell]), size, width)[0]
    assert len(expected) == boundary_size(size)
    assert index.tolist() == [r * width + c for r, c in expected]


def test_samples_that_are_not_there_are_replaced_by_their_neighbours():
    partition = Partition.from_splits(np.zeros((2, 2), np.int64))
    width, size = 2 * BLOCK, BLOCK
    top, left, last = boundary_indices(partition, np.array([1, 2, 3]), size, width)
    rows = 2 * (2 * size + 2)
    # Nothing above: the first sample to the left stands for the rows above.
    assert set(top[:rows].tolist()) == {size - 1}
    assert top[rows : rows + size].tolist() == [r * width + size - 2 for r in range(size)]
    # Nothing to the left: the first sample above stands for the columns.
    assert set(left[rows:].tolist()) == {(size - 1) * width}
    assert left[:4].tolist() == [(size - 2) * width + c for c in (0, 0, 0, 1)]
    # Nothing beyond the right border: the last sample of the row above goes on.
    assert last[size + 2 : 2 * size + 2].tolist() == [(size - 2) * width + width - 1] * size
