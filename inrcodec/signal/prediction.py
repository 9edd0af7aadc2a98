"""Conditional initialisation: a cell's start, predicted from the samples around it, in exact integers.

A start network is a SIREN of two sine layers whose linear output also sees the input. It maps the
boundary samples of a cell, centred and scaled by their mean absolute deviation, to the cell's output
weights, once for every *mode*. All values are integers held in float64 and every sum stays below 2**53,
so numpy and torch give the same result on every machine, device and thread count.
"""

import math
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

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
REACH = 16
"""Harmonics (k, m) with k + m < REACH have a predicted start; the others start at zero."""

FloatArray = npt.NDArray[np.float64]

# No entry is closer than 1e-4 to a rounding tie, so every libm gives the same table (tested).
SINE_TABLE: FloatArray = np.array(
    [float(round(SINE_ONE * math.sin(2 * math.pi * i / TURN))) for i in range(TURN)]
)


@lru_cache(maxsize=8)
def predicted_harmonics(size: int) -> npt.NDArray[np.int64]:
    """Flat indices k * size + m of the harmonics whose start is predicted, ascending."""
    k, m = np.divmod(np.arange(size * size), size)
    return np.flatnonzero(k + m < REACH)


@dataclass(frozen=True)
class StartNetwork:
    """The start network of one cell size, with integer parameters.

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
    def harmonics(self) -> npt.NDArray[np.int64]:
        """Flat indices of the predicted harmonics."""
        return predicted_harmonics(self.size)

    @property
    def modes(self) -> int:
        """Number of modes."""
        return len(self.bias3) // len(self.harmonics)

    def to(self, xp: Any, device: str) -> "StartNetwork":
        """The same network with torch tensors on a device."""
        names = ("weight1", "bias1", "weight2", "bias2", "weight3", "bias3")
        tensors = {n: xp.as_tensor(getattr(self, n), device=device) for n in names}
        return StartNetwork(self.size, **tensors)

    @cached_property
    def approximate(self) -> "StartNetwork":
        """The same network in float32, for decisions of the encoder that nothing else depends on."""
        parts = {f.name: getattr(self, f.name).astype(np.float32) for f in fields(self) if f.name != "size"}
        return StartNetwork(self.size, **parts)

    def look(self, boundary: Any, step: int, xp: Any = np) -> tuple[Any, Any, Any]:
        """Mean, scale and features of boundary samples; see the two methods below."""
        mean, scale = self.mean_and_scale(boundary, step, xp)
        return mean, scale, self.features(boundary, mean, scale, xp)

    def mean_and_scale(self, boundary: Any, step: int, xp: Any = np) -> tuple[Any, Any]:
        """Mean and scale of boundary samples.

        Args:
            boundary: (N, C, boundary_size) float64 integers, fixed-point samples.
            step: quantiser step in fixed-point units.

        Returns:
            (N, C, 1) mean, and (N, C, 1) scale = mean absolute deviation + step / 16, at least 1.
        """
        total = boundary.sum(-1)
        # An array, not a number: torch on CUDA multiplies by the reciprocal of a number, which is not exact.
        n = xp.full_like(total, boundary.shape[-1])
        mean = xp.floor((total + boundary.shape[-1] // 2) / n)[..., None]
        deviation = xp.floor(xp.abs(boundary - mean).sum(-1) / n)[..., None]
        return mean, deviation + max(1, step // 16)

    def features(self, boundary: Any, mean: Any, scale: Any, xp: Any = np) -> Any:
        """Input of the output layer: (N, C, hidden + boundary_size), integers of scale `SINE_ONE`."""
        centred = (boundary - mean) * (2 * INPUT_ONE)
        x = xp.clip(xp.floor((centred + scale) / (2 * scale)), -INPUT_MAX, INPUT_MAX)
        h = _sine(_affine(x, self.weight1, self.bias1), PHASE_BITS[0], xp)
        h = _sine(_affine(h, self.weight2, self.bias2), PHASE_BITS[1], xp)
        return xp.concatenate([h, x * (SINE_ONE // INPUT_ONE)], -1)

    def starts(self, features: Any, scale: Any, xp: Any = np) -> Any:
        """Starts of every mode: (N, C, modes, K) float64 integers, fixed-point output weights."""
        starts = self._in_samples(_affine(features, self.weight3, self.bias3), scale, xp)
        return starts.reshape(*starts.shape[:2], self.modes, -1)

    def mode_starts(self, features: Any, scale: Any, modes: npt.NDArray[np.int64], xp: Any = np) -> Any:
        """Starts of one given mode per cell: (N, C, K). Equal to `starts` at that mode, for less work."""
        count = len(self.harmonics)
        result = xp.zeros((*features.shape[:-1], count), dtype=features.dtype, **_on(features, xp))
        for mode, chosen in by_value(modes):
            rows = slice(mode * count, (mode + 1) * count)
            result[chosen] = _affine(features[chosen], self.weight3[rows], self.bias3[rows])
        return self._in_samples(result, scale, xp)

    def _in_samples(self, out: Any, scale: Any, xp: Any) -> Any:
        """Outputs (N, C, n), which are relative to the scale (N, C, 1) of the boundary, as starts."""
        # Orthonormal weights of one shape grow with the side of the cell; scale is per sample.
        gain = scale * (self.size // 8)
        bits = 8 + OUTPUT_BITS
        return xp.clip(xp.floor((out * gain + 2 ** (bits - 1)) / 2**bits), -WEIGHT_MAX, WEIGHT_MAX)


def _on(like: Any, xp: Any) -> dict[str, Any]:
    return {} if xp is np else {"device": like.device}


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    # One large product: numpy would loop over the leading axes of a stack.
    return (x.reshape(-1, x.shape[-1]) @ weight.T + bias).reshape(*x.shape[:-1], -1)


def _sine(phase: Any, bits: int, xp: Any) -> Any:
    index = xp.floor(phase * 0.5**bits)
    if xp is np:
        # A mask is the remainder of a power of two, also below zero.
        return SINE_TABLE.astype(phase.dtype, copy=False).take(index.astype(np.int64) & (TURN - 1))
    return xp.as_tensor(SINE_TABLE, device=phase.device)[index.long() & (TURN - 1)]
