"""The trade of bits against squared error."""

import numpy as np
import numpy.typing as npt

EXCHANGE = 9.4
"""Bits that one squared quantiser step of error is worth: the slope of a uniform quantiser at its best."""

DEAD_ZONE_OFFSET = 0.36
"""Rounding offset where nothing is known of the rate: integers are rounded up from 0.64."""


def dead_zone(weights: npt.NDArray[np.float32], offset: float) -> npt.NDArray[np.float32]:
    """Nearest integers, with the zero bin widened: sign * floor(|w| + offset).

    Args:
        weights: of any shape, in quantiser steps.
        offset: up to 0.5, which is plain rounding.
    """
    return np.sign(weights) * np.floor(np.abs(weights) + np.float32(offset))


def weight_cost(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Estimate in bits of coding each of some weights (in quantiser steps, any shape), distortion included.

    Below half a step it is the distortion of dropping the weight; far above it grows by two bits per
    doubling, as an Exp-Golomb code does. The same function is the outer loss of meta-training.
    """
    squares = weights * weights
    # In place: this is called on more values than anything else of the encoder.
    cost, bound, bits = np.float32(EXCHANGE) * squares, np.float32(1.4) * squares, squares / 2
    cost /= np.add(bound, 1, out=bound)
    cost += np.log2(np.add(bits, 1, out=bits), out=bits)
    return cost
