"""Fitting a tile: cut into cells, then a pass over them per fine-tuning step.

In a pass, every cell sees its neighbours exactly as the decoder will.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.mode_decision import ModeDecision
from inrcodec.decisions.partitioning import cheapest_splits, spectra, split_costs
from inrcodec.decisions.prediction_costs import PredictedCells
from inrcodec.decisions.rdoq import Rate
from inrcodec.entropy.syntax import EntropyModel, magnitude_rows
from inrcodec.signal.prediction import Prediction, Predictor
from inrcodec.signal.quantiser import Quantiser
from inrcodec.signal.reconstruction import CellSymbols, close_loop
from inrcodec.tile.partition import SIZES, Group, Partition
from inrcodec.tile.symbols import TileSymbols

FloatArray = npt.NDArray[np.float32]

DEFAULT_PASSES = 1
"""Fine-tuning steps after the closed-form one."""
TRIALS = 4
"""Prediction modes, and other transform types for each, that are tried with the real rate."""


@dataclass(frozen=True)
class Fit:
    """A fitted tile.

    Attributes:
        symbols: its integers.
        planes: (C, H, W) int16 samples that a decoder reconstructs from them, before it restores.
    """

    symbols: TileSymbols
    planes: npt.NDArray[np.int16]


def fit_tile(
    planes: FloatArray,
    quantiser: Quantiser,
    predictors: Mapping[int, Predictor],
    model: EntropyModel,
    passes: int,
    rough: Mapping[int, Predictor] | None = None,
) -> Fit:
    """Fits a tile.

    How to cut is decided on an open-loop reconstruction. Then every pass over the cells, in closed loop, is a
    fine-tuning step: the first rounds their least-squares weights, the others know from the one before what
    symbols cost.

    Args:
        planes: (C, H, W) float32 fixed-point samples, H and W multiples of `BLOCK`.
        quantiser: the picture's.
        predictors: prediction network of every cell size.
        model: tables and context networks.
        passes: rate-distortion fine-tuning steps after the closed-form one.
        rough: networks that decide how to cut, which need not be exact; `predictors` by default.
    """
    costs = split_costs(planes, quantiser, rough or predictors)
    partition = Partition.from_splits(cheapest_splits(costs))
    spectrum = {s: spectra(planes, partition, partition.of_size(s), s) for s in SIZES}
    rate = Rate.plain(partition, len(planes), model.mode_count)
    fit = fit_pass(spectrum, partition, quantiser, predictors, rate, 1, hide=not passes)
    for left in reversed(range(passes)):
        rows = magnitude_rows(fit.symbols, quantiser.step, model)
        rate = Rate.of(fit.symbols, rows, quantiser.step, model)
        fit = fit_pass(spectrum, partition, quantiser, predictors, rate, TRIALS, hide=not left)
    return fit


def fit_pass(
    spectrum: Mapping[int, FloatArray],
    partition: Partition,
    quantiser: Quantiser,
    predictors: Mapping[int, Predictor],
    rate: Rate,
    trials: int,
    *,
    hide: bool,
) -> Fit:
    """Decides the integers of all cells in closed loop.

    Args:
        spectrum: per size, (n, C, size, size) float32 least-squares weights, fixed-point.
        partition: the cells.
        quantiser: the picture's.
        predictors: prediction network of every cell size.
        rate: how weights are quantised, and what they cost.
        trials: prediction modes per cell, and other transform types per mode, that are tried with it.
        hide: whether integers are moved to hide signs; what only says something of the rate does without.
    """
    channels = next(iter(spectrum.values())).shape[1]
    modes, transforms = np.zeros((2, len(partition.size)), np.int64)
    residuals = {s: np.zeros(v.shape, np.int64) for s, v in spectrum.items()}

    def decided(group: Group, prediction: Prediction, steps: FloatArray) -> CellSymbols:
        size, cells, place = group
        predicted = PredictedCells.of(size, quantiser, prediction, steps, spectrum[size][place])
        decision = ModeDecision(predicted, rate.of_cells(size, place))
        found = decision.cheapest(trials)
        symbols = decision.with_hidden_signs(found) if hide else found.symbols()
        modes[cells], transforms[cells] = symbols.modes, symbols.transforms
        residuals[size][place] = symbols.residuals.reshape(len(cells), channels, size, size)
        return symbols

    planes = close_loop(partition, channels, quantiser, predictors, decided)
    return Fit(TileSymbols(partition, modes, transforms, residuals), planes)
