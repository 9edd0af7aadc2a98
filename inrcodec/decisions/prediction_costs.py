"""What the predictions of a cell leave to code, and what that costs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.rate_distortion import weight_cost
from inrcodec.signal.prediction import Prediction, predicted_harmonics
from inrcodec.signal.quantiser import Quantiser

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PredictedCells:
    """Cells of one size, and their predictions.

    Attributes:
        size: of the N cells.
        step: the picture's quantiser step in fixed-point units.
        factors: (N, C, size * size) steps of their weights relative to it; (1, 1, 1) where they are all one.
        prediction: what the samples around them say.
        weights: (N, C, size * size) float32 least-squares weights less the mean of the boundary, fixed-point.
    """

    size: int
    step: int
    factors: FloatArray
    prediction: Prediction
    weights: FloatArray

    @classmethod
    def of(
        cls,
        size: int,
        quantiser: Quantiser,
        prediction: Prediction,
        steps: npt.NDArray[np.floating[Any]],
        spectrum: FloatArray,
    ) -> "PredictedCells":
        """Cells by their least-squares weights, of which a copy is taken.

        Args:
            size: of the N cells.
            quantiser: the picture's.
            prediction: what the samples around them say.
            steps: of `Quantiser.steps`.
            spectrum: (N, C, size, size) of `inrcodec.decisions.partitioning.spectra`.
        """
        weights = spectrum.reshape(*spectrum.shape[:2], -1).copy()
        weights[..., 0] -= prediction.mean[..., 0] * size
        factors = (steps / quantiser.step).astype(np.float32)
        return cls(size, quantiser.step, factors, prediction, weights)

    def in_own_steps(
        self, residuals: FloatArray, cells: IntArray | slice, channels: slice | int
    ) -> FloatArray:
        """Residuals of some cells, in the picture's steps, in the steps of their weights.

        Args:
            residuals: (..., M, channels, size * size).
            cells: (M,) which cells.
            channels: which channels.
        """
        if self.factors.size == 1:
            return residuals
        return residuals / self.factors[cells, channels]

    def ranked(self) -> tuple[IntArray, FloatArray]:
        """Prediction modes by `weight_cost`.

        Returns:
            (N, modes) int64 modes, the cheapest first, and (N,) float32 the cost of the cheapest in bits.
        """
        step, harmonics = np.float32(self.step), predicted_harmonics(self.size)
        low = self.weights[..., harmonics]
        residuals = (low[:, :, None] - self.prediction.every.astype(np.float32)) / step
        rest = np.ones(self.weights.shape[2], np.bool_)
        rest[harmonics] = False
        others = self.weights[..., rest] / step
        if self.factors.size > 1:
            residuals /= self.factors[:, :, None, harmonics]
            others /= self.factors[..., rest]
        costs = weight_cost(residuals).sum((1, 3))
        return costs.argsort(1, kind="stable"), costs.min(1) + weight_cost(others).sum((1, 2))

    def residuals(self, cells: IntArray, modes: IntArray) -> FloatArray:
        """What predictions of given modes leave of some cells.

        Args:
            cells: (M,) which cells, in any order and any number of times.
            modes: (M,) a mode for each.

        Returns:
            (M, C, size * size) float32, in the picture's quantiser steps.
        """
        predicted: npt.NDArray[np.floating[Any]] = self.prediction.every[cells, :, modes]
        residual = self.weights[cells]
        residual[..., predicted_harmonics(self.size)] -= predicted
        return residual / np.float32(self.step)
