"""The integers of a tile: what entropy coding and reconstruction exchange."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inrcodec.tile.partition import Partition

IntArray = npt.NDArray[np.int64]

PHASES = 9
"""Hidden phases of a cell: 3 * vertical + horizontal, each 0 cosine, 1 sine rising from the cell's first
border, 2 its mirror image."""


@dataclass(frozen=True)
class TileSymbols:
    """The integers of a tile.

    Attributes:
        partition: its cells.
        modes: (N,) int64.
        phases: (N,) int64.
        values: per size, (n, C, size, size) int64 quantised differences, vertical harmonic first.
    """

    partition: Partition
    modes: IntArray
    phases: IntArray
    values: dict[int, IntArray]


def extents_of(values: IntArray) -> IntArray:
    """Extents of (n, C, size, size) differences: (n, C)."""
    size = values.shape[-1]
    diagonal = np.add.outer(np.arange(size), np.arange(size)) + 1
    result: IntArray = ((values != 0) * diagonal).max((-1, -2), initial=0)
    return result


def cell_extents(symbols: TileSymbols) -> IntArray:
    """Extents of all cells in coding order: (N, C)."""
    channels = next(iter(symbols.values.values())).shape[1]
    result = np.zeros((len(symbols.modes), channels), np.int64)
    for size, values in symbols.values.items():
        result[symbols.partition.of_size(size)] = extents_of(values)
    return result
