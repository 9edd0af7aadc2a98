"""How to cut a tile into cells: decided on an open-loop reconstruction, for all cells at once."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.prediction_costs import PredictedCells
from inrcodec.decisions.rate_distortion import DEAD_ZONE_OFFSET, dead_zone
from inrcodec.decisions.transform_costs import saving
from inrcodec.signal.prediction import Predictor
from inrcodec.signal.quantiser import Quantiser
from inrcodec.signal.transforms import FEATURE_BITS, cosine_features
from inrcodec.tile.partition import (
    BLOCK,
    SIZES,
    UNIT,
    Partition,
    boundary_indices,
    sample_indices,
)

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

CELL_BITS = {8: 15.0, 16: 15.0, 32: 12.0}
"""Bits of a cell's mode and last significant diagonals that `weight_cost` does not see."""
_SAMPLES_AT_ONCE = 1 << 15
"""Samples of the cells whose predictions, many for every sample, are in memory at once."""


def spectra(planes: FloatArray, partition: Partition, cells: IntArray, size: int) -> FloatArray:
    """Least-squares weights of N cells of one size.

    The basis of a cell is orthonormal, so this is the closed form of fine-tuning its output weights.

    Args:
        planes: (C, H, W) float32 fixed-point samples.
        partition: the cells of the tile.
        cells: (N,) which of them.
        size: their size in samples.

    Returns:
        (N, C, size, size) float32, fixed-point, vertical harmonic first.
    """
    width = planes.shape[2]
    samples = planes.reshape(len(planes), -1)[:, sample_indices(partition, cells, size, width)]
    basis = cosine_features(size).astype(np.float32) / np.float32(2**FEATURE_BITS)
    weights: FloatArray = (
        basis @ np.moveaxis(samples, 0, 1).reshape(len(cells), len(planes), size, size) @ basis.T
    )
    return weights


def open_loop(planes: FloatArray, step: float) -> FloatArray:
    """What a quantised tile looks like to its neighbours: weights of whole 16-sample cells, dead zone.

    Args:
        planes: (C, H, W) float32 fixed-point samples, H and W multiples of 16.
        step: quantiser step in fixed-point units.

    Returns:
        Samples like `planes`, not rounded.
    """
    size = 16
    channels, height, width = planes.shape
    basis = cosine_features(size).astype(np.float32) / np.float32(2**FEATURE_BITS)
    cells = planes.reshape(channels, height // size, size, width // size, size).transpose(0, 1, 3, 2, 4)
    spectrum: FloatArray = np.divide(basis @ cells @ basis.T, np.float32(step))
    weights = dead_zone(spectrum, DEAD_ZONE_OFFSET) * np.float32(step)
    result: FloatArray = (basis.T @ weights @ basis).transpose(0, 1, 3, 2, 4).reshape(planes.shape)
    return result


def split_costs(
    planes: FloatArray, quantiser: Quantiser, predictors: Mapping[int, Predictor]
) -> dict[int, FloatArray]:
    """Rough cost of every cell there could be, predicted from an open-loop reconstruction.

    Args:
        planes: (C, H, W) float32 fixed-point samples, H and W multiples of BLOCK.
        quantiser: the picture's.
        predictors: prediction network of every cell size; need not be exact.

    Returns:
        Per size, (H / size, W / size) float32 bits, distortion included.
    """
    channels, height, width = planes.shape
    step = quantiser.step
    view = np.concatenate([open_loop(planes, step).reshape(channels, -1), np.zeros((channels, 1))], 1)
    costs: dict[int, FloatArray] = {}
    for size in SIZES:
        partition = Partition.uniform((height // BLOCK, width // BLOCK), size)
        best = np.empty(len(partition.size), np.float32)
        chunk = _SAMPLES_AT_ONCE // size**2
        for begin in range(0, len(best), chunk):
            cells = np.arange(begin, min(len(best), begin + chunk))
            boundary = np.rint(np.moveaxis(view[:, boundary_indices(partition, cells, size, width)], 0, 1))
            prediction = predictors[size].predict(boundary.astype(np.float32), step)
            steps = quantiser.steps(size, prediction.deviation)
            spectrum = spectra(planes, partition, cells, size)
            predicted = PredictedCells.of(size, quantiser, prediction, steps, spectrum)
            ranked, best[cells] = predicted.ranked()
            luma = predicted.residuals(np.arange(len(cells)), ranked[:, 0])[:, 0]
            best[cells] -= saving(luma, predicted.factors[:, 0])
        units = size // UNIT
        costs[size] = best[partition.owner[::units, ::units]] + np.float32(CELL_BITS[size])
    return costs


def cheapest_splits(costs: Mapping[int, FloatArray]) -> IntArray:
    """How to cut every block: (block rows, block columns) int64 splits.

    Args:
        costs: what cells cost, as `split_costs` gives it.
    """
    rows, cols = costs[BLOCK].shape
    four = costs[8].reshape(rows * 2, 2, cols * 2, 2).sum((1, 3))
    quarter = np.minimum(four, costs[16])
    split = (four < costs[16]).reshape(rows, 2, cols, 2).transpose(0, 2, 1, 3).reshape(rows, cols, 4)
    ways = 1 + (split * (1 << np.arange(4))).sum(-1)
    whole = costs[BLOCK] <= quarter.reshape(rows, 2, cols, 2).sum((1, 3))
    return np.where(whole, 0, ways).astype(np.int64)
