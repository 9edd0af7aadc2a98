"""Strength of restoration: how much of its correction helps a picture, by least squares.

The network knows photos. What it takes out of a drawing, or of anything at a high quality, may have been
right: then a decoder is told to add a part of the correction, or nothing.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from inrcodec.container import FULL_STRENGTH
from inrcodec.decisions.rate_distortion import EXCHANGE
from inrcodec.decoding.assembly import Restorer, Tile
from inrcodec.tile.partition import Box

_WHOLE = 256
"""Tiles with no more samples than a square of so many a side are looked at as a whole."""
_WINDOW = 64
"""Side of the windows that are looked at in others: no more than cover a tile of that size."""
_STRENGTH_BITS = 8
"""Of the byte that tells a strength."""


class Agreement(NamedTuple):
    """What corrections have in common with the errors that they are meant for, over some samples of a tile.

    Attributes:
        products: sum of error times correction, fixed-point squared.
        squares: sum of squared corrections, likewise.
        share: of the tile's samples.
    """

    products: float
    squares: float
    share: float


def agreement(planes: npt.NDArray[np.floating[Any]], tile: Tile, restorer: Restorer) -> Agreement:
    """Restores windows of a tile and compares.

    Args:
        planes: (C, H, W) what was encoded, fixed-point samples.
        tile: what a decoder makes of it before it restores.
        restorer: restores, at full strength.
    """
    _, height, width = planes.shape
    products = squares = looked_at = 0.0
    for box in _windows(height, width):
        top, left, bottom, right = box
        decoded = tile.planes[:, top:bottom, left:right].astype(np.float64)
        change = restorer.run((tile, box)) - decoded
        products += float(((planes[:, top:bottom, left:right] - decoded) * change).sum())
        squares += float(np.square(change).sum())
        looked_at += (bottom - top) * (right - left)
    return Agreement(products, squares, looked_at / (height * width))


def strength_of(agreements: Sequence[Agreement], step: int) -> int:
    """The strength with the least squared error, if that is worth being told.

    Args:
        agreements: those of a picture's tiles.
        step: the picture's quantiser step in fixed-point units.

    Returns:
        0 to FULL_STRENGTH.
    """
    products, squares = (sum(values) for values in list(zip(*agreements, strict=True))[:2])
    if not squares:
        return FULL_STRENGTH
    best = products / squares
    strength = min(max(round(best * FULL_STRENGTH), 0), FULL_STRENGTH)
    saved = squares * ((1 - best) ** 2 - (strength / FULL_STRENGTH - best) ** 2)
    share = sum(found.share for found in agreements) / len(agreements)
    worth = EXCHANGE * saved / (step**2 * share)
    return strength if worth > _STRENGTH_BITS else FULL_STRENGTH


def _windows(height: int, width: int) -> list[Box]:
    """Windows all over a tile, whose sides are multiples of 4."""
    if height * width <= _WHOLE**2:
        return [(0, 0, height, width)]
    pitch = _WINDOW * math.ceil(math.sqrt(height * width) / _WHOLE)

    def spans(length: int) -> list[tuple[int, int]]:
        """In the middle of every `pitch` samples."""
        cuts = [(begin, min(pitch, length - begin)) for begin in range(0, length, pitch)]
        firsts = [(begin + (n - min(n, _WINDOW)) // 8 * 4, min(n, _WINDOW)) for begin, n in cuts]
        return [(first, first + n) for first, n in firsts]

    return [(top, left, bottom, right) for top, bottom in spans(height) for left, right in spans(width)]
