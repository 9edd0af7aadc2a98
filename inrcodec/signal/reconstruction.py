"""Native-grid reconstruction: weights in, planes out, in exact integers.

Cells are visited group by group. Each takes its predicted weights from the samples around it, adds the coded
residual and what luma's residual says of chroma, and evaluates the harmonic SIREN on its own sample grid. On
that grid the network is a separable sum of cosines or sines, so small integer matrix products do it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from inrcodec.signal.cross_component import carried
from inrcodec.signal.prediction import Prediction, Predictor, predicted_harmonics
from inrcodec.signal.quantiser import Quantiser
from inrcodec.signal.transforms import FEATURE_BITS, axis_features
from inrcodec.tile.fixed_point import SAMPLE_MAX, WEIGHT_MAX
from inrcodec.tile.partition import (
    SIZES,
    UNIT,
    Group,
    Partition,
    boundary_indices,
    by_value,
    sample_indices,
)
from inrcodec.tile.symbols import TileSymbols
from inrcodec.tile.transform_types import AXIS_TRANSFORMS

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]
Planes = npt.NDArray[np.int16]


class CellSymbols(NamedTuple):
    """The integers of the N cells of a group.

    Attributes:
        modes: (N,) int64 prediction modes.
        transforms: (N,) int64 transform types.
        residuals: (N, C, size * size) int64 quantised residuals, vertical harmonic first.
    """

    modes: IntArray
    transforms: IntArray
    residuals: IntArray


def reconstruct(symbols: TileSymbols, quantiser: Quantiser, predictors: Mapping[int, Predictor]) -> Planes:
    """Planes of a tile.

    Args:
        symbols: the tile's integers.
        quantiser: the picture's.
        predictors: prediction network of every cell size.

    Returns:
        (C, H, W) int16 fixed-point samples within SAMPLE_MAX, H and W the padded tile's.
    """

    def known(group: Group, _: Prediction, __: FloatArray) -> CellSymbols:
        residuals = symbols.residuals[group.size][group.place]
        flat = residuals.reshape(*residuals.shape[:2], -1)
        return CellSymbols(symbols.modes[group.cells], symbols.transforms[group.cells], flat)

    return close_loop(symbols.partition, symbols.channels, quantiser, predictors, known)


def close_loop(
    partition: Partition,
    channels: int,
    quantiser: Quantiser,
    predictors: Mapping[int, Predictor],
    symbols_of: Callable[[Group, Prediction, FloatArray], CellSymbols],
) -> Planes:
    """Draws the cells of a tile, each predicted from those drawn before it.

    Args:
        partition: the cells.
        channels: 1 or 3.
        quantiser: the picture's.
        predictors: prediction network of every cell size.
        symbols_of: the integers of a group's cells, given their prediction and the steps of their weights: a
            decoder has read them, an encoder decides now.

    Returns:
        (C, H, W) int16 fixed-point samples within SAMPLE_MAX, H and W the padded tile's.
    """
    canvas = Canvas(partition, channels)
    # Scheduled, not grouped by level: fewer groups, and any order that respects dependence draws the same.
    for group in partition.fewer_groups():
        prediction = predictors[group.size].predict(canvas.boundary(group), quantiser.step)
        steps = quantiser.steps(group.size, prediction.deviation)
        symbols = symbols_of(group, prediction, steps)
        residual = np.clip(symbols.residuals.astype(np.float64) * steps, -WEIGHT_MAX, WEIGHT_MAX)
        residual += carried(prediction.slope, residual[:, :1])
        canvas.draw(group, prediction, symbols.modes, residual, symbols.transforms)
    return canvas.image()


class Canvas:
    """Planes under reconstruction, addressed by flat sample index; all zero at first."""

    def __init__(self, partition: Partition, channels: int) -> None:
        rows, cols = partition.owner.shape
        self._height, self._width = rows * UNIT, cols * UNIT
        # One sample more, which stays zero, stands for "no neighbour".
        self._planes = np.zeros((channels, self._height * self._width + 1))
        # Of all cells at once: there are many groups, and few cells in each.
        of_size = {s: partition.of_size(s) for s in SIZES}
        self._around = {s: boundary_indices(partition, c, s, self._width) for s, c in of_size.items()}
        self._inside = {s: sample_indices(partition, c, s, self._width) for s, c in of_size.items()}

    def boundary(self, group: Group) -> FloatArray:
        """Boundary samples of the N cells of a group: (N, C, boundary_size) integers in float64."""
        return np.moveaxis(self._planes[:, self._around[group.size][group.place]], 0, 1)

    def draw(
        self,
        group: Group,
        prediction: Prediction,
        modes: IntArray,
        residual: FloatArray,
        transforms: IntArray,
    ) -> None:
        """Evaluates the N cells of a group on their grid and stores their samples.

        Args:
            group: the cells.
            prediction: what their boundaries say of them.
            modes: (N,) prediction modes.
            residual: (N, C, size * size) weights of the harmonics of their transform types; fixed-point
                integers, vertical harmonic first.
            transforms: (N,) transform types.
        """
        size, axes = group.size, axis_features(group.size)
        shape = (*residual.shape[:2], size, size)
        predicted = np.zeros_like(residual)
        predicted[..., predicted_harmonics(size)] = prediction.chosen(modes)
        # |weights| <= 2**20 and features below 2**11.5: with 32 terms twice, sums stay below 2**53.
        samples = axes[0].T @ predicted.reshape(shape) @ axes[0]
        for transform, cells in by_value(transforms):
            vertical, horizontal = axes[transform // AXIS_TRANSFORMS], axes[transform % AXIS_TRANSFORMS]
            samples[cells] += vertical.T @ residual.reshape(shape)[cells] @ horizontal
        half = 2.0 ** (2 * FEATURE_BITS - 1)
        flat = np.floor((samples + half) / (2 * half)).reshape(residual.shape) + prediction.mean
        inside = self._inside[size][group.place]
        self._planes[:, inside] = np.moveaxis(np.clip(flat, -SAMPLE_MAX, SAMPLE_MAX), 0, 1)

    def image(self) -> Planes:
        """The planes: (C, H, W) int16, within SAMPLE_MAX."""
        return self._planes[:, :-1].reshape(-1, self._height, self._width).astype(np.int16)
