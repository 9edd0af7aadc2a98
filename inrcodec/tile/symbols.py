"""The integers of a tile: what entropy coding and reconstruction exchange."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from inrcodec.tile.partition import CellMap, Partition

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TileSymbols:
    """The integers of a tile.

    Attributes:
        partition: its N cells.
        modes: (N,) int64 prediction modes.
        transforms: (N,) int64 transform types, below `TRANSFORMS`.
        residuals: per size, (n, C, size, size) int64 quantised residuals, vertical harmonic first; times the
            quantiser step they stay within `WEIGHT_MAX`.
    """

    partition: Partition
    modes: IntArray
    transforms: IntArray
    residuals: dict[int, IntArray]

    @property
    def channels(self) -> int:
        """Planes: 1 or 3."""
        return int(next(iter(self.residuals.values())).shape[1])

    @cached_property
    def last_diagonals(self) -> IntArray:
        """(N, C) int64 of `last_diagonals`, cells in coding order."""
        result = np.zeros((len(self.modes), self.channels), np.int64)
        for size, residuals in self.residuals.items():
            result[self.partition.of_size(size)] = last_diagonals(residuals)
        return result

    @property
    def cells(self) -> CellMap:
        """Which cell covers every unit, and what restoration has to know of it."""
        p = self.partition
        return CellMap(p.owner, p.size[p.owner], self.last_diagonals.T[:, p.owner])


def last_diagonals(residuals: IntArray) -> IntArray:
    """Where the last significant diagonal of (n, C, size, size) residuals lies: (n, C) int64.

    1 + the highest k + m of a residual that is not zero; 0 if there is none.
    """
    size = residuals.shape[-1]
    diagonal = np.add.outer(np.arange(size), np.arange(size)) + 1
    result: IntArray = ((residuals != 0) * diagonal).max((-1, -2), initial=0)
    return result
