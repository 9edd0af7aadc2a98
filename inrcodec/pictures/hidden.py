"""Colours that alpha hides: replaced by what is cheap to code beside the visible ones."""

from typing import Any

import numpy as np
import numpy.typing as npt

_NEUTRAL = 128

_Floats = npt.NDArray[np.floating[Any]]


def smooth_hidden(
    colour: npt.NDArray[np.uint8], visible: npt.NDArray[np.bool_], side: int
) -> npt.NDArray[np.uint8]:
    """The colours with the hidden ones replaced by a smooth continuation of the visible ones.

    Push-pull (Gortler et al. 1996, The Lumigraph, section 3.4): means of what is visible in ever larger
    squares, and back, bilinearly, where there was nothing. Grey where a whole square is hidden.

    Args:
        colour: (H, W, C) uint8.
        visible: (H, W) bool.
        side: of the squares that are treated on their own.

    Returns:
        (H, W, C) uint8, a copy.
    """
    result = colour.copy()
    for top in range(0, colour.shape[0], side):
        for left in range(0, colour.shape[1], side):
            place = slice(top, top + side), slice(left, left + side)
            seen = visible[place]
            if not seen.any():
                result[place] = _NEUTRAL
            elif not seen.all():
                filled = _filled(colour[place].astype(np.float32), seen.astype(np.float32)[:, :, None])
                result[place] = np.where(seen[:, :, None], colour[place], np.rint(filled).astype(np.uint8))
    return result


def _filled(colour: _Floats, weight: _Floats) -> _Floats:
    """(h, w, C) with the colours of no weight, (h, w, 1), replaced."""
    if weight.all():
        return colour
    sums, weights = _halved(colour * weight), _halved(weight)
    coarse = _filled(sums / np.maximum(weights, 1), (weights > 0).astype(np.float32))
    height, width, _ = colour.shape
    return np.where(weight > 0, colour, _doubled(_doubled(coarse, 0), 1)[:height, :width])


def _halved(values: _Floats) -> _Floats:
    """Sums of squares of two by two."""
    height, width, channels = values.shape
    even = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    result: _Floats = even.reshape(-(-height // 2), 2, -(-width // 2), 2, channels).sum((1, 3))
    return result


def _doubled(values: _Floats, axis: int) -> _Floats:
    """Twice as many along an axis, interpolated."""
    ends = [(1, 1) if i == axis else (0, 0) for i in range(3)]
    padded = np.pad(values, ends, mode="edge")
    count = values.shape[axis]
    before, here, after = (np.take(padded, range(i, i + count), axis) for i in range(3))
    pairs = np.stack([(before + 3 * here) / 4, (3 * here + after) / 4], axis + 1)
    shape = tuple(length * (2 if i == axis else 1) for i, length in enumerate(values.shape))
    return pairs.reshape(shape)
