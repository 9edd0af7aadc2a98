"""Trained floats as the integer networks of a codebook."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

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
    RestorationNetwork,
    largest_sums,
)
from inrcodec.tile.fixed_point import FRACTION
from inrcodec.tile.partition import boundary_size

FloatArray = npt.NDArray[np.float64]

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


def restoration_network(weights: list[FloatArray], biases: list[FloatArray]) -> RestorationNetwork:
    """A network in the integer arithmetic of `inrcodec.signal.restoration`.

    Args:
        weights: per layer (out, in, 3, 3); one of inputs and activations is 1. The weights of a plane's
            samples in the first layer sum to zero, and do so in the result.
        biases: per layer (out,).
    """
    result = RestorationNetwork((), (), ())
    for number, (unit_in, unit_out) in enumerate(_units(len(weights))):
        for shift in range(_SHIFT_MAX, -1, -1):
            scaled = weights[number] * (unit_out / unit_in * 2**shift)
            weight = np.rint(scaled)
            if number == 0:
                weight[:, :SAMPLES] = _balanced(scaled[:, :SAMPLES])
            half = _half(number, len(weights), shift)
            bias = np.rint(biases[number] * (unit_out * 2**shift) + half)
            longer = RestorationNetwork(
                (*result.weights, weight.astype(np.float32)),
                (*result.biases, bias.astype(np.float32)),
                (*result.shifts, shift),
            )
            if np.abs(weight).max() < 2**15 and max(largest_sums(longer)) < 2**24:
                break
        result = longer
    return result


def restoration_floats(network: RestorationNetwork) -> list[FloatArray]:
    """Weights and biases in turn that `restoration_network` makes a network of; its inverse."""
    layers = []
    count = len(network.weights)
    parts = zip(_units(count), network.weights, network.biases, network.shifts, strict=True)
    for number, ((unit_in, unit_out), weight, bias, shift) in enumerate(parts):
        layers.append(weight.astype(np.float64) / (unit_out / unit_in * 2**shift))
        layers.append((bias - _half(number, count, shift)) / (unit_out * 2**shift))
    return layers


def _units(layers: int) -> list[tuple[int, int]]:
    """Per layer of a restoration network, what stands for one before and after it."""
    return list(pairwise([ONE, *[HIDDEN_MAX] * (layers - 1), 1]))


def _half(number: int, layers: int, shift: int) -> float:
    """A part of a bias: hidden results are rounded down, and half of one makes that rounding to nearest."""
    return 2**shift / 2 if number < layers - 1 else 0.0


def _balanced(weights: FloatArray) -> FloatArray:
    """Integers near (out, SAMPLES, 3, 3) `weights`, with sums of zero over every plane."""
    flat = weights.reshape(len(weights) * PLANES, -1)
    down = np.floor(flat)
    # Sums are zero before rounding down: as many as are missing go up, those that lost most first.
    missing = -down.sum(1).astype(np.int64)
    rank = np.argsort(np.argsort(down - flat, axis=1), axis=1)
    balanced: FloatArray = (down + (rank < missing[:, None])).reshape(weights.shape)
    return balanced
