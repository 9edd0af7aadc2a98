"""What a chroma plane's start takes over from luma: edges of the planes coincide, and luma is coded first.

A cell's chroma weights move with its coded luma differences by a slope, the regression of chroma on luma
around the cell (as in the cross-component linear model of VVC; Zhang et al., ICIP 2018). It costs no bits.
Many photos have less fine detail in chroma than in luma (4:2:0 sources), so high harmonics have a slope of
their own: the regression of sample differences, where it agrees with that of the samples. Exact integers in
float64, as in `starts`.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

SLOPE_BITS = 6
"""Fractional bits of a slope."""
SLOPE_MAX = 48
"""Bound of a slope: 3/4."""


def slopes(boundary: Any, mean: Any, step: int, xp: Any = np) -> Any:
    """Regressions of every plane on luma.

    Args:
        boundary: (N, C, boundary_size) float64 integers, fixed-point samples.
        mean: (N, C, 1) their means.
        step: quantiser step in fixed-point units. Noise of a quarter step on luma samples and of an eighth on
            their differences is assumed: where nothing but noise is seen, slopes vanish.
        xp: numpy or torch.

    Returns:
        (N, C, 2) integers in units of 2**-SLOPE_BITS, for low and high harmonics; 0 for luma itself.
    """
    centred = boundary - mean
    low = _regression(centred, step // 4, xp)
    steps = (centred[..., 1:] - centred[..., :-1])[..., _inner_steps(boundary.shape[-1])]
    high = _regression(steps, step // 8, xp)
    zero = xp.zeros_like(low)
    # The smaller of two that agree in sign.
    high = xp.maximum(zero, xp.minimum(low, high)) + xp.minimum(zero, xp.maximum(low, high))
    return xp.concatenate([low, high], -1)


def per_harmonic(slope: Any, count: int) -> Any:
    """Slopes (..., 2) spread over size * size harmonics, high where either frequency is at least size / 2."""
    return slope[..., _bands(count)]


def carried(slope: Any, luma: Any, xp: Any = np) -> Any:
    """What luma differences add to the starts of the other planes.

    Args:
        slope: (N, C, 2) of `slopes`.
        luma: (N, 1, size * size) float64 integers, coded differences of luma weights.
        xp: numpy or torch.

    Returns:
        (N, C, size * size) float64 integers.
    """
    product = per_harmonic(slope, luma.shape[-1]) * luma
    return xp.floor((product + 2 ** (SLOPE_BITS - 1)) / 2**SLOPE_BITS)


def _regression(values: Any, noise: int, xp: Any) -> Any:
    """Slope of every plane (N, C, n) on the first: (N, C, 1), 0 for the first itself."""
    products = (values * values[:, :1]).sum(-1)[..., None]
    spread = products[:, :1] + values.shape[-1] * max(1, noise**2)
    ratio = xp.floor((products * 2 ** (SLOPE_BITS + 1) + spread) / (2 * spread))
    result = xp.clip(ratio, -SLOPE_MAX, SLOPE_MAX)
    result[:, :1] = 0
    return result


@lru_cache(maxsize=8)
def _inner_steps(count: int) -> npt.NDArray[np.int64]:
    """Which differences of consecutive boundary samples stay inside one of its four rows and columns."""
    size = (count - 4) // 6
    seams = (2 * size + 1, 4 * size + 3, 5 * size + 3)
    return np.setdiff1d(np.arange(count - 1), seams)


@lru_cache(maxsize=8)
def _bands(count: int) -> npt.NDArray[np.int64]:
    size = round(count**0.5)
    k, m = np.divmod(np.arange(count), size)
    result: npt.NDArray[np.int64] = (2 * np.maximum(k, m) >= size).astype(np.int64)
    return result
