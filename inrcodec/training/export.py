"""Trained floats as the integer networks of a codebook."""

import math

import numpy as np
import numpy.typing as npt

from inrcodec.signal.prediction import (
    INPUT_ONE,
    OUTPUT_BITS,
    PHASE_BITS,
    SINE_ONE,
    TURN,
    StartNetwork,
)
from inrcodec.tile.fixed_point import FRACTION
from inrcodec.tile.partition import boundary_size


def quantise_network(size: int, parameters: dict[str, npt.NDArray[np.float32]]) -> StartNetwork:
    """Integer form of a trained start network.

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
        raise ValueError("a weight of the start network does not fit 16 bits")
    if parameters["weight1"].shape[1] != boundary_size(size) or FRACTION != 4:
        raise ValueError("the start network does not fit the cell size")
    return StartNetwork(size, **rounded)
