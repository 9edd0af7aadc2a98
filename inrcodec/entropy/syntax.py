"""The order in which a tile's integers are coded, and the context of each. Integers only.

1. How every block is cut, along anti-diagonals of blocks.
2. Per level of cells: each cell's prediction mode and, per channel, its *last significant diagonal*: one more
   than the highest anti-diagonal k + m that holds a residual other than zero (0 if there is none). Between
   luma and chroma, the transform type of every cell that has luma residuals; that of the others is 0.
3. Per channel, magnitudes from high to low frequency, all cells of the tile at once: one batch is one
   anti-diagonal of all cells of one size that have something there or beyond.
4. Signs, and the excess of escaped magnitudes, as plain bits (see `inrcodec.entropy.payload`).

`walk_splits`, `walk_cells` and `walk_magnitudes` are the only description of that order. Each is a generator
that yields batches of symbols with their contexts and is sent the symbols: those of the tile by whoever
encodes or counts them, those that were read by a decoder. `follow` does the sending.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from inrcodec.entropy.context_network import ESCAPE, ContextNetwork, log_magnitude
from inrcodec.entropy.rans import Tables
from inrcodec.tile.fixed_point import log_step
from inrcodec.tile.partition import (
    BLOCK,
    SIZES,
    SPLITS,
    UNIT,
    Partition,
)
from inrcodec.tile.symbols import TileSymbols
from inrcodec.tile.transform_types import AXIS_TRANSFORMS, PIECES, REACH, TRANSFORMS, pieces, same_piece

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
Element = Literal["splits", "modes", "transforms", "last_diagonals", "magnitudes"]

_Walked = TypeVar("_Walked")

MARGIN = 3
"""Harmonics that a context looks beyond its own."""
BINS = 8
"""A unit's spectrum is kept in BINS x BINS frequency bins, whatever the size of the cell that covers it."""
SPLIT_ROWS = 75
TRANSFORM_FEATURES = 2 * AXIS_TRANSFORMS
TRANSFORM_BANDWIDTHS = (4, 12)
"""Luma bandwidths from which the transform type is coded with another table."""
STEP_CLASSES = (24 * 16, 60 * 16)
"""Quantiser steps below the first, between them, and above have tables of their own."""
_TRUE, _CERTAIN = 32, 48
"""Features of a condition that holds: of last diagonals, and of magnitudes."""


class DiagonalFeature(IntEnum):
    """Inputs of the networks of last diagonals, before those of `cell_features`: FORMAT.md, section 6.4."""

    LEFT_MEAN = 0
    LEFT_MAX = 1
    LEFT_UNKNOWN = 2
    ABOVE_MEAN = 3
    ABOVE_MAX = 4
    ABOVE_UNKNOWN = 5
    ABOVE_LEFT = 6
    ABOVE_RIGHT = 7
    ABOVE_LEFT_UNKNOWN = 8
    ABOVE_RIGHT_UNKNOWN = 9
    LUMA = 10
    LUMA_EMPTY = 11
    FIRST_CHROMA = 12
    FIRST_CHROMA_EMPTY = 13
    IS_FIRST_CHROMA = 14
    IS_SECOND_CHROMA = 15
    STEP = 16
    LEAST_MEAN = 17
    ALL_EMPTY = 18


class MagnitudeFeature(IntEnum):
    """Inputs of the networks of magnitudes, before those of `cell_features`: FORMAT.md, section 6.5.

    Neighbouring harmonics (k, m) are named by where they lie: BELOW is (k + 1, m), RIGHT is (k, m + 1). A
    "side" stands for four features: left, above, right, below.
    """

    BELOW = 0
    RIGHT = 1
    BELOW_RIGHT = 2
    BELOW_2 = 3
    RIGHT_2 = 4
    KNIGHTS = 5
    HIGHER_SUM = 6
    SIDE_BIN = 7
    SIDE_NEXT_BINS = 11
    SIDE_BANDWIDTH = 15
    LEFT_TO_CODE = 19
    IS_LAST = 20
    BANDWIDTH = 21
    LUMA = 22
    LUMA_AROUND = 23
    LUMA_BANDWIDTH = 24
    FIRST_CHROMA = 25
    IS_SECOND_CHROMA = 26
    VERTICAL = 27
    HORIZONTAL = 28
    SLANT = 29
    DIAGONAL = 30
    IS_ROW_0 = 31
    IS_COLUMN_0 = 32
    IS_MEAN = 33
    STEP = 34
    BESIDE_BELOW = 35
    BESIDE_RIGHT = 36
    BESIDE_FAR = 37
    FAR = 38
    PIECE = 39
    OTHER_PIECES = 40


DIAGONAL_FEATURES = len(DiagonalFeature)
MAGNITUDE_FEATURES = MagnitudeFeature.OTHER_PIECES + 1


class Batch(NamedTuple):
    """Symbols that are coded together: the contexts of none depend on another.

    Attributes:
        element: which integers of the tile.
        size: size of their cells; 0 for splits.
        contexts: what decides their code lengths: (n,) int64 rows of the element's table or, for last
            diagonals and magnitudes, (n, F) float32 features of the context network of that size.
        table_class: 0 for luma, 1 for chroma.
        where: index of the symbols in the element's array.
    """

    element: Element
    size: int
    contexts: npt.NDArray[Any]
    table_class: int
    where: tuple[Any, ...]


Walk = Generator[Batch, IntArray, _Walked]
"""Yields batches, is sent their symbols (n,) int64, and returns what it has put together."""


@dataclass(frozen=True, eq=False)
class EntropyModel:
    """Everything trained that decides code lengths.

    Attributes:
        splits: SPLIT_ROWS rows over SPLITS symbols.
        modes: rows of `mode_rows` over the prediction modes.
        transforms: rows of `transform_rows` over TRANSFORMS symbols.
        last_diagonals: per cell size, a network whose tables have 2 * size symbols.
        magnitudes: per cell size, a network whose tables have MAGNITUDES symbols.
    """

    splits: Tables
    modes: Tables
    transforms: Tables
    last_diagonals: dict[int, ContextNetwork]
    magnitudes: dict[int, ContextNetwork]

    @property
    def mode_count(self) -> int:
        """Number of prediction modes."""
        return int(self.modes.cumulative.shape[1]) - 1

    def rows(self, batch: Batch) -> tuple[Tables, IntArray]:
        """The tables of a batch, and the row (n,) int64 of each of its symbols."""
        part = getattr(self, batch.element)
        if isinstance(part, Tables):
            return part, batch.contexts
        network: ContextNetwork = part[batch.size]
        return network.tables, network.rows(batch.contexts, batch.table_class)


@dataclass(frozen=True)
class Symbols:
    """The symbols of a tile as the walks want them.

    Attributes:
        splits, modes, transforms, last_diagonals: as in `TileSymbols` and its partition.
        magnitudes: per size, (n, C, size, size) int64 clipped at ESCAPE.
    """

    splits: IntArray
    modes: IntArray
    transforms: IntArray
    last_diagonals: IntArray
    magnitudes: dict[int, IntArray]

    @classmethod
    def of(cls, tile: TileSymbols) -> "Symbols":
        """Those of a tile."""
        clipped = {s: np.minimum(np.abs(v), ESCAPE) for s, v in tile.residuals.items()}
        return cls(tile.partition.splits, tile.modes, tile.transforms, tile.last_diagonals, clipped)

    def of_batch(self, batch: Batch) -> IntArray:
        """(n,) int64 symbols of a batch."""
        array = getattr(self, batch.element)
        found: IntArray = (array[batch.size] if batch.element == "magnitudes" else array)[batch.where].ravel()
        return found


def follow(walk: Walk[_Walked], code: Callable[[Batch], IntArray]) -> _Walked:
    """Walks to the end.

    Args:
        walk: one of the walks below.
        code: given a batch, its symbols (n,) int64.

    Returns:
        What the walk has put together.
    """
    try:
        batch = next(walk)
        while True:
            batch = walk.send(code(batch))
    except StopIteration as end:
        result: _Walked = end.value
        return result


def walk_tile(symbols: TileSymbols, step: int, mode_count: int, code: Callable[[Batch], IntArray]) -> None:
    """All walks over a known tile, one after the other.

    Args:
        symbols: the tile.
        step: quantiser step in fixed-point units.
        mode_count: number of prediction modes.
        code: given a batch, its symbols (n,) int64.
    """
    partition, last = symbols.partition, symbols.last_diagonals
    follow(walk_splits(partition.splits.shape, step), code)
    follow(walk_cells(partition, symbols.channels, step, mode_count), code)
    follow(walk_magnitudes(partition, symbols.modes, symbols.transforms, last, step, mode_count), code)


def cell_features(transforms: IntArray, modes: IntArray, count: int) -> FloatArray:
    """Features that tell transform types and modes apart.

    Args:
        transforms: (n,) transform types.
        modes: (n,) prediction modes.
        count: number of modes.

    Returns:
        (n, TRANSFORM_FEATURES + count) float32.
    """
    kinds = np.arange(AXIS_TRANSFORMS)
    which = (
        transforms[:, None] // AXIS_TRANSFORMS == kinds,
        transforms[:, None] % AXIS_TRANSFORMS == kinds,
        modes[:, None] == np.arange(count),
    )
    result: FloatArray = np.where(np.concatenate(which, axis=1), np.float32(_TRUE), np.float32(0))
    return result


def step_class(step: int) -> int:
    """Which set of split, mode and transform tables serves a quantiser step (fixed-point): 0, 1 or 2."""
    return sum(step >= bound for bound in STEP_CLASSES)


def _cell_class(step: int, size: int) -> int:
    """Which set of mode and transform tables serves a quantiser step and a cell size."""
    return step_class(step) * len(SIZES) + SIZES.index(size)


def mode_rows(step: int, size: int, above: IntArray, left: IntArray, count: int) -> IntArray:
    """Table rows of the modes of cells of one size, given those of their first neighbours above and left.

    Args:
        step: quantiser step in fixed-point units.
        size: of the cells.
        above: (n,) modes above; `count` outside the tile.
        left: (n,) modes to the left, likewise.
        count: number of modes.

    Returns:
        (n,) int64.
    """
    return (_cell_class(step, size) * (count + 1) + above) * (count + 1) + left


def bandwidth_class(size: int, last: IntArray) -> IntArray:
    """Which transform table of a mode serves cells of some size and last significant diagonals (n,)."""
    bandwidth = last * (BLOCK // size)
    result: IntArray = np.sum([bandwidth >= bound for bound in TRANSFORM_BANDWIDTHS], axis=0)
    return result


def transform_rows(step: int, size: int, modes: IntArray, last: IntArray, count: int) -> IntArray:
    """Table rows of the transform types of cells of one size.

    Args:
        step: quantiser step in fixed-point units.
        size: of the cells.
        modes: (n,) their modes, out of `count`.
        last: (n,) their last significant diagonals of luma.
        count: number of modes.

    Returns:
        (n,) int64.
    """
    row = _cell_class(step, size) * count + modes
    return row * (len(TRANSFORM_BANDWIDTHS) + 1) + bandwidth_class(size, last)


def table_shapes(modes: int) -> dict[Element, tuple[int, int]]:
    """Rows and symbols of the tables that no context network chooses from, for a number of modes."""
    classes = (len(STEP_CLASSES) + 1) * len(SIZES)
    return {
        "splits": (SPLIT_ROWS, SPLITS),
        "modes": (classes * (modes + 1) ** 2, modes),
        "transforms": (classes * modes * (len(TRANSFORM_BANDWIDTHS) + 1), TRANSFORMS),
    }


def feature_counts(modes: int) -> dict[Element, int]:
    """Inputs of the context networks, for a number of modes."""
    told = TRANSFORM_FEATURES + modes
    return {"last_diagonals": DIAGONAL_FEATURES + told, "magnitudes": MAGNITUDE_FEATURES + told}


def walk_splits(shape: tuple[int, ...], step: int) -> Walk[IntArray]:
    """Walks over how blocks are cut.

    Args:
        shape: block rows and columns.
        step: quantiser step in fixed-point units.

    Returns:
        (block rows, block columns) int64.
    """
    rows, cols = shape
    # Border blocks read as class 4; classes 0 to 3 say how finely a block is cut.
    fineness = np.full((rows + 1, cols + 1), 4, np.int64)
    result = np.zeros(shape, np.int64)
    classes = np.array([0] + [1 + (b.bit_count() + 1) // 2 for b in range(SPLITS - 1)])
    for diagonal in range(rows + cols - 1):
        y = np.arange(max(0, diagonal - cols + 1), min(rows, diagonal + 1))
        x = diagonal - y
        context = (step_class(step) * 5 + fineness[y, x + 1]) * 5 + fineness[y + 1, x]
        result[y, x] = yield Batch("splits", 0, context, 0, (y, x))
        fineness[y + 1, x + 1] = classes[result[y, x]]
    return result


@lru_cache(maxsize=128)
def _diagonal(size: int, d: int) -> tuple[IntArray, IntArray]:
    """Vertical and horizontal harmonics (k, m) with k + m = d, k ascending."""
    k = np.arange(max(0, d - size + 1), min(size, d + 1))
    return k, d - k


@lru_cache(maxsize=128)
def _bins(size: int, d: int) -> IntArray:
    """Frequency bin of a unit that each harmonic of `_diagonal` falls into."""
    k, m = _diagonal(size, d)
    per = size // BINS
    bins: IntArray = (k // per) * (BINS + 1) + m // per
    return bins


@lru_cache(maxsize=128)
def _shares(size: int, d: int) -> tuple[IntArray, IntArray]:
    """Different bins (n,) of an anti-diagonal, and what they gather of its magnitudes: (harmonics, n)."""
    bins, place = np.unique(_bins(size, d), return_inverse=True)
    shares = np.zeros((len(place), len(bins)), np.int64)
    # A bin gathers so many magnitudes of the cell that it ends at their mean in sixteenths.
    shares[np.arange(len(place)), place] = 16 // (size // BINS) ** 2
    return bins, shares


class _Neighbours:
    """Units around the cells of one size; index -1 stands for "outside".

    Attributes:
        cells: (n,) indices of the cells.
        sides: (n, 4, size / 8) units left, above, right and below.
        corners: (n, 2) units above left and above right.
        own: (n, units) units that the cell covers.
    """

    def __init__(self, partition: Partition, size: int) -> None:
        rows, cols = partition.owner.shape
        self.cells = partition.of_size(size)
        k = size // UNIT
        y, x = partition.row[self.cells, None], partition.col[self.cells, None]
        along = np.arange(k)

        def unit(row: IntArray, col: IntArray) -> IntArray:
            row, col = np.broadcast_arrays(row, col)
            inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
            index: IntArray = np.where(inside, row * cols + col, rows * cols)
            return index

        self.sides = np.stack(
            [unit(y + along, x - 1), unit(y - 1, x + along), unit(y + along, x + k), unit(y + k, x + along)],
            1,
        )
        self.corners = np.concatenate([unit(y - 1, x - 1), unit(y - 1, x + k)], 1)
        grid = ((y + along)[:, :, None] * cols + (x + along)[:, None, :]).reshape(len(self.cells), k * k)
        self.own = grid


def walk_cells(
    partition: Partition, channels: int, step: int, mode_count: int
) -> Walk[tuple[IntArray, IntArray, IntArray]]:
    """Walks over prediction modes, transform types and last significant diagonals.

    Args:
        partition: the N cells.
        channels: 1 or 3.
        step: quantiser step in fixed-point units.
        mode_count: number of prediction modes.

    Returns:
        (N,) modes, (N,) transform types and (N, C) last significant diagonals, int64.
    """
    units = partition.owner.size
    modes, transforms = np.zeros((2, len(partition.size)), np.int64)
    last = np.zeros((len(partition.size), channels), np.int64)
    mode_map = np.full(units + 1, mode_count, np.int64)
    # Last diagonals in a common scale of BLOCK diagonals; -1 where nothing is known.
    bandwidth = np.full((channels, units + 1), -1, np.int64)
    around = {s: _Neighbours(partition, s) for s in SIZES}
    for size, cells, place in partition.groups():
        near = around[size]
        left, above, own = near.sides[place, 0], near.sides[place, 1], near.own[place]
        context = mode_rows(step, size, mode_map[above[:, 0]], mode_map[left[:, 0]], mode_count)
        modes[cells] = yield Batch("modes", size, context, 0, (cells,))
        mode_map[own] = modes[cells, None]
        told = cell_features(transforms[cells], modes[cells], mode_count)
        features = _diagonal_features(bandwidth, left, above, near.corners[place], step, told)
        for channel in range(channels):
            where = cells, np.array(channel)
            last[where] = yield Batch("last_diagonals", size, features[channel], min(channel, 1), where)
            if channel == 0:
                drawn = cells[last[cells, 0] > 0]
                context = transform_rows(step, size, modes[drawn], last[drawn, 0], mode_count)
                transforms[drawn] = yield Batch("transforms", size, context, 0, (drawn,))
                told = cell_features(transforms[cells], modes[cells], mode_count)
                features[1:, :, DIAGONAL_FEATURES:] = told
            known = last[where] * (BLOCK // size)
            bandwidth[channel][own] = known[:, None]
            features[channel + 1 :, :, DiagonalFeature.LUMA + 2 * channel] = known
            features[channel + 1 :, :, DiagonalFeature.LUMA_EMPTY + 2 * channel] = _TRUE * (known == 0)
    return modes, transforms, last


def _diagonal_features(
    bandwidth: IntArray, left: IntArray, above: IntArray, corners: IntArray, step: int, told: FloatArray
) -> FloatArray:
    """Features of all channels, `told` (n, ...) last: (C, n, features). Those of earlier channels stay 0."""
    f = DiagonalFeature
    features = np.zeros((len(bandwidth), len(left), DIAGONAL_FEATURES + told.shape[1]), np.float32)
    features[:, :, DIAGONAL_FEATURES:] = told
    for first, units in ((f.LEFT_MEAN, left), (f.ABOVE_MEAN, above)):
        side = bandwidth[:, units]
        features[:, :, first] = np.maximum(side, 0).sum(2) // side.shape[2]
        features[:, :, first + 1] = side.max(2)
        features[:, :, first + 2] = _TRUE * (side[:, :, 0] < 0)
    corner = bandwidth[:, corners]
    features[:, :, f.ABOVE_LEFT : f.ABOVE_RIGHT + 1] = np.maximum(corner, 0)
    features[:, :, f.ABOVE_LEFT_UNKNOWN : f.ABOVE_RIGHT_UNKNOWN + 1] = _TRUE * (corner < 0)
    features[1:2, :, f.IS_FIRST_CHROMA] = _TRUE
    features[2:3, :, f.IS_SECOND_CHROMA] = _TRUE
    features[:, :, f.STEP] = log_step(step)
    features[:, :, f.LEAST_MEAN] = np.minimum(features[:, :, f.LEFT_MEAN], features[:, :, f.ABOVE_MEAN])
    empty = (features[:, :, f.LEFT_MAX] == 0) & (features[:, :, f.ABOVE_MAX] == 0)
    features[:, :, f.ALL_EMPTY] = _TRUE * empty
    return features


def walk_magnitudes(
    partition: Partition, modes: IntArray, transforms: IntArray, last: IntArray, step: int, mode_count: int
) -> Walk[dict[int, IntArray]]:
    """Walks over magnitudes, clipped at ESCAPE.

    Args:
        partition: the N cells.
        modes: (N,) prediction modes.
        transforms: (N,) transform types.
        last: (N, C) last significant diagonals.
        step: quantiser step in fixed-point units.
        mode_count: number of prediction modes.

    Returns:
        Per size, (n, C, size, size) int64 magnitudes.
    """
    channels, units = last.shape[1], partition.owner.size
    told = cell_features(transforms, modes, mode_count)
    sets = {s: _Magnitudes(partition, s, transforms, told, last, step) for s in SIZES}
    for channel in range(channels):
        # Mean magnitude of every unit and frequency bin in sixteenths, filled in as cells are coded; the
        # margin bins stay zero, as does the last unit, which stands for "outside".
        spectrum = np.zeros((units + 1, (BINS + 1) ** 2), np.int64)
        bandwidth = np.zeros(units + 1, np.int64)
        for part in sets.values():
            bandwidth[part.near.own] = (part.last[:, channel] * (BLOCK // part.size))[:, None]
        for clock in range(2 * BLOCK - 2, -1, -1):
            for size, part in sets.items():
                d, late = divmod(clock, BLOCK // size)
                active = np.flatnonzero(part.last[:, channel] > d)
                if late or not len(active):
                    continue
                k, m = _diagonal(size, d)
                features = part.features(active, channel, d, spectrum, bandwidth)
                where = active[:, None], channel, k, m
                symbols = yield Batch("magnitudes", size, features, min(channel, 1), where)
                coded = symbols.reshape(len(active), len(k))
                part.fill(active, channel, d, coded)
                bins, shares = _shares(size, d)
                spectrum[part.near.own[active][:, :, None], bins] += (coded @ shares)[:, None, :]
    return {s: part.magnitudes() for s, part in sets.items()}


class _Magnitudes:
    """Magnitudes of the cells of one size, as the walk fills them in."""

    def __init__(
        self,
        partition: Partition,
        size: int,
        transforms: IntArray,
        told: FloatArray,
        last: IntArray,
        step: int,
    ) -> None:
        self.size = size
        self.near = _Neighbours(partition, size)
        self.last = last[self.near.cells]
        self._told = told[self.near.cells]
        axes = np.divmod(transforms[self.near.cells], AXIS_TRANSFORMS)
        # Per axis and harmonic: which lie how much further on in the same piece, and which piece that is.
        self._along = [same_piece(size)[kinds] for kinds in axes]
        self._pieces = [pieces(size)[kinds] for kinds in axes]
        self._sums = np.zeros((last.shape[1], len(self.near.cells), PIECES, PIECES), np.int64)
        self._step = step
        # A margin of zero harmonics stands for what lies beyond the lowest and the highest.
        self._side = size + 2 * MARGIN
        self._values = np.zeros((last.shape[1], len(self.near.cells), self._side * self._side), np.int64)

    def magnitudes(self) -> IntArray:
        """All of them: (n, C, size, size)."""
        square = self._values.reshape(*self._values.shape[:2], self._side, self._side)
        return square[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN].swapaxes(0, 1)

    def fill(self, active: IntArray, channel: int, d: int, coded: IntArray) -> None:
        """Takes the magnitudes (cells, harmonics) of an anti-diagonal of active cells."""
        k, m = _diagonal(self.size, d)
        self._values[channel][active[:, None], self._place(k, m)] = coded
        np.add.at(self._sums[channel], self._piece_of(active, k, m), coded)

    def _piece_of(self, active: IntArray, k: IntArray, m: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Where the sums of the pieces of harmonics lie."""
        return active[:, None], self._pieces[0][active][:, k], self._pieces[1][active][:, m]

    def _place(self, k: IntArray, m: IntArray) -> IntArray:
        """Where harmonics lie in the square of a cell and its margin."""
        return (k + MARGIN) * self._side + m + MARGIN

    def features(
        self, active: IntArray, channel: int, d: int, spectrum: IntArray, bandwidth: IntArray
    ) -> FloatArray:
        """Features of one anti-diagonal of active cells: (cells * harmonics, features)."""
        f, size, side = MagnitudeFeature, self.size, self._side
        k, m = _diagonal(size, d)
        features = np.zeros((MAGNITUDE_FEATURES + self._told.shape[1], len(active), len(k)), np.float32)
        rows, columns = self._along[0][active][:, k], self._along[1][active][:, m]

        def at(channel: int, down: int, right: int) -> IntArray:
            """Magnitudes so many harmonics further on in the same piece, as far as they are known."""
            place = self._place(rows[..., REACH + down], columns[..., REACH + right])
            result: IntArray = self._values[channel].ravel().take(active[:, None] * side**2 + place)
            return result

        # Higher frequencies of the same cell.
        below, right, both = at(channel, 1, 0), at(channel, 0, 1), at(channel, 1, 1)
        below_2, right_2 = at(channel, 2, 0), at(channel, 0, 2)
        far = at(channel, 3, 0) + at(channel, 0, 3) + at(channel, 2, 2)
        far += at(channel, 3, -2) + at(channel, -2, 3)
        own = self._sums[channel][self._piece_of(active, k, m)]
        for feature, sum_of in (
            (f.BELOW, below),
            (f.RIGHT, right),
            (f.BELOW_RIGHT, both),
            (f.BELOW_2, below_2),
            (f.RIGHT_2, right_2),
            (f.KNIGHTS, at(channel, 2, 1) + at(channel, 1, 2)),
            (f.HIGHER_SUM, below + right + both + below_2 + right_2),
            (f.BESIDE_BELOW, at(channel, 2, -1)),
            (f.BESIDE_RIGHT, at(channel, -1, 2)),
            (f.BESIDE_FAR, at(channel, 3, -1) + at(channel, -1, 3)),
            (f.FAR, far),
            (f.PIECE, own),
            (f.OTHER_PIECES, self._sums[channel, active].sum((1, 2))[:, None] - own),
        ):
            features[feature] = log_magnitude(16 * sum_of)
        # What is known of the same and the next frequency bins around.
        near = self.near.sides[active]
        units = near.shape[2]
        bins = _bins(size, d)
        here = spectrum[near[..., None], bins].sum(2) // units
        next_bins = spectrum[near[..., None], bins + BINS + 1].sum(2)
        next_bins += spectrum[near[..., None], bins + 1].sum(2)
        next_bins //= 2 * units
        features[f.SIDE_BIN : f.SIDE_NEXT_BINS] = log_magnitude(here).swapaxes(0, 1)
        features[f.SIDE_NEXT_BINS : f.SIDE_BANDWIDTH] = log_magnitude(next_bins).swapaxes(0, 1)
        scale = BLOCK // size
        wider = np.clip(bandwidth[near].sum(2) // units - d * scale, -32, 32)
        features[f.SIDE_BANDWIDTH : f.LEFT_TO_CODE] = wider.T[:, :, None]
        left = self.last[active, channel, None] - d
        features[f.LEFT_TO_CODE] = np.minimum(left, 16) * 2
        features[f.IS_LAST] = _CERTAIN * (left == 1)
        features[f.BANDWIDTH] = self.last[active, channel, None] * scale
        # The channels coded before, at the same frequency of the same cell.
        if channel:
            around = at(0, 1, 0) + at(0, 0, 1) + at(0, -1, 0) + at(0, 0, -1)
            features[f.LUMA] = log_magnitude(16 * at(0, 0, 0))
            features[f.LUMA_AROUND] = log_magnitude(4 * around)
            features[f.LUMA_BANDWIDTH] = self.last[active, 0, None] * scale
        if channel == 2:
            features[f.FIRST_CHROMA] = log_magnitude(16 * at(1, 0, 0))
            features[f.IS_SECOND_CHROMA] = _CERTAIN
        # Where in the spectrum.
        features[f.VERTICAL] = k * scale
        features[f.HORIZONTAL] = m * scale
        features[f.SLANT] = np.abs(k - m) * scale
        features[f.DIAGONAL] = log_magnitude(np.full(1, 16 * d))
        features[f.IS_ROW_0] = _CERTAIN * (k == 0)
        features[f.IS_COLUMN_0] = _CERTAIN * (m == 0)
        features[f.IS_MEAN] = _CERTAIN * (d == 0)
        features[f.STEP] = log_step(self._step)
        features[MAGNITUDE_FEATURES:] = self._told[active].T[:, :, None]
        return features.reshape(len(features), -1).T


def magnitude_rows(symbols: TileSymbols, step: int, model: EntropyModel) -> dict[int, IntArray]:
    """The table row that would code each magnitude of a tile.

    Args:
        symbols: the tile.
        step: quantiser step in fixed-point units.
        model: tables and context networks.

    Returns:
        Per size, (n, C, size, size) int64 rows of the tables of that size; -1 where nothing is coded.
    """
    known = Symbols.of(symbols)
    rows = {s: np.full(v.shape, -1, np.int64) for s, v in known.magnitudes.items()}

    def code(batch: Batch) -> IntArray:
        found = known.of_batch(batch)
        _, of_batch = model.rows(batch)
        rows[batch.size][batch.where] = of_batch.reshape(-1, len(batch.where[-1]))
        return found

    last = symbols.last_diagonals
    walk = walk_magnitudes(symbols.partition, symbols.modes, symbols.transforms, last, step, model.mode_count)
    follow(walk, code)
    return rows
