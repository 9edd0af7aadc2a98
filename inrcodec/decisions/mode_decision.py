"""Mode decision: a cell's prediction mode and transform type, by what its quantised residual costs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.prediction_costs import PredictedCells
from inrcodec.decisions.rate_distortion import weight_cost
from inrcodec.decisions.rdoq import CellRate
from inrcodec.decisions.transform_costs import turns
from inrcodec.entropy.syntax import bandwidth_class
from inrcodec.signal.cross_component import SLOPE_BITS, per_harmonic
from inrcodec.signal.reconstruction import CellSymbols
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.symbols import last_diagonals
from inrcodec.tile.transform_types import AXIS_TRANSFORMS, TRANSFORMS

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_ALL, _LUMA, _CHROMA = slice(None), slice(0, 1), slice(1, None)
_MIDDLE = 1
"""The class of bandwidths that is expected of what is not quantised yet."""


@dataclass(frozen=True)
class Trials:
    """Modes and transform types that were tried, for each of some cells of one size.

    Attributes:
        modes, transforms: (N,) int64.
        quantised: (N, C, size * size) quantised residuals, integers in float32.
        cost: (N,) float32 bits, distortion included.
    """

    modes: IntArray
    transforms: IntArray
    quantised: FloatArray
    cost: FloatArray

    def and_then(self, other: "Trials") -> "Trials":
        """One after the other."""
        return Trials(
            np.concatenate([self.modes, other.modes]),
            np.concatenate([self.transforms, other.transforms]),
            np.concatenate([self.quantised, other.quantised]),
            np.concatenate([self.cost, other.cost]),
        )

    def cheapest(self, cells: int) -> "Trials":
        """Of trials of that many cells, one after the other, the cheapest of every cell."""
        best = self.cost.reshape(-1, cells).argmin(0) * cells + np.arange(cells)
        return Trials(self.modes[best], self.transforms[best], self.quantised[best], self.cost[best])

    def symbols(self) -> CellSymbols:
        """The integers that were tried."""
        return CellSymbols(self.modes, self.transforms, self.quantised.astype(np.int64))


class ModeDecision:
    """Decides the integers of cells of one size."""

    def __init__(self, cells: PredictedCells, rate: CellRate) -> None:
        """Takes what is known of the N cells, and what their symbols cost."""
        self._cells, self._rate = cells, rate
        self._every = np.arange(len(cells.weights))
        slope = per_harmonic(cells.prediction.slope, cells.size**2)
        # Quantised luma counts luma's steps; what it adds to chroma counts those of chroma.
        ratio = cells.factors[:, :1] / cells.factors
        self._slope: FloatArray = (slope / 2**SLOPE_BITS).astype(np.float32) * ratio

    def cheapest(self, trials: int) -> Trials:
        """The cheapest found: some modes, each with the first transform type and some others.

        Args:
            trials: modes, and other transform types for each, that are tried per cell: the most promising by
                `weight_cost`, types with the most promising mode.
        """
        count = len(self._every)
        ranked, _ = self._cells.ranked()
        modes = ranked[:, :trials].T.ravel()
        cells = np.arange(len(modes)) % count
        residuals = self._cells.residuals(cells, modes)
        in_steps = self._cells.in_own_steps(residuals, cells, _ALL)
        first = self._quantised(cells, in_steps, modes, np.zeros_like(modes))
        promising = self._promising(modes[:count], residuals[:count, 0])[:trials]
        transforms = promising[:, cells].ravel()
        pairs = np.arange(len(transforms)) % len(modes)
        transformed = self._transformed(cells[pairs], residuals[pairs], transforms)
        other = self._quantised(cells[pairs], transformed, modes[pairs], transforms)
        return first.and_then(other).cheapest(count)

    def with_hidden_signs(self, found: Trials) -> CellSymbols:
        """What was found, its quantised residuals moved so that they hide signs."""
        residuals = self._cells.residuals(self._every, found.modes)
        residuals = self._transformed(self._every, residuals, found.transforms)
        # What a decoder accepts, less one to move by; no picture comes near it.
        largest = WEIGHT_MAX // self._cells.step - 1
        luma = np.clip(found.quantised[:, _LUMA], -largest, largest)
        quantised = self._rate.hide_signs(_LUMA, residuals[:, _LUMA], luma)
        if residuals.shape[1] > 1:
            rest = self._after_luma(self._every, residuals, quantised)
            chroma, _ = self._rate.quantise(self._every, _CHROMA, rest)
            chroma = self._rate.hide_signs(_CHROMA, rest, np.clip(chroma, -largest, largest))
            quantised = np.concatenate([quantised, chroma], axis=1)
        return CellSymbols(found.modes, found.transforms, quantised.astype(np.int64))

    def _promising(self, modes: IntArray, residuals: FloatArray) -> IntArray:
        """Transform types but the first by `weight_cost` of luma (N, size * size): (TRANSFORMS - 1, N)."""
        size = self._cells.size
        axes = turns(size)[:, None]
        turned = (axes @ residuals.reshape(-1, size, size))[:, None] @ axes.swapaxes(2, 3)
        flat = turned.astype(np.float32, copy=False).reshape(TRANSFORMS, *residuals.shape)
        costs = weight_cost(self._cells.in_own_steps(flat, _ALL, 0)).sum(2)
        costs += self._rate.transforms[modes, _MIDDLE].T
        return 1 + np.argsort(costs[1:], axis=0, kind="stable")

    def _transformed(self, cells: IntArray, residuals: FloatArray, transforms: IntArray) -> FloatArray:
        """Residuals of cosines as those of given transform types, in the steps of their weights.

        Args:
            cells: (M,) which cells.
            residuals: (M, C, size * size) in the picture's steps.
            transforms: (M,) transform types.
        """
        size = self._cells.size
        axes = turns(size)
        vertical, horizontal = (axes[kinds][:, None] for kinds in np.divmod(transforms, AXIS_TRANSFORMS))
        grid = residuals.reshape(*residuals.shape[:2], size, size)
        turned: FloatArray = (vertical @ grid @ horizontal.swapaxes(2, 3)).astype(np.float32, copy=False)
        return self._cells.in_own_steps(turned.reshape(residuals.shape), cells, _ALL)

    def _after_luma(self, cells: IntArray, residuals: FloatArray, luma: FloatArray) -> FloatArray:
        """What quantised luma (M, 1, size * size) leaves of the residuals of chroma."""
        return residuals[:, _CHROMA] - self._slope[cells][:, _CHROMA] * luma

    def _quantised(
        self, cells: IntArray, residuals: FloatArray, modes: IntArray, transforms: IntArray
    ) -> Trials:
        """Quantises residuals of given cells, in steps; luma first, of which chroma takes over.

        Args:
            cells: (M,) which cells.
            residuals: (M, C, size * size) in quantiser steps.
            modes: (M,) the prediction modes that leave them.
            transforms: (M,) the transform types that they are of.
        """
        rate = self._rate
        quantised, cost = rate.quantise(cells, _LUMA, residuals[:, _LUMA])
        size = self._cells.size
        last = last_diagonals(quantised.reshape(-1, 1, size, size).astype(np.int64))[:, 0]
        types = rate.transforms[modes, bandwidth_class(size, last), transforms]
        # Without luma there is no transform type.
        cost = cost + rate.modes[cells, modes] + np.where(last > 0, types, 0)
        cost[(last == 0) & (transforms > 0)] = np.inf
        if residuals.shape[1] > 1:
            rest = self._after_luma(cells, residuals, quantised)
            chroma, extra = rate.quantise(cells, _CHROMA, rest)
            quantised, cost = np.concatenate([quantised, chroma], axis=1), cost + extra
        return Trials(modes, transforms, quantised, cost)
