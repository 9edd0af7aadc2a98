"""Prediction: a cell's weights, predicted from the samples around it, in exact integers.

A prediction network is a SIREN of two sine layers whose linear output also sees the input: the meta-learned,
pruned initialisation of the cell. It maps the boundary samples of a cell, centred and scaled by their mean
absolute deviation, to the cell's output weights, once for every *prediction mode*. All values are integers
held in float64 and every sum stays below 2**53, so that they are the same on every machine, device and
thread count.
"""

import math
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from inrcodec.signal.cross_component import slopes
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.partition import by_value

TURN = 1024
"""Phase units of a full turn of the sine table."""
SINE_ONE = 256
"""Value of sin(pi / 2) in the table, and the scale of the features."""
INPUT_ONE = 64
"""Scale of the normalised boundary samples."""
INPUT_MAX = 1023
PHASE_BITS = (8, 12)
"""Fractional bits of the phases of the two sine layers."""
OUTPUT_BITS = 12
"""Fractional bits of the output weights."""
PREDICTED_DIAGONALS = 16
"""Harmonics (k, m) with k + m < PREDICTED_DIAGONALS have a prediction; that of the others is zero."""

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]
"""Integers, in float64 where they have to be exact."""

# No entry is closer than 1e-4 to a rounding tie, so every libm gives the same table (tested).
SINE_TABLE: npt.NDArray[np.float64] = np.array(
    [float(round(SINE_ONE * math.sin(2 * math.pi * i / TURN))) for i in range(TURN)]
)


@lru_cache(maxsize=8)
def predicted_harmonics(size: int) -> IntArray:
    """(K,) int64 flat indices k * size + m of the harmonics that are predicted, ascending."""
    k, m = np.divmod(np.arange(size * size), size)
    return np.flatnonzero(k + m < PREDICTED_DIAGONALS)


class Prediction(Protocol):
    """What the samples around N cells of one size say of them.

    All of it is integers; weights are fixed-point, within WEIGHT_MAX, of the K harmonics that are predicted.
    """

    @property
    def mean(self) -> FloatArray:
        """(N, C, 1) mean of the boundary, fixed-point."""
        ...

    @property
    def deviation(self) -> FloatArray:
        """(N, C, 1) its mean absolute deviation, fixed-point."""
        ...

    @property
    def slope(self) -> FloatArray:
        """(N, C, 2) of `cross_component.slopes`."""
        ...

    @property
    def every(self) -> FloatArray:
        """Weights of every mode, less the mean: (N, C, modes, K)."""
        ...

    def chosen(self, modes: IntArray) -> FloatArray:
        """Weights of one mode (N,) per cell, less the mean: (N, C, K)."""
        ...


class Predictor(Protocol):
    """A prediction network, on whatever device."""

    def predict(self, boundary: FloatArray, step: int) -> Prediction:
        """Looks at the samples around cells.

        Args:
            boundary: (N, C, boundary_size) integers, fixed-point samples within SAMPLE_MAX.
            step: quantiser step in fixed-point units.
        """
        ...


def mean_and_deviation(boundary: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and mean absolute deviation of boundary samples.

    Args:
        boundary: (N, C, boundary_size) integers, fixed-point samples within SAMPLE_MAX.

    Returns:
        (N, C, 1) integers each, fixed-point.
    """
    count = boundary.shape[-1]
    total = boundary.sum(-1)
    # An array, not a number: see CONTRIBUTING.md on exact arithmetic.
    divisor = np.full_like(total, count)
    mean = np.floor((total + count // 2) / divisor)[..., None]
    deviation = np.floor(np.abs(boundary - mean).sum(-1) / divisor)[..., None]
    return mean, deviation


@dataclass(frozen=True, eq=False)
class PredictionNetwork:
    """The prediction network of one cell size, with integer parameters in float64.

    Attributes:
        size: samples per side of the cells it serves.
        weight1, bias1: (hidden, boundary_size(size)), (hidden,): first sine layer.
        weight2, bias2: (hidden, hidden), (hidden,): second sine layer.
        weight3, bias3: (modes * K, hidden + boundary_size(size)), (modes * K,): linear output over the
            second layer's features and the input; K = len(predicted_harmonics(size)).
    """

    size: int
    weight1: FloatArray
    bias1: FloatArray
    weight2: FloatArray
    bias2: FloatArray
    weight3: FloatArray
    bias3: FloatArray

    @property
    def modes(self) -> int:
        """Number of prediction modes."""
        return len(self.bias3) // len(predicted_harmonics(self.size))

    @cached_property
    def approximate(self) -> "PredictionNetwork":
        """The same network in float32, for decisions of the encoder that nothing else depends on."""
        parts = {f.name: getattr(self, f.name).astype(np.float32) for f in fields(self) if f.name != "size"}
        return PredictionNetwork(self.size, **parts)

    def predict(self, boundary: FloatArray, step: int) -> "CellPrediction":
        """See `Predictor`."""
        mean, deviation = mean_and_deviation(boundary)
        return CellPrediction(self, step, mean, deviation, boundary - mean)

    def features(self, centred: FloatArray, scale: FloatArray) -> FloatArray:
        """Input of the output layer.

        Args:
            centred: (N, C, boundary_size) boundary samples less their mean.
            scale: (N, C, 1) mean absolute deviation of the boundary + step / 16, at least 1.

        Returns:
            (N, C, hidden + boundary_size) integers of scale `SINE_ONE`, within 4 * INPUT_MAX.
        """
        x = np.floor((centred * (2 * INPUT_ONE) + scale) / (2 * scale))
        x = np.clip(x, -INPUT_MAX, INPUT_MAX)
        h = _sine(_affine(x, self.weight1, self.bias1), PHASE_BITS[0])
        h = _sine(_affine(h, self.weight2, self.bias2), PHASE_BITS[1])
        return np.concatenate([h, x * (SINE_ONE // INPUT_ONE)], -1)

    def outputs(self, features: FloatArray, rows: slice = slice(None)) -> FloatArray:
        """Weights relative to the scale of the boundary.

        Args:
            features: (N, C, hidden + boundary_size) of `features`.
            rows: which rows of the output layer; all by default.

        Returns:
            (N, C, rows) integers with 8 + OUTPUT_BITS fractional bits.
        """
        return _affine(features, self.weight3[rows], self.bias3[rows])


@dataclass(frozen=True, eq=False)
class CellPrediction:
    """The `Prediction` of a `PredictionNetwork`.

    Attributes:
        network: the network.
        step: quantiser step in fixed-point units.
        mean, deviation: (N, C, 1) of `mean_and_deviation`.
        centred: (N, C, boundary_size) boundary samples less their mean.
    """

    network: PredictionNetwork
    step: int
    mean: FloatArray
    deviation: FloatArray
    centred: FloatArray

    @property
    def scale(self) -> FloatArray:
        """(N, C, 1) what the input and output of the network are relative to."""
        return self.deviation + max(1, self.step // 16)

    @cached_property
    def slope(self) -> FloatArray:
        """See `Prediction`."""
        return slopes(self.centred, self.step)

    @cached_property
    def features(self) -> FloatArray:
        """(N, C, hidden + boundary_size) input of the output layer."""
        return self.network.features(self.centred, self.scale)

    @cached_property
    def every(self) -> FloatArray:
        """See `Prediction`."""
        weights = self._in_samples(self.network.outputs(self.features))
        return weights.reshape(*weights.shape[:2], self.network.modes, -1)

    def chosen(self, modes: IntArray) -> FloatArray:
        """See `Prediction`. Less work than `every`, unless that is known already."""
        if "every" in self.__dict__:
            known: FloatArray = self.every[np.arange(len(modes)), :, modes]
            return known
        count = len(predicted_harmonics(self.network.size))
        result = np.zeros((*self.features.shape[:-1], count), self.features.dtype)
        for mode, cells in by_value(modes):
            rows = slice(mode * count, (mode + 1) * count)
            result[cells] = self.network.outputs(self.features[cells], rows)
        return self._in_samples(result)

    def _in_samples(self, outputs: FloatArray) -> FloatArray:
        """Outputs (N, C, n), which are relative to the scale of the boundary, as weights."""
        # Orthonormal weights of one shape grow with the side of the cell; scale is per sample.
        gain = self.scale * (self.network.size // 8)
        bits = 8 + OUTPUT_BITS
        rounded = np.floor((outputs * gain + 2 ** (bits - 1)) / 2**bits)
        result: FloatArray = np.clip(rounded, -WEIGHT_MAX, WEIGHT_MAX)
        return result


def _affine(x: FloatArray, weight: FloatArray, bias: FloatArray) -> FloatArray:
    # One large product: numpy would loop over the leading axes of a stack.
    result: FloatArray = (x.reshape(-1, x.shape[-1]) @ weight.T + bias).reshape(*x.shape[:-1], -1)
    return result


def _sine(phase: FloatArray, bits: int) -> FloatArray:
    index = np.floor(phase * 0.5**bits).astype(np.int64)
    # A mask is the remainder of a power of two, also below zero.
    sines: FloatArray = SINE_TABLE.astype(phase.dtype, copy=False).take(index & (TURN - 1))
    return sines
