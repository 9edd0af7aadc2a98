"""Fitting a tile: cut into cells, then passes over them that decide their integers.

In a pass, every cell sees its neighbours exactly as the decoder will.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.effort import Effort
from inrcodec.decisions.mode_decision import ModeDecision
from inrcodec.decisions.partitioning import cheapest_splits, spectra, split_costs
from inrcodec.decisions.prediction_costs import PredictedCells
from inrcodec.decisions.rdoq import Rate
from inrcodec.entropy.syntax import EntropyModel, magnitude_rows
from inrcodec.signal.prediction import Prediction, Predictor
from inrcodec.signal.quantiser import Quantiser
from inrcodec.signal.reconstruction import CellSymbols, close_loop
from inrcodec.tile.partition import BLOCK, SIZES, UNIT, Group, Partition
from inrcodec.tile.symbols import TileSymbols

FloatArray = npt.NDArray[np.float32]

FITTED_CELL_BITS = {8: 9.0, 16: 11.0, 32: 12.0}
"""Bits of a cell's last significant diagonals, and what else its fit does not count."""


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
    effort: Effort,
    rough: Mapping[int, Predictor] | None = None,
) -> Fit:
    """Fits a tile.

    How to cut is decided on an open-loop reconstruction and, with more effort, on fits with cells of one
    size. Then cells are fitted in closed loop.

    Args:
        planes: (C, H, W) float32 fixed-point samples, H and W multiples of `BLOCK`.
        quantiser: the picture's.
        predictors: prediction network of every cell size.
        model: tables and context networks.
        effort: what is tried.
        rough: networks that decide how to cut, which need not be exact; `predictors` by default.
    """
    costs = split_costs(planes, quantiser, rough or predictors)
    if effort.cut_trials:
        # Either errs in its own way: real neighbours will have other sizes, and rough costs are rough.
        fitted = _fitted_costs(planes, quantiser, predictors, model, effort.cut_trials)
        costs = {size: (costs[size] + fitted[size]) * np.float32(0.5) for size in SIZES}
    partition = Partition.from_splits(cheapest_splits(costs))
    fit, _ = _fit_cells(planes, partition, quantiser, predictors, model, effort.trials, hide=True)
    return fit


def _fitted_costs(
    planes: FloatArray,
    quantiser: Quantiser,
    predictors: Mapping[int, Predictor],
    model: EntropyModel,
    trials: int,
) -> dict[int, FloatArray]:
    """What cells of each size cost in a tile that has no others: like `split_costs`."""
    _, height, width = planes.shape
    costs = {}
    for size in SIZES:
        partition = Partition.uniform((height // BLOCK, width // BLOCK), size)
        _, fitted = _fit_cells(planes, partition, quantiser, predictors, model, trials, hide=False)
        units = size // UNIT
        costs[size] = fitted[partition.owner[::units, ::units]] + np.float32(FITTED_CELL_BITS[size])
    return costs


def _fit_cells(
    planes: FloatArray,
    partition: Partition,
    quantiser: Quantiser,
    predictors: Mapping[int, Predictor],
    model: EntropyModel,
    trials: int,
    *,
    hide: bool,
) -> tuple[Fit, FloatArray]:
    """Two passes: the first rounds least-squares weights, the second knows from it what symbols cost.

    Without trials there is the first only. Returns what `fit_pass` does.
    """
    spectrum = {s: spectra(planes, partition, partition.of_size(s), s) for s in SIZES}
    rate = Rate.plain(partition, len(planes), model.mode_count)
    found = fit_pass(spectrum, partition, quantiser, predictors, rate, 1, hide=hide and not trials)
    if trials:
        symbols = found[0].symbols
        rate = Rate.of(symbols, magnitude_rows(symbols, quantiser.step, model), quantiser.step, model)
        found = fit_pass(spectrum, partition, quantiser, predictors, rate, trials, hide=hide)
    return found


def fit_pass(
    spectrum: Mapping[int, FloatArray],
    partition: Partition,
    quantiser: Quantiser,
    predictors: Mapping[int, Predictor],
    rate: Rate,
    trials: int,
    *,
    hide: bool,
) -> tuple[Fit, FloatArray]:
    """Decides the integers of all cells in closed loop.

    Args:
        spectrum: per size, (n, C, size, size) float32 least-squares weights, fixed-point.
        partition: the cells.
        quantiser: the picture's.
        predictors: prediction network of every cell size.
        rate: how weights are quantised, and what they cost.
        trials: prediction modes per cell, and other transform types per mode, that are tried with it.
        hide: whether integers are moved to hide signs; what only says something of the rate does without.

    Returns:
        The fit, and what cells cost before signs are hidden: (cells,) float32 bits, distortion included.
    """
    channels = next(iter(spectrum.values())).shape[1]
    modes, transforms = np.zeros((2, len(partition.size)), np.int64)
    residuals = {s: np.zeros(v.shape, np.int64) for s, v in spectrum.items()}
    costs = np.empty(len(partition.size), np.float32)

    def decided(group: Group, prediction: Prediction, steps: FloatArray) -> CellSymbols:
        size, cells, place = group
        predicted = PredictedCells.of(size, quantiser, prediction, steps, spectrum[size][place])
        decision = ModeDecision(predicted, rate.of_cells(size, place))
        found = decision.cheapest(trials)
        costs[cells] = found.cost
        symbols = decision.with_hidden_signs(found) if hide else found.symbols()
        modes[cells], transforms[cells] = symbols.modes, symbols.transforms
        residuals[size][place] = symbols.residuals.reshape(len(cells), channels, size, size)
        return symbols

    planes = close_loop(partition, channels, quantiser, predictors, decided)
    return Fit(TileSymbols(partition, modes, transforms, residuals), planes), costs
