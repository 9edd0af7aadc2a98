"""Transform types: how they cut the axes of a cell into pieces, and list the waves of these.

An edge costs many harmonics of waves that run through it, and few of waves that end there. So a transform of
an axis may cut it into pieces, each with waves of its own: cosines, or sines that rise from the first sample.
"""

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

_COSINES, _SINES = 0, 1

_AXES = (
    ((_COSINES, 8),),
    ((_SINES, 8),),
    ((_SINES, 4), (_COSINES, 4)),
    ((_COSINES, 2), (_COSINES, 4), (_COSINES, 2)),
    ((_COSINES, 3), (_COSINES, 5)),
    ((_COSINES, 5), (_COSINES, 3)),
)
"""The pieces of each transform, from the first border: their waves, and their length in eighths."""

AXIS_TRANSFORMS = len(_AXES)
"""Transforms of one axis."""
TRANSFORMS = AXIS_TRANSFORMS**2
"""Transform types of a cell's residual: AXIS_TRANSFORMS * vertical + horizontal."""
PIECES = max(map(len, _AXES))
"""Pieces of an axis, at most."""
REACH = 3
"""Waves of the same piece that `same_piece` looks up or down."""

_IS_CUT = np.array([len(axis) > 1 for axis in _AXES]).astype(np.int64)
CUT_AXES: IntArray = np.add.outer(_IS_CUT, _IS_CUT).ravel()
"""Axes that each transform type cuts into pieces: (TRANSFORMS,)."""


class Wave(NamedTuple):
    """One wave of a transform.

    Attributes:
        piece: which, from the first border.
        begin: first sample of its piece.
        length: samples of its piece.
        sine: whether it is a sine.
        number: 0 for the lowest frequency of the piece.
    """

    piece: int
    begin: int
    length: int
    sine: bool
    number: int

    @property
    def frequency(self) -> Fraction:
        """In half turns per two samples."""
        return Fraction(2 * self.number + self.sine, self.length)


@lru_cache(maxsize=64)
def axis_waves(size: int, transform: int) -> tuple[Wave, ...]:
    """Waves of a transform of an axis of `size` samples: by frequency, of equals the first piece's first."""
    found, begin = [], 0
    for piece, (waves, eighths) in enumerate(_AXES[transform]):
        length = size * eighths // 8
        found += [Wave(piece, begin, length, waves == _SINES, number) for number in range(length)]
        begin += length
    return tuple(sorted(found, key=lambda wave: (wave.frequency, wave.piece)))


@lru_cache(maxsize=8)
def same_piece(size: int) -> IntArray:
    """Where waves of the same piece are listed, by how much higher or lower they are.

    Returns:
        (AXIS_TRANSFORMS, size, 2 * REACH + 1) int64 positions of the waves REACH lower ... REACH higher;
        `size` where there is none.
    """
    result = np.full((AXIS_TRANSFORMS, size, 2 * REACH + 1), size)
    for transform, rows in enumerate(result):
        waves = axis_waves(size, transform)
        place = {(wave.piece, wave.number): position for position, wave in enumerate(waves)}
        for row, wave in zip(rows, waves, strict=True):
            numbers = range(wave.number - REACH, wave.number + REACH + 1)
            row[:] = [place.get((wave.piece, number), size) for number in numbers]
    return result


@lru_cache(maxsize=8)
def pieces(size: int) -> IntArray:
    """Which piece each wave is of, from the first border: (AXIS_TRANSFORMS, size) int64 below PIECES."""
    return np.array([[wave.piece for wave in axis_waves(size, kind)] for kind in range(AXIS_TRANSFORMS)])
