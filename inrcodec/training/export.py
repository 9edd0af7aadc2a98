"""Trained floats as the integer networks of a codebook."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from inrcodec.entropy.context_network import HIDDEN_BITS, ROW_BITS, ContextNetwork
from inrcodec.entropy.rans import Tables, normalised
from inrcodec.signal.prediction import (
    INPUT_ONE,
    OUTPUT_BITS,
    PHASE_BITS,
    SINE_ONE,
    TURN,
    PredictionNetwork,
)
from inrcodec.signal.restoration import (
    HIDDEN_MAX,
    ONE,
    PLANES,
    SAMPLES,
    Layer,
    RestorationNetwork,
    exact,
)
from inrcodec.tile.fixed_point import FRACTION
from inrcodec.tile.partition import boundary_size

FloatArray = npt.NDArray[np.float64]
_Old = TypeVar("_Old")
_New = TypeVar("_New")

CONTEXT_UNIT = 64.0
"""One unit of a hidden activation of a context network."""
CONTEXT_FEATURE = 32.0
"""One unit of a feature before its first layer."""
_SHIFT_MAX = 20


def prediction_network(size: int, parameters: dict[str, npt.NDArray[np.float32]]) -> PredictionNetwork:
    """Integer form of a trained prediction network.

    Args:
        size: cell size.
        parameters: float arrays weight1 ... bias3 of the network on inputs in units of the boundary's
            scale; phases in radians, outputs in units of the scale times size / 8.
    """
    turn = TURN / (2 * math.pi)
    factor = {
        "weight1": turn * 2 ** PHASE_BITS[0] / INPUT_ONE,
        "bias1": turn * 2 ** PHASE_BITS[0],
        "weight2": turn * 2 ** PHASE_BITS[1] / SINE_ONE,
        "bias2": turn * 2 ** PHASE_BITS[1],
        "weight3": 2**OUTPUT_BITS * 1.0,
        "bias3": 2**OUTPUT_BITS * float(SINE_ONE),
    }
    rounded = {n: np.rint(parameters[n].astype(np.float64) * f) for n, f in factor.items()}
    # 2 * 2**(FRACTION + 14) bounds |sample|; with int16 weights no sum can reach 2**53.
    if any(np.abs(rounded[n]).max(initial=0) > 32767 for n in ("weight1", "weight2", "weight3")):
        raise ValueError("a weight of the prediction network does not fit 16 bits")
    if parameters["weight1"].shape[1] != boundary_size(size) or FRACTION != 4:
        raise ValueError("the prediction network does not fit the cell size")
    return PredictionNetwork(size, **rounded)


def context_network(matrices: Sequence[npt.NDArray[np.floating[Any]]]) -> ContextNetwork:
    """Integer form of a trained context network, without its tables.

    Args:
        matrices: weight1, bias1 ... bias3; features in units of CONTEXT_FEATURE, activations of CONTEXT_UNIT,
            the output in rows, of which the last weights give an eighth.
    """
    w1, b1, w2, b2, w3, b3 = (matrix.astype(np.float64) for matrix in matrices)
    first, second = CONTEXT_UNIT * 2 ** HIDDEN_BITS[0], 2.0 ** HIDDEN_BITS[1]
    last = 2.0**ROW_BITS
    integers = {
        "weight1": w1 * first / CONTEXT_FEATURE,
        "bias1": b1 * first,
        "weight2": w2 * second,
        "bias2": b2 * second * CONTEXT_UNIT,
        "weight3": w3 * 8 * last / CONTEXT_UNIT,
        "bias3": b3 * last,
    }
    rounded = {name: np.rint(matrix).astype(np.float32) for name, matrix in integers.items()}
    return ContextNetwork(**rounded, tables=Tables(normalised(np.ones((1, 2)))))


class Floats(NamedTuple):
    """A trained layer of a restoration network: (out, in, k, k) and (out,); one of all it reads is 1."""

    weight: FloatArray
    bias: FloatArray


def restoration_network(parts: Mapping[str, Sequence[Floats]]) -> RestorationNetwork:
    """A network in the integer arithmetic of `inrcodec.signal.restoration`, as fine as exact sums allow.

    Args:
        parts: layers of each of its KERNELS. The weights of a plane's samples in the first layer sum to zero,
            and do so in the result.
    """
    return RestorationNetwork.of(_by_place(_integers, parts))


def restoration_floats(network: RestorationNetwork) -> dict[str, list[Floats]]:
    """What `restoration_network` makes a network of; its inverse."""
    return _by_place(_floats, network.parts)


def _by_place(
    change: Callable[[_Old, "_Place"], _New], parts: Mapping[str, Sequence[_Old]]
) -> dict[str, list[_New]]:
    """Changes layers, each of which has to know its place."""
    count = sum(len(layers) for layers in parts.values())
    places = (_Place(number == 0, number == count - 1) for number in range(count))
    return {part: [change(layer, next(places)) for layer in layers] for part, layers in parts.items()}


class _Place(NamedTuple):
    """Where a layer of a restoration network lies."""

    first: bool
    last: bool

    def units(self, shift: int) -> tuple[float, float, float]:
        """What a weight and a bias of one become, and what is added to biases.

        Results of all but the last layer are rounded down: half of one makes that rounding to nearest.
        """
        out = (1.0 if self.last else HIDDEN_MAX) * 2**shift
        return out / (ONE if self.first else HIDDEN_MAX), out, 0.0 if self.last else 2**shift / 2


def _integers(floats: Floats, place: _Place) -> Layer:
    def rounded(shift: int) -> Layer:
        weight_unit, bias_unit, half = place.units(shift)
        scaled = floats.weight * weight_unit
        weight = np.rint(scaled)
        if place.first:
            weight[:, :SAMPLES] = _balanced(scaled[:, :SAMPLES])
        bias = np.rint(floats.bias * bias_unit + half)
        return Layer(weight.astype(np.float32), bias.astype(np.float32), shift)

    shift = _SHIFT_MAX
    layer = rounded(shift)
    while shift and not exact(layer, place.first):
        shift -= 1
        layer = rounded(shift)
    return layer


def _floats(layer: Layer, place: _Place) -> Floats:
    weight_unit, bias_unit, half = place.units(layer.shift)
    weight, bias = layer.weight.astype(np.float64), layer.bias.astype(np.float64)
    return Floats(weight / weight_unit, (bias - half) / bias_unit)


def _balanced(weights: FloatArray) -> FloatArray:
    """Integers near (out, SAMPLES, 3, 3) `weights`, with sums of zero over every plane."""
    flat = weights.reshape(len(weights) * PLANES, -1)
    down = np.floor(flat)
    # Sums are zero before rounding down: as many as are missing go up, those that lost most first.
    missing = -down.sum(1).astype(np.int64)
    rank = np.argsort(np.argsort(down - flat, axis=1), axis=1)
    balanced: FloatArray = (down + (rank < missing[:, None])).reshape(weights.shape)
    return balanced
