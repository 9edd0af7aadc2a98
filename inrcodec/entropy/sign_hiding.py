"""Sign bit hiding: the parity of some magnitudes tells the sign of one value, which is then not written.

The values of a cell and plane are listed from low to high frequency and cut into groups of `GROUP`. Where the
magnitudes of a group sum to `ENOUGH` or more, its first non-zero value is negative if the sum is odd. The
encoder moves a value by one where that is not so: half a bit of distortion per group for a bit of sign
(Clare, Henry and Jung, JCTVC-G271, 2011; in HEVC per group of 4 x 4 coefficients).
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

GROUP = 16
ENOUGH = 4

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@lru_cache(maxsize=8)
def scan(size: int) -> IntArray:
    """Flat harmonics k * size + m by anti-diagonal k + m, then k: (size * size / GROUP, GROUP) int64."""
    k, m = np.divmod(np.arange(size * size), size)
    return np.lexsort((k, k + m)).reshape(-1, GROUP)


def told(groups: IntArray) -> tuple[BoolArray, BoolArray, IntArray]:
    """What groups of magnitudes tell.

    Args:
        groups: (..., GROUP) int64 magnitudes.

    Returns:
        Which groups hide a sign, which of these signs are negative, and the place in the group of the first
        non-zero value, whose sign it is: (...) each, bool, bool and int64.
    """
    sums = groups.sum(-1)
    hides = sums >= ENOUGH
    return hides, hides & (sums % 2 == 1), (groups > 0).argmax(-1)


def telling(values: IntArray) -> IntArray:
    """Values (n, C, size, size), int64, with the signs that their magnitudes hide."""
    magnitudes = np.abs(values)
    hidden, negative = hidden_signs(magnitudes)
    return np.where(hidden, np.where(negative, -magnitudes, magnitudes), values)


def hidden_signs(magnitudes: IntArray) -> tuple[BoolArray, BoolArray]:
    """Signs that are not written.

    Args:
        magnitudes: (n, C, size, size) int64; they may be clipped at `ENOUGH` or more for the first result.

    Returns:
        Where a sign is hidden, and where a hidden sign is negative; both bool, shaped like `magnitudes`.
    """
    shape, size = magnitudes.shape, magnitudes.shape[-1]
    order = scan(size)
    groups = magnitudes.reshape(*shape[:2], size * size)[..., order]
    hides, odd, first = told(groups)
    places = np.take_along_axis(order[None, None], first[..., None], -1)[..., 0]
    hidden, negative = np.zeros((2, *shape[:2], size * size), np.bool_)
    np.put_along_axis(hidden, places, hides, -1)
    np.put_along_axis(negative, places, odd, -1)
    return hidden.reshape(shape), negative.reshape(shape)
