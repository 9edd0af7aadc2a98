"""What a cell's residual costs by other transforms than cosines, before anything is known of the rate."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.rate_distortion import weight_cost
from inrcodec.signal.transforms import FEATURE_BITS, axis_features

FloatArray = npt.NDArray[np.float32]

FIRST_BITS, OTHER_BITS = np.float32(1), np.float32(5)
"""Bits of the first transform type and of any other, where nothing is known of the rate."""
CUT_BITS = np.float32(3)
"""Bits more per axis that is cut: what is known of the rate is of a pass in which it may not have been."""
_SAVED_SHARE = np.float32(0.7)
"""How much of what other transform types seem to save is there in the end: sparser is harder to foretell."""


@lru_cache(maxsize=8)
def turns(size: int) -> FloatArray:
    """An axis' weights by each transform, from those by the first: (AXIS_TRANSFORMS, size, size)."""
    axes = axis_features(size) / 2**FEATURE_BITS
    result: FloatArray = (axes @ axes[0].T).astype(np.float32)
    return result


def saving(residuals: FloatArray, factors: npt.NDArray[np.floating[Any]]) -> FloatArray:
    """What other transform types than the first save, as far as a short search finds it.

    Either axis is transformed alone, then both by what was best alone.

    Args:
        residuals: (N, size * size) of cosines, in the picture's steps.
        factors: (N, size * size) steps of weights relative to it; (1, 1) where they are all one.

    Returns:
        (N,) float32 bits, those of the type included; not negative.
    """
    size = round(residuals.shape[1] ** 0.5)
    grid = residuals.reshape(-1, size, size)
    finer = np.float32(1) / factors.reshape(-1, *([size] * 2 if factors.size > 1 else [1] * 2))
    others = turns(size)[1:, None]

    def costs(weights: FloatArray) -> FloatArray:
        result: FloatArray = weight_cost(weights * finer).sum((-1, -2))
        return result

    rows, columns = others @ grid, grid @ others.swapaxes(2, 3)
    by_rows, by_columns = costs(rows), costs(columns)
    vertical, horizontal = by_rows.argmin(0), by_columns.argmin(0)
    both = rows[vertical, np.arange(len(grid))] @ others[horizontal, 0].swapaxes(1, 2)
    least = np.minimum(np.minimum(by_rows.min(0), by_columns.min(0)), costs(both))
    result: FloatArray = _SAVED_SHARE * np.maximum(0, costs(grid) + FIRST_BITS - least - OTHER_BITS)
    return result
