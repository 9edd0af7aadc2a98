"""The few-step encoder of a tile: cuts it into cells and fits the survivors of each.

The basis of a cell is orthonormal, so the first fine-tuning step of its output weights is closed-form: their
least-squares values are the cell's spectrum, and what has to be coded is the spectrum minus the start. How
to cut is decided on an open-loop reconstruction, for all cells at once; modes, quantisation and the start
itself are decided in closed loop, level by level, exactly as the decoder will see them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.cells import BLOCK, SIZES, UNIT, Partition, boundary_indices, sample_indices, uniform_splits
from inrcodec.choice import Chooser
from inrcodec.codebook import Codebook
from inrcodec.crossplane import carried, slopes
from inrcodec.quantize import DEAD_ZONE_OFFSET, dead_zone
from inrcodec.ratefit import Rate
from inrcodec.reconstruct import FEATURE_BITS, Canvas, cosine_features
from inrcodec.starter import Starter
from inrcodec.tilecoder import TileSymbols

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

DEFAULT_STEPS = 1
"""Fine-tuning steps after the closed-form one."""
CELL_BITS = {8: 13.0, 16: 14.0, 32: 12.0}
"""Bits of a cell's mode and extents that `weight_cost` does not see."""
_SAMPLES_AT_ONCE = 1 << 15
"""Samples of the cells whose starts, many for every sample, are in memory at once."""
TRIALS = 4
"""Modes, and phases, that are tried with the real rate."""


@dataclass(frozen=True)
class Fit:
    """A fitted tile.

    Attributes:
        symbols: its integers.
        planes: (C, H, W) float64, its reconstruction.
    """

    symbols: TileSymbols
    planes: npt.NDArray[np.float64]


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
    rate = Rate.plain(partition, len(planes), codebook.starts[UNIT].modes)
    fit = _closed_loop(partition, spectrum, step, starter, rate, 1, hide=not steps)
    for left in reversed(range(steps)):
        rate = Rate.of(fit.symbols, step, codebook.entropy)
        fit = _closed_loop(partition, spectrum, step, starter, rate, TRIALS, hide=not left)
    return fit


def _closed_loop(
    partition: Partition,
    spectrum: dict[int, FloatArray],
    step: int,
    starter: Starter,
    rate: Rate,
    trials: int,
    *,
    hide: bool,
) -> Fit:
    """One pass over all cells, each seeing its neighbours as the decoder will.

    Args:
        rate: how weights are quantised, and what they cost.
        trials: modes, and phases, per cell that are tried with it.
        hide: whether indices are moved to hide signs; what only says something of the rate does without.
    """
    channels = next(iter(spectrum.values())).shape[1]
    canvas = Canvas(partition, channels)
    modes, phases = np.zeros((2, len(partition.size)), np.int64)
    values = {s: np.zeros(v.shape, np.int64) for s, v in spectrum.items()}
    for size, cells, place in partition.fewer_groups():
        boundary = canvas.boundary(place, size)
        start = starter.exact(size, boundary, step)
        slope = slopes(boundary, start.mean, step)
        chooser = Chooser(rate.of_cells(size, place), start, spectrum[size][place], slope)
        best = chooser.best(trials)
        modes[cells], phases[cells] = best.modes, best.phases
        symbols = chooser.with_hidden_signs(best) if hide else best.indices.astype(np.int64)
        weights = symbols.astype(np.float64) * step
        weights += carried(slope, weights[:, :1])
        starts = np.zeros_like(weights)
        starts[..., start.harmonics] = start.chosen(np.arange(len(cells)), best.modes)
        canvas.draw(place, size, start.mean, starts, weights, best.phases)
        values[size][place] = symbols.reshape(len(cells), channels, size, size)
    return Fit(TileSymbols(partition, modes, phases, values), canvas.image())
