"""Quality, quantiser step, and the trade of bits against squared error."""

import numpy as np
import numpy.typing as npt

from inrcodec.tile.fixed_point import FRACTION

STEP_MIN: int = 2**FRACTION
"""Finest quantiser step in fixed-point units: one 8-bit level."""
STEP_MAX = 512 * STEP_MIN
"""Coarsest quantiser step."""
DEFAULT_QUALITY = 50
"""Quality of an encode that is told nothing."""
EXCHANGE = 9.4
"""Bits that one squared quantiser step of error is worth: the slope of a uniform quantiser at its best."""

DEAD_ZONE_OFFSET = 0.36
"""Rounding offset where nothing is known of the rate: integers are rounded up from 0.64."""

_OCTAVES_PER_QUALITY = 3 / 49


def step_of_quality(quality: float) -> int:
    """Quantiser step in fixed-point units: 256 levels at quality 1, 32 at 50, about 4 at 100.

    Qualities beyond those give steps from `STEP_MIN` to `STEP_MAX`.
    """
    levels: float = 2.0 ** (8 - (quality - 1) * _OCTAVES_PER_QUALITY)
    return max(STEP_MIN, min(STEP_MAX, round(levels * STEP_MIN)))


def quality_of_step(step: int) -> float:
    """The inverse of `step_of_quality`, for display; not clipped to 1 ... 100."""
    return float(1 + (8 - np.log2(step / 2**FRACTION)) / _OCTAVES_PER_QUALITY)


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
