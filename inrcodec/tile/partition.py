"""Partition of a tile into square cells, their coding order, and what each cell may look at.

A tile is cut into blocks of 32 x 32 samples, a block into cells of 32, 16 or 8 samples. Cells are coded
block by block in raster order, inside a block in Z-order. A cell is predicted from samples of
cells coded before it (two rows above, two columns left), so cells that do not depend on each other form
a *level* and are reconstructed together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SIZES = (8, 16, 32)
BLOCK = 32
UNIT = 8
SPLITS = 17
"""Ways to cut a block: 0 is one 32-sample cell; 1 + b has quadrant i cut into 8-sample cells if bit i of b
is set, and one 16-sample cell otherwise. Quadrants are numbered in Z-order."""

Box = tuple[int, int, int, int]
"""A region in samples: top, left, bottom, right."""
IntArray = npt.NDArray[np.int64]

_QUADRANTS = ((0, 0), (0, 2), (2, 0), (2, 2))
_Z_ORDER = ((0, 0), (0, 1), (1, 0), (1, 1))


@lru_cache(maxsize=SPLITS)
def _block_cells(split: int) -> tuple[tuple[int, int, int], ...]:
    """Cells of one block in Z-order as (size, row, column), rows and columns in units of 8 samples."""
    if split == 0:
        return ((32, 0, 0),)
    cells: list[tuple[int, int, int]] = []
    for i, (y, x) in enumerate(_QUADRANTS):
        if (split - 1) >> i & 1:
            cells += [(8, y + dy, x + dx) for dy, dx in _Z_ORDER]
        else:
            cells.append((16, y, x))
    return tuple(cells)


@lru_cache(maxsize=1)
def _layouts() -> tuple[IntArray, IntArray, IntArray]:
    """Per split: how many cells, its `_block_cells` (SPLITS, 16, 3), which covers a unit (SPLITS, 4, 4)."""
    counts, cells, units = np.zeros(SPLITS, np.int64), np.zeros((SPLITS, 16, 3), np.int64), []
    for split in range(SPLITS):
        found = _block_cells(split)
        counts[split] = len(found)
        cells[split, : len(found)] = found
        owner = np.zeros((4, 4), np.int64)
        for number, (size, y, x) in enumerate(found):
            owner[y : y + size // UNIT, x : x + size // UNIT] = number
        units.append(owner)
    return counts, cells, np.stack(units)


class Group(NamedTuple):
    """Cells of one size that may go together.

    Attributes:
        size: their size in samples.
        cells: (n,) int64, their indices.
        place: (n,) int64, their positions among all cells of that size.
    """

    size: int
    cells: IntArray
    place: IntArray


class CellMap(NamedTuple):
    """Which cell covers every unit of a tile, or of what is joined from several.

    Attributes:
        owner: (unit rows, unit columns) int64, numbers that tell cells apart.
        size: (unit rows, unit columns) int64, sizes of these cells in samples.
        last_diagonals: (C, unit rows, unit columns) int64, up to where their residuals reach; see
            `inrcodec.tile.symbols.last_diagonals`.
    """

    owner: IntArray
    size: IntArray
    last_diagonals: IntArray


class _Dependencies(NamedTuple):
    """What the cells of a tile look at: see `Partition`."""

    corner: npt.NDArray[np.bool_]
    level: IntArray
    seen: list[set[int]]


@dataclass(frozen=True, eq=False)
class Partition:
    """All cells of a tile in coding order.

    Attributes:
        splits: (block rows, block columns) int64, one of the `SPLITS` ways per block.
        size: (N,) int64, cell size in samples.
        row, col: (N,) int64, position of the cell's first sample in units of 8 samples.
        owner: (unit rows, unit columns) int64, index of the cell that covers a unit.
    """

    splits: IntArray
    size: IntArray
    row: IntArray
    col: IntArray
    owner: IntArray

    @classmethod
    def from_splits(cls, splits: IntArray) -> "Partition":
        """Lists the cells of a tile.

        Args:
            splits: (block rows, block columns) int64, how each block is cut: below `SPLITS`.
        """
        ways = splits.ravel()
        counts, every, units = _layouts()
        block = np.repeat(np.arange(len(ways)), counts[ways])
        first = np.cumsum(counts[ways]) - counts[ways]
        size, row, col = every[ways[block], np.arange(len(block)) - first[block]].T
        by, bx = np.divmod(block, splits.shape[1])
        owner = (units[ways] + first[:, None, None]).reshape(*splits.shape, 4, 4).swapaxes(1, 2)
        rows, cols = (4 * length for length in splits.shape)
        return cls(splits, size, 4 * by + row, 4 * bx + col, owner.reshape(rows, cols))

    @classmethod
    def uniform(cls, blocks: tuple[int, int], size: int) -> "Partition":
        """Cells of one size in a tile of (block rows, block columns) blocks."""
        return cls.from_splits(np.full(blocks, {32: 0, 16: 1, 8: SPLITS - 1}[size]))

    @cached_property
    def _dependencies(self) -> _Dependencies:
        return _dependencies(*(part.tolist() for part in (self.size, self.row, self.col)), *self.owner.shape)

    @property
    def corner(self) -> npt.NDArray[np.bool_]:
        """(N,) bool, whether the samples above right of a cell are coded before it."""
        return self._dependencies.corner

    @property
    def level(self) -> IntArray:
        """(N,) int64, 0 for cells that depend on nothing, else 1 + the highest level looked at."""
        return self._dependencies.level

    @property
    def seen(self) -> list[set[int]]:
        """N sets, which cells each looks at."""
        return self._dependencies.seen

    def groups(self) -> list[Group]:
        """All cells by level and size, in an order that respects dependence: that of coding them."""
        place = self._places()
        key = self.level * len(SIZES) + np.searchsorted(SIZES, self.size)
        order = np.argsort(key, kind="stable")
        cuts = np.flatnonzero(np.diff(key[order])) + 1
        return [Group(int(self.size[cells[0]]), cells, place[cells]) for cells in np.split(order, cuts)]

    def fewer_groups(self) -> list[Group]:
        """All cells in fewer groups, for whoever may choose the order as long as it respects dependence.

        List scheduling by critical path (Hu, Operations Research 1961): of the cells that wait for none, the
        one at the head of the longest chain is next, and all of its size with it.
        """
        waiting: list[list[int]] = [[] for _ in self.seen]
        chain = [1] * len(self.seen)
        for cell in range(len(self.seen) - 1, -1, -1):
            for other in self.seen[cell]:
                waiting[other].append(cell)
                chain[other] = max(chain[other], 1 + chain[cell])
        missing = [len(seen) for seen in self.seen]
        size, place = self.size.tolist(), self._places()
        ready: dict[int, list[int]] = {s: [] for s in SIZES}
        for cell, count in enumerate(missing):
            if not count:
                ready[size[cell]].append(cell)
        groups = []
        while any(ready.values()):
            chosen = max(SIZES, key=lambda s: max((chain[cell] for cell in ready[s]), default=0))
            found, ready[chosen] = ready[chosen], []
            cells = np.array(found)
            groups.append(Group(chosen, cells, place[cells]))
            for cell in found:
                for other in waiting[cell]:
                    missing[other] -= 1
                    if not missing[other]:
                        ready[size[other]].append(other)
        return groups

    def _places(self) -> IntArray:
        """(N,) position of every cell among those of its size."""
        place = np.zeros(len(self.size), np.int64)
        for size in SIZES:
            cells = self.of_size(size)
            place[cells] = np.arange(len(cells))
        return place

    def of_size(self, size: int) -> IntArray:
        """(n,) int64 indices of the cells of one size, in coding order."""
        return np.flatnonzero(self.size == size)


def by_value(values: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Each of the different values (n,), ascending, and its positions, int64."""
    # For the few cells of a group, a set is several times faster than np.unique.
    for value in sorted(set(values.tolist())):
        yield value, np.flatnonzero(values == value)


def _dependencies(size: list[int], row: list[int], col: list[int], rows: int, cols: int) -> _Dependencies:
    """What the cells look at, given their sizes and places, and the units of the tile."""
    # One unit of margin on every side saves bounds checks; it reads as "coded before, level -1".
    owner = [[-1] * (cols + 6) for _ in range(rows + 2)]
    levels = [-1] * (len(size) + 1)
    corner = np.zeros(len(size), np.bool_)
    seen = []
    for i, (s, y, x) in enumerate(zip(size, row, col, strict=True)):
        k = s // UNIT
        above = owner[y]
        near = above[x : x + k + 1]
        if y > 0 and x + k < cols and above[x + k + 1] >= 0:
            corner[i] = True
            near = above[x : x + 2 * k + 1]
        near = near + [owner[y + 1 + j][x] for j in range(k)]
        levels[i] = 1 + max(levels[j] for j in near)
        seen.append(set(near) - {-1})
        for j in range(k):
            owner[y + 1 + j][x + 1 : x + 1 + k] = [i] * k
    return _Dependencies(corner, np.array(levels[:-1], np.int64), seen)


def boundary_size(size: int) -> int:
    """Number of boundary samples of a cell: two rows above (twice as wide), two columns left, the corner."""
    return 6 * size + 4


def boundary_indices(partition: Partition, cells: IntArray, size: int, width: int) -> IntArray:
    """Where the boundary samples of cells lie in a plane of `width` samples per row.

    Samples that are not there are replaced by the nearest that is: beyond the last known sample of a row
    above by that sample, left of the picture by the first sample above, above it by the first sample left.

    Args:
        partition: the cells of the tile.
        cells: (n,) which of them.
        size: their size in samples, the same for all.
        width: samples per row of the plane.

    Returns:
        (n, boundary_size(size)) int64 flat indices; -1 for a cell that has no neighbour at all.
    """
    y = partition.row[cells, None] * UNIT
    x = partition.col[cells, None] * UNIT
    last = np.where(partition.corner[cells, None], np.minimum(x + 2 * size, width), x + size) - 1
    columns = np.clip(x - 2 + np.arange(2 * size + 2), 0, last)
    first_left = y * width + x - 1
    first_above = (y - 1) * width + x
    above = [np.where(y > 0, (y + r) * width + columns, first_left) for r in (-2, -1)]
    rows = (y + np.arange(size)) * width + x
    left = [np.where(x > 0, rows + c, first_above) for c in (-2, -1)]
    index = np.concatenate(above + left, axis=1)
    index[((y == 0) & (x == 0))[:, 0]] = -1
    return index


def sample_indices(partition: Partition, cells: IntArray, size: int, width: int) -> IntArray:
    """Where the samples of cells lie in a plane.

    Args:
        partition: the cells of the tile.
        cells: (n,) which of them.
        size: their size in samples, the same for all.
        width: samples per row of the plane.

    Returns:
        (n, size * size) int64 flat indices, row-major.
    """
    origin = (partition.row[cells] * width + partition.col[cells]) * UNIT
    grid = np.arange(size)[:, None] * width + np.arange(size)
    return origin[:, None] + grid.ravel()
