"""What the predictions of a cell leave to code, and what that costs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.quantizer import weight_cost
from inrcodec.signal.prediction import Prediction, predicted_harmonics

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PredictedCells:
    """Cells of one size, and their predictions.

    Attributes:
        size: of the N cells.
        step: quantiser step in fixed-point units.
        prediction: what the samples around them say.
        weights: (N, C, size * size) float32 least-squares weights less the mean of the boundary, fixed-point.
    """

    size: int
    step: int
    prediction: Prediction
    weights: FloatArray

    @classmethod
    def of(cls, size: int, step: int, prediction: Prediction, spectrum: FloatArray) -> "PredictedCells":
        """Cells by their least-squares weights, of which a copy is taken.

        Args:
            size: of the N cells.
            step: quantiser step in fixed-point units.
            prediction: what the samples around them say.
            spectrum: (N, C, size, size) of `inrcodec.decisions.partitioning.spectra`.
        """
        weights = spectrum.reshape(*spectrum.shape[:2], -1).copy()
        weights[..., 0] -= prediction.mean[..., 0] * size
        return cls(size, step, prediction, weights)

    def ranked(self) -> tuple[IntArray, FloatArray]:
        """Prediction modes by `weight_cost`.

        Returns:
            (N, modes) int64 modes, the cheapest first, and (N,) float32 the cost of the cheapest in bits.
        """
        step, harmonics = np.float32(self.step), predicted_harmonics(self.size)
        low = self.weights[..., harmonics]
        costs = weight_cost((low[:, :, None] - self.prediction.every.astype(np.float32)) / step).sum((1, 3))
        rest = np.ones(self.weights.shape[2], np.bool_)
        rest[harmonics] = False
        modes = costs.argsort(1, kind="stable")
        return modes, costs.min(1) + weight_cost(self.weights[..., rest] / step).sum((1, 2))

    def residuals(self, cells: IntArray, modes: IntArray) -> FloatArray:
        """What predictions of given modes leave of some cells.

        Args:
            cells: (M,) which cells, in any order and any number of times.
            modes: (M,) a mode for each.

        Returns:
            (M, C, size * size) float32, in quantiser steps.
        """
        predicted: npt.NDArray[np.floating[Any]] = self.prediction.every[cells, :, modes]
        residual = self.weights[cells]
        residual[..., predicted_harmonics(self.size)] -= predicted
        return residual / np.float32(self.step)
