"""The few-step encoder of a tile: cuts it into cells and fits the survivors of each.

The basis of a cell is orthonormal, so the first fine-tuning step of its output weights is closed-form: their
least-squares values are the cell's spectrum, and what has to be coded is the spectrum minus the start. How
to cut is decided on an open-loop reconstruction, for all cells at once; modes, quantisation and the start
itself are decided in closed loop, level by level, exactly as the decoder will see them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.cells import BLOCK, SIZES, UNIT, Partition, boundary_indices, sample_indices, uniform_splits
from inrcodec.codebook import Codebook
from inrcodec.quantize import EXCHANGE, dead_zone
from inrcodec.ratefit import Rate
from inrcodec.reconstruct import FEATURE_BITS, Canvas, cosine_features
from inrcodec.starts import WEIGHT_MAX
from inrcodec.tilecoder import TileSymbols

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

DEFAULT_STEPS = 1
"""Fine-tuning steps after the closed-form one."""
DEAD_ZONE_OFFSET = 0.36
"""Rounding offset where nothing is known of the rate."""
CELL_BITS = {8: 13.0, 16: 14.0, 32: 12.0}
"""Bits of a cell's mode and extents that `weight_cost` does not see."""


@dataclass(frozen=True)
class Fit:
    """A fitted tile.

    Attributes:
        symbols: its integers.
        planes: (C, H, W) float64, its reconstruction.
    """

    symbols: TileSymbols
    planes: npt.NDArray[np.float64]


def weight_cost(weights: FloatArray) -> FloatArray:
    """Estimate in bits of coding weights (in quantiser steps), distortion included.

    Below half a step it is the distortion of dropping the weight; far above it grows by two bits per
    doubling, as an Exp-Golomb code does. The same function is the outer loss of meta-training.
    """
    squares = weights * weights
    return np.float32(EXCHANGE) * squares / (1 + np.float32(1.4) * squares) + np.log2(1 + squares / 2)


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


class Starter:
    """Evaluates start networks, by far the most work of an encode, with numpy or on a torch device."""

    def __init__(self, codebook: Codebook, xp: Any = np, device: str = "cpu") -> None:
        self._xp, self._device = xp, device
        self._networks = {s: n if xp is np else n.to(xp, device) for s, n in codebook.starts.items()}

    def exact(self, size: int, boundary: npt.NDArray[np.float64], step: int) -> "_Start":
        """Starts as the decoder will compute them, of (N, C, boundary_size) integer samples."""
        network, xp = self._networks[size], self._xp
        if xp is np:
            mean, scale, features = network.look(boundary, step)
            return _Start(size, step, network.harmonics, mean, network.starts(features, scale))
        mean, scale, features = network.look(xp.as_tensor(boundary, device=self._device), step, xp)
        starts = network.starts(features, scale, xp)
        return _Start(size, step, network.harmonics, mean.cpu().numpy(), starts.cpu().numpy())

    def rough(self, size: int, boundary: npt.NDArray[np.float64], step: int) -> "_Start":
        """Starts for decisions that nothing else depends on: float32 where that is faster."""
        if self._xp is not np:
            return self.exact(size, boundary, step)
        network = self._networks[size].approximate
        mean, scale, features = network.look(boundary.astype(np.float32), step)
        return _Start(size, step, network.harmonics, mean, network.starts(features, scale))


@dataclass(frozen=True, eq=False)
class _Start:
    """Starts of some cells of one size.

    Attributes:
        size, step: of the cells.
        harmonics: flat indices of the predicted harmonics.
        mean: (N, C, 1) mean of the boundary.
        starts: (N, C, modes, K) starts of every mode.
    """

    size: int
    step: int
    harmonics: IntArray
    mean: npt.NDArray[np.floating[Any]]
    starts: npt.NDArray[np.floating[Any]]

    def best(self, spectrum: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
        """The cheapest mode.

        Args:
            spectrum: (N, C, size, size) least-squares weights.

        Returns:
            (N,) modes, (N, C, size * size) weights minus the chosen start, in steps, and (N,) their cost.
        """
        difference = spectrum.reshape(*spectrum.shape[:2], -1).copy()
        difference[..., 0] -= self.mean[..., 0] * self.size
        low = difference[..., self.harmonics]
        costs = weight_cost((low[:, :, None] - self.starts.astype(np.float32)) / np.float32(self.step)).sum(
            (1, 3)
        )
        modes = costs.argmin(1)
        every = np.arange(len(modes))
        rest = np.ones(difference.shape[2], np.bool_)
        rest[self.harmonics] = False
        cost = costs[every, modes] + weight_cost(difference[..., rest] / np.float32(self.step)).sum((1, 2))
        difference[..., self.harmonics] = low - self.starts[every, :, modes]
        return modes, difference / np.float32(self.step), cost


def choose_splits(planes: FloatArray, step: int, starter: Starter) -> IntArray:
    """How to cut every block: the cheapest by `weight_cost`, with starts from an open-loop reconstruction."""
    _, height, width = planes.shape
    blocks = (height // BLOCK, width // BLOCK)
    view = np.concatenate([open_loop(planes, step).reshape(len(planes), -1), np.zeros((len(planes), 1))], 1)
    cost: dict[int, FloatArray] = {}
    for size in SIZES:
        partition = Partition.from_splits(uniform_splits(blocks, size))
        cells = np.arange(len(partition.size))
        boundary = np.rint(np.moveaxis(view[:, boundary_indices(partition, cells, size, width)], 0, 1))
        best = starter.rough(size, boundary, step).best(spectra(planes, partition, cells, size))[2]
        grid = np.empty((height // size, width // size), np.float32)
        grid[partition.row * UNIT // size, partition.col * UNIT // size] = best + CELL_BITS[size]
        cost[size] = grid
    four = cost[8].reshape(blocks[0] * 2, 2, blocks[1] * 2, 2).sum((1, 3))
    quarter = np.minimum(four, cost[16])
    split = (four < cost[16]).reshape(blocks[0], 2, blocks[1], 2).transpose(0, 2, 1, 3).reshape(*blocks, 4)
    ways = 1 + (split * (1 << np.arange(4))).sum(-1)
    whole = cost[32] <= quarter.reshape(blocks[0], 2, blocks[1], 2).sum((1, 3))
    return np.where(whole, 0, ways).astype(np.int64)


def fit_tile(
    planes: FloatArray,
    step: int,
    codebook: Codebook,
    steps: int = DEFAULT_STEPS,
    xp: Any = np,
    device: str = "cpu",
) -> Fit:
    """Fits a tile.

    Args:
        planes: (C, H, W) float32 fixed-point planes, H and W multiples of `BLOCK`.
        step: quantiser step in fixed-point units.
        codebook: what decoder and encoder share.
        steps: rate-distortion fine-tuning steps after the closed-form one.
        xp: numpy or torch, for the start networks.
        device: torch device.
    """
    starter = Starter(codebook, xp, device)
    partition = Partition.from_splits(choose_splits(planes, step, starter))
    spectrum = {s: spectra(planes, partition, partition.of_size(s), s) for s in SIZES}
    fit = _closed_loop(partition, spectrum, step, starter, _plain)
    for _ in range(steps):
        rate = Rate.of(fit.symbols, step, codebook.entropy)
        fit = _closed_loop(partition, spectrum, step, starter, rate.quantise)
    return fit


def _plain(size: int, place: IntArray, weights: FloatArray) -> FloatArray:
    """Quantisation that knows nothing of the rate."""
    del size, place
    return dead_zone(weights, DEAD_ZONE_OFFSET)


def _closed_loop(
    partition: Partition,
    spectrum: dict[int, FloatArray],
    step: int,
    starter: Starter,
    quantise: Callable[[int, IntArray, FloatArray], FloatArray],
) -> Fit:
    """One pass over all cells, each seeing its neighbours as the decoder will.

    Args:
        quantise: takes a size, positions among the cells of that size, and weights in steps.
    """
    channels = next(iter(spectrum.values())).shape[1]
    canvas = Canvas(partition, channels)
    modes = np.zeros(len(partition.size), np.int64)
    values = {s: np.zeros(v.shape, np.int64) for s, v in spectrum.items()}
    rank = partition.ranks()
    # What a decoder accepts; no picture comes near it.
    largest = WEIGHT_MAX // step
    for size, cells in partition.groups():
        place = rank[cells]
        start = starter.exact(size, canvas.boundary(cells, size), step)
        modes[cells], difference, _ = start.best(spectrum[size][place])
        symbols = np.clip(quantise(size, place, difference), -largest, largest)
        weights = symbols.astype(np.float64) * step
        weights[..., start.harmonics] += start.starts[np.arange(len(cells)), :, modes[cells]]
        shape = (len(cells), channels, size, size)
        canvas.draw(cells, size, start.mean, weights.reshape(shape))
        values[size][place] = symbols.reshape(shape)
    return Fit(TileSymbols(partition, modes, values), canvas.image())
