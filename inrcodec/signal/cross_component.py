"""Cross-component prediction: edges of the planes coincide, and luma is coded first.

A cell's chroma weights move with its coded luma residual by a slope, the regression of chroma on luma
around the cell (as in the cross-component linear model of VVC; Zhang et al., ICIP 2018). It costs no bits.
Many photos have less fine detail in chroma than in luma (4:2:0 sources), so high harmonics have a slope of
their own: the regression of sample differences, where it agrees with that of the samples. Exact integers in
float64, as in `inrcodec.signal.prediction`.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

SLOPE_BITS = 6
"""Fractional bits of a slope."""
SLOPE_MAX = 48
"""Bound of a slope: 3/4."""

FloatArray = npt.NDArray[np.floating[Any]]


def slopes(centred: FloatArray, step: int) -> FloatArray:
    """Regressions of every plane on luma.

    Args:
        centred: (N, C, boundary_size) integers, fixed-point boundary samples less their mean.
        step: quantiser step in fixed-point units. Noise of a quarter step on luma samples and of an eighth on
            their differences is assumed: where nothing but noise is seen, slopes vanish.

    Returns:
        (N, C, 2) integers in units of 2**-SLOPE_BITS within SLOPE_MAX, for low and high harmonics; 0 for luma
        itself.
    """
    low = _regression(centred, step // 4)
    differences = np.diff(centred, axis=-1)[..., _inner_differences(centred.shape[-1])]
    high = _regression(differences, step // 8)
    # The smaller of two that agree in sign.
    high = np.maximum(0, np.minimum(low, high)) + np.minimum(0, np.maximum(low, high))
    return np.concatenate([low, high], -1)


def per_harmonic(slope: FloatArray, count: int) -> FloatArray:
    """Slopes spread over harmonics, the high ones where either frequency is at least size / 2.

    Args:
        slope: (..., 2) low and high.
        count: size * size harmonics.

    Returns:
        (..., count) like `slope`.
    """
    result: FloatArray = slope[..., _bands(count)]
    return result


def carried(slope: FloatArray, luma: FloatArray) -> FloatArray:
    """What luma residuals add to the weights of the planes.

    Args:
        slope: (N, C, 2) of `slopes`.
        luma: (N, 1, size * size) integers, coded residuals of luma weights, fixed-point within WEIGHT_MAX.

    Returns:
        (N, C, size * size) integers, fixed-point.
    """
    product = per_harmonic(slope, luma.shape[-1]) * luma
    result: FloatArray = np.floor((product + 2 ** (SLOPE_BITS - 1)) / 2**SLOPE_BITS)
    return result


def _regression(values: FloatArray, noise: int) -> FloatArray:
    """Slope of every plane (N, C, n) on the first: (N, C, 1), 0 for the first itself."""
    products = (values * values[:, :1]).sum(-1)[..., None]
    spread = products[:, :1] + values.shape[-1] * max(1, noise**2)
    ratio = np.floor((products * 2 ** (SLOPE_BITS + 1) + spread) / (2 * spread))
    result: FloatArray = np.clip(ratio, -SLOPE_MAX, SLOPE_MAX)
    result[:, :1] = 0
    return result


@lru_cache(maxsize=8)
def _inner_differences(count: int) -> npt.NDArray[np.int64]:
    """Which differences of `count` consecutive boundary samples stay inside one of its rows and columns.

    Returns:
        (count - 4,) int64 indices of differences.
    """
    size = (count - 4) // 6
    seams = (2 * size + 1, 4 * size + 3, 5 * size + 3)
    return np.setdiff1d(np.arange(count - 1), seams)


@lru_cache(maxsize=8)
def _bands(count: int) -> npt.NDArray[np.int64]:
    """Of size * size harmonics, which of two slopes serves each: (count,) int64, 0 low and 1 high."""
    size = round(count**0.5)
    k, m = np.divmod(np.arange(count), size)
    result: npt.NDArray[np.int64] = (2 * np.maximum(k, m) >= size).astype(np.int64)
    return result
