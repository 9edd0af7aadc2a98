"""What a chroma plane's start takes over from luma: edges of the planes coincide, and luma is coded first.

A cell's chroma weights move with its coded luma differences by a slope, the regression of chroma on luma over
the samples around the cell (as in the cross-component linear model of VVC; Zhang et al., ICIP 2018). It costs
no bits. Exact integers in float64, as in `starts`.
"""

from typing import Any

import numpy as np

SLOPE_BITS = 6
"""Fractional bits of a slope."""
SLOPE_MAX = 48
"""Bound of a slope: 3/4."""


def slopes(boundary: Any, mean: Any, step: int, xp: Any = np) -> Any:
    """Regression of every plane on luma.

    Args:
        boundary: (N, C, boundary_size) float64 integers, fixed-point samples.
        mean: (N, C, 1) their means.
        step: quantiser step in fixed-point units. Noise of a quarter step on luma is assumed: where nothing
            but noise is seen, slopes vanish.
        xp: numpy or torch.

    Returns:
        (N, C, 1) integers in units of 2**-SLOPE_BITS, 0 for luma itself.
    """
    centred = boundary - mean
    products = (centred * centred[:, :1]).sum(-1)[..., None]
    spread = products[:, :1] + boundary.shape[-1] * max(1, (step // 4) ** 2)
    ratio = xp.floor((products * 2 ** (SLOPE_BITS + 1) + spread) / (2 * spread))
    result = xp.clip(ratio, -SLOPE_MAX, SLOPE_MAX)
    result[:, :1] = 0
    return result


def carried(slope: Any, luma: Any, xp: Any = np) -> Any:
    """What luma differences add to the starts of the other planes.

    Args:
        slope: (N, C, 1) of `slopes`.
        luma: (N, 1, K) float64 integers, coded differences of luma weights.
        xp: numpy or torch.

    Returns:
        (N, C, K) float64 integers.
    """
    return xp.floor((slope * luma + 2 ** (SLOPE_BITS - 1)) / 2**SLOPE_BITS)
