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

from inrcodec.codebook import Codebook
from inrcodec.decisions.mode_decision import Chooser
from inrcodec.decisions.partitioning import choose_splits, spectra
from inrcodec.decisions.prediction_costs import Starter
from inrcodec.decisions.rdoq import Rate
from inrcodec.signal.cross_component import carried, slopes
from inrcodec.signal.reconstruction import Canvas
from inrcodec.tile.partition import SIZES, UNIT, Partition
from inrcodec.tile.symbols import TileSymbols

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

DEFAULT_STEPS = 1
"""Fine-tuning steps after the closed-form one."""
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
