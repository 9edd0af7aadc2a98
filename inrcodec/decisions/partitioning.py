"""How to cut a tile into cells: decided on an open-loop reconstruction, for all cells at once."""

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.prediction_costs import Starter
from inrcodec.decisions.quantizer import DEAD_ZONE_OFFSET, dead_zone
from inrcodec.signal.transforms import FEATURE_BITS, cosine_features
from inrcodec.tile.partition import (
    BLOCK,
    SIZES,
    UNIT,
    Partition,
    boundary_indices,
    sample_indices,
    uniform_splits,
)

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

CELL_BITS = {8: 13.0, 16: 14.0, 32: 12.0}
"""Bits of a cell's mode and extents that `weight_cost` does not see."""
_SAMPLES_AT_ONCE = 1 << 15
"""Samples of the cells whose starts, many for every sample, are in memory at once."""


def spectra(planes: FloatArray, partition: Partition, cells: IntArray, size: int) -> FloatArray:
    """Least-squares output weights of cells: (N, C, size, size), vertical harmonic first."""
    width = planes.shape[2]
    samples = planes.reshape(len(planes), -1)[:, sample_indices(partition, cells, size, width)]
    basis = cosine_features(size).astype(np.float32) / np.float32(2**FEATURE_BITS)
    weights: FloatArray = (
        basis @ np.moveaxis(samples, 0, 1).reshape(len(cells), len(planes), size, size) @ basis.T
    )
    return weights


def open_loop(planes: FloatArray, step: float) -> FloatArray:
    """What a quantised tile looks like to its neighbours: weights of whole 16-sample cells, dead zone."""
    size = 16
    channels, height, width = planes.shape
    basis = cosine_features(size).astype(np.float32) / np.float32(2**FEATURE_BITS)
    cells = planes.reshape(channels, height // size, size, width // size, size).transpose(0, 1, 3, 2, 4)
    spectrum: FloatArray = np.divide(basis @ cells @ basis.T, np.float32(step))
    weights = dead_zone(spectrum, DEAD_ZONE_OFFSET) * np.float32(step)
    result: FloatArray = (basis.T @ weights @ basis).transpose(0, 1, 3, 2, 4).reshape(planes.shape)
    return result


def choose_splits(planes: FloatArray, step: int, starter: Starter) -> IntArray:
    """How to cut every block: the cheapest by `weight_cost`, with starts from an open-loop reconstruction."""
    _, height, width = planes.shape
    blocks = (height // BLOCK, width // BLOCK)
    view = np.concatenate([open_loop(planes, step).reshape(len(planes), -1), np.zeros((len(planes), 1))], 1)
    cost: dict[int, FloatArray] = {}
    for size in SIZES:
        partition = Partition.from_splits(uniform_splits(blocks, size))
        best = np.empty(len(partition.size), np.float32)
        chunk = _SAMPLES_AT_ONCE // size**2
        for begin in range(0, len(best), chunk):
            cells = np.arange(begin, min(len(best), begin + chunk))
            boundary = np.rint(np.moveaxis(view[:, boundary_indices(partition, cells, size, width)], 0, 1))
            start = starter.rough(size, boundary, step)
            _, best[cells] = start.ranked(start.centred(spectra(planes, partition, cells, size)))
        grid = np.empty((height // size, width // size), np.float32)
        grid[partition.row * UNIT // size, partition.col * UNIT // size] = best + CELL_BITS[size]
        cost[size] = grid
    four = cost[8].reshape(blocks[0] * 2, 2, blocks[1] * 2, 2).sum((1, 3))
    quarter = np.minimum(four, cost[16])
    split = (four < cost[16]).reshape(blocks[0], 2, blocks[1], 2).transpose(0, 2, 1, 3).reshape(*blocks, 4)
    ways = 1 + (split * (1 << np.arange(4))).sum(-1)
    whole = cost[32] <= quarter.reshape(blocks[0], 2, blocks[1], 2).sum((1, 3))
    return np.where(whole, 0, ways).astype(np.int64)
