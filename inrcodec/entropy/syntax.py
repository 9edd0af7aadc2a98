"""The order in which a tile's integers are coded, and the context of each. Integers only.

1. How every block is cut, along anti-diagonals of blocks.
2. Per level of cells: each cell's mode and, per channel, its *extent*: one more than the highest
   anti-diagonal k + m that holds a non-zero difference (0 if there is none). Between luma and chroma, the
   phase of every cell whose luma extent is not 0; that of the others is 0.
3. Per channel, magnitudes from high to low frequency, all cells of the tile at once: one step codes one
   anti-diagonal of all cells of one size whose extent reaches it.
4. Signs, and the excess of escaped magnitudes, as plain bits.

`code_splits`, `code_cells` and `code_magnitudes` are the only description of that order: an encoder and a
decoder both walk them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from inrcodec.entropy.context_network import ContextNetwork, log_magnitude
from inrcodec.entropy.rans import SymbolCoder, Tables
from inrcodec.tile.fixed_point import log_step
from inrcodec.tile.partition import (
    BLOCK,
    SIZES,
    SPLITS,
    UNIT,
    Partition,
)
from inrcodec.tile.symbols import PHASES

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

MARGIN = 3
"""Harmonics that a context looks beyond its own."""
BINS = 8
"""A unit's spectrum is kept in BINS x BINS frequency bins, whatever the size of the cell that covers it."""
MAGNITUDE_FEATURES = 39
EXTENT_FEATURES = 19
"""Features of the context networks, before those that tell the phase and the mode of the cell."""
SPLIT_ROWS = 75
PHASE_FEATURES = 6
PHASE_REACH = (4, 12)
"""Luma reaches from which the phase is coded with another table."""
STEP_CLASSES = (24 * 16, 60 * 16)
"""Quantiser steps below the first, between them, and above: three sets of split and mode tables."""


@dataclass(frozen=True)
class EntropyModel:
    """Everything trained that decides code lengths.

    Attributes:
        splits: SPLIT_ROWS rows over SPLITS symbols.
        modes: rows of `mode_rows` over the modes.
        phases: rows of `phase_rows` over PHASES symbols.
        extents: per cell size, a network whose tables have 2 * size symbols.
        magnitudes: per cell size, a network whose tables have MAGNITUDES symbols.
    """

    splits: Tables
    modes: Tables
    phases: Tables
    extents: dict[int, ContextNetwork]
    magnitudes: dict[int, ContextNetwork]

    @property
    def mode_count(self) -> int:
        """Number of modes."""
        return int(self.modes.cumulative.shape[1]) - 1


def cell_features(phases: IntArray, modes: IntArray, count: int) -> FloatArray:
    """(n, PHASE_FEATURES + count) features that tell phases and modes, of which there are `count`, apart."""
    kinds = np.arange(3)
    which = (phases[:, None] // 3 == kinds, phases[:, None] % 3 == kinds, modes[:, None] == np.arange(count))
    result: FloatArray = np.where(np.concatenate(which, axis=1), np.float32(32), np.float32(0))
    return result


def step_class(step: int) -> int:
    """Which set of split, mode and phase tables serves a quantiser step."""
    return sum(step >= bound for bound in STEP_CLASSES)


def _cell_class(step: int, size: int) -> int:
    """Which set of mode and phase tables serves a quantiser step and a cell size."""
    return step_class(step) * len(SIZES) + SIZES.index(size)


def mode_rows(step: int, size: int, above: IntArray, left: IntArray, count: int) -> IntArray:
    """Table rows of the modes of cells of one size, given those of their first neighbours above and left.

    Args:
        above, left: (n,) modes; `count` outside the tile.
        count: number of modes.
    """
    return (_cell_class(step, size) * (count + 1) + above) * (count + 1) + left


def phase_rows(step: int, size: int, modes: IntArray, extents: IntArray, count: int) -> IntArray:
    """Table rows of the phases of cells of one size, given their modes, out of `count`, and luma extents."""
    reach = extents * (BLOCK // size)
    far: IntArray = np.sum([reach >= bound for bound in PHASE_REACH], axis=0)
    return (_cell_class(step, size) * count + modes) * (len(PHASE_REACH) + 1) + far


def table_shapes(modes: int) -> dict[str, tuple[int, int]]:
    """Rows and symbols of the tables that no context network chooses from, for a number of modes."""
    classes = (len(STEP_CLASSES) + 1) * len(SIZES)
    return {
        "splits": (SPLIT_ROWS, SPLITS),
        "modes": (classes * (modes + 1) ** 2, modes),
        "phases": (classes * modes * (len(PHASE_REACH) + 1), PHASES),
    }


def feature_counts(modes: int) -> dict[str, int]:
    """Inputs of the context networks of extents and of magnitudes, for a number of modes."""
    told = PHASE_FEATURES + modes
    return {"extents": EXTENT_FEATURES + told, "magnitudes": MAGNITUDE_FEATURES + told}


def code_splits(
    coder: SymbolCoder, model: EntropyModel, shape: tuple[int, int], step: int, splits: IntArray | None
) -> IntArray:
    """Codes how (block rows, block columns) blocks are cut."""
    rows, cols = shape
    # Border blocks read as class 4; classes 0 to 3 say how finely a block is cut.
    fineness = np.full((rows + 1, cols + 1), 4, np.int64)
    result = np.zeros(shape, np.int64)
    classes = np.array([0] + [1 + (b.bit_count() + 1) // 2 for b in range(SPLITS - 1)])
    for diagonal in range(rows + cols - 1):
        y = np.arange(max(0, diagonal - cols + 1), min(rows, diagonal + 1))
        x = diagonal - y
        context = (step_class(step) * 5 + fineness[y, x + 1]) * 5 + fineness[y + 1, x]
        result[y, x] = coder.code(model.splits, context, None if splits is None else splits[y, x])
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
    """Units around the cells of one size; index -1 stands for "outside"."""

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


def code_cells(
    coder: SymbolCoder,
    model: EntropyModel,
    partition: Partition,
    channels: int,
    step: int,
    truth: tuple[IntArray, IntArray, IntArray] | None,
) -> tuple[IntArray, IntArray, IntArray]:
    """Codes modes, phases and extents.

    Args:
        truth: (N,) modes, (N,) phases and (N, C) extents when encoding, None when decoding.

    Returns:
        The same three arrays.
    """
    units = partition.owner.size
    mode_count = model.mode_count
    modes, phases = np.zeros((2, len(partition.size)), np.int64)
    extents = np.zeros((len(partition.size), channels), np.int64)
    mode_map = np.full(units + 1, mode_count, np.int64)
    # Extents in a common scale of BLOCK diagonals; -1 where nothing is known.
    reach = np.full((channels, units + 1), -1, np.int64)
    around = {s: _Neighbours(partition, s) for s in SIZES}
    for size, cells, place in partition.groups():
        near = around[size]
        left, above, own = near.sides[place, 0], near.sides[place, 1], near.own[place]
        context = mode_rows(step, size, mode_map[above[:, 0]], mode_map[left[:, 0]], mode_count)
        modes[cells] = coder.code(model.modes, context, None if truth is None else truth[0][cells])
        mode_map[own] = modes[cells, None]
        told = cell_features(phases[cells], modes[cells], mode_count)
        features = _extent_features(reach, left, above, near.corners[place], step, told)
        network = model.extents[size]
        for channel in range(channels):
            rows = network.rows(features[channel], min(channel, 1))
            symbols = None if truth is None else truth[2][cells, channel]
            extents[cells, channel] = coder.code(network.tables, rows, symbols)
            if channel == 0:
                drawn = cells[extents[cells, 0] > 0]
                rows = phase_rows(step, size, modes[drawn], extents[drawn, 0], mode_count)
                phases[drawn] = coder.code(model.phases, rows, None if truth is None else truth[1][drawn])
                features[1:, :, EXTENT_FEATURES:] = cell_features(phases[cells], modes[cells], mode_count)
            known = extents[cells, channel] * (BLOCK // size)
            reach[channel][own] = known[:, None]
            features[channel + 1 :, :, 10 + 2 * channel] = known
            features[channel + 1 :, :, 11 + 2 * channel] = 32 * (known == 0)
    return modes, phases, extents


def _extent_features(
    reach: IntArray, left: IntArray, above: IntArray, corners: IntArray, step: int, told: FloatArray
) -> FloatArray:
    """Features of all channels, `told` (n, ...) last: (C, n, features). Those of earlier channels stay 0."""
    features = np.zeros((len(reach), len(left), EXTENT_FEATURES + told.shape[1]), np.float32)
    features[:, :, EXTENT_FEATURES:] = told
    a, b = reach[:, left], reach[:, above]
    for i, side in enumerate((a, b)):
        features[:, :, 3 * i] = np.maximum(side, 0).sum(2) // side.shape[2]
        features[:, :, 3 * i + 1] = side.max(2)
        features[:, :, 3 * i + 2] = 32 * (side[:, :, 0] < 0)
    c = reach[:, corners]
    features[:, :, 6:8] = np.maximum(c, 0)
    features[:, :, 8:10] = 32 * (c < 0)
    features[1:2, :, 14] = 32
    features[2:3, :, 15] = 32
    features[:, :, 16] = log_step(step)
    features[:, :, 17] = np.minimum(features[:, :, 0], features[:, :, 3])
    features[:, :, 18] = 32 * ((features[:, :, 1] == 0) & (features[:, :, 4] == 0))
    return features


class _Magnitudes:
    """Magnitudes of the cells of one size, as the walk fills them in."""

    def __init__(self, partition: Partition, size: int, told: FloatArray, extents: IntArray) -> None:
        self.size = size
        self.near = _Neighbours(partition, size)
        self.extents = extents[self.near.cells]
        self.told = told[self.near.cells]
        # A margin of zero harmonics stands for what lies beyond the lowest and the highest.
        self.side = size + 2 * MARGIN
        self.values = np.zeros((extents.shape[1], len(self.near.cells), self.side * self.side), np.int64)

    def place(self, k: IntArray, m: IntArray) -> IntArray:
        """Where harmonics lie in `values`."""
        return (k + MARGIN) * self.side + m + MARGIN


def code_magnitudes(
    coder: SymbolCoder,
    model: EntropyModel,
    partition: Partition,
    modes: IntArray,
    phases: IntArray,
    extents: IntArray,
    step: int,
    truth: dict[int, IntArray] | None,
) -> dict[int, IntArray]:
    """Codes magnitudes, clipped at ESCAPE.

    Args:
        modes, phases: (N,).
        extents: (N, C).
        truth: per size, (n, C, size, size) clipped magnitudes when encoding, None when decoding.

    Returns:
        The same dictionary.
    """
    channels = extents.shape[1]
    units = partition.owner.size
    told = cell_features(phases, modes, model.mode_count)
    sets = {s: _Magnitudes(partition, s, told, extents) for s in SIZES}
    for channel in range(channels):
        # Mean magnitude of every unit and frequency bin in sixteenths, filled in as cells are coded; the
        # margin bins stay zero, as does the last unit, which stands for "outside".
        spectrum = np.zeros((units + 1, (BINS + 1) ** 2), np.int64)
        reach = np.zeros(units + 1, np.int64)
        for part in sets.values():
            reach[part.near.own] = (part.extents[:, channel] * (BLOCK // part.size))[:, None]
        for clock in range(2 * BLOCK - 2, -1, -1):
            for size in SIZES:
                d, late = divmod(clock, BLOCK // size)
                part = sets[size]
                active = np.flatnonzero(part.extents[:, channel] > d)
                if late or not len(active):
                    continue
                _code_diagonal(
                    coder, model.magnitudes[size], part, active, channel, d, spectrum, reach, step, truth
                )
    return {
        s: p.values.reshape(channels, len(p.near.cells), p.side, p.side)[
            :, :, MARGIN:-MARGIN, MARGIN:-MARGIN
        ].swapaxes(0, 1)
        for s, p in sets.items()
    }


def _code_diagonal(
    coder: SymbolCoder,
    network: ContextNetwork,
    part: _Magnitudes,
    active: IntArray,
    channel: int,
    d: int,
    spectrum: IntArray,
    reach: IntArray,
    step: int,
    truth: dict[int, IntArray] | None,
) -> None:
    """One anti-diagonal of all active cells of one size."""
    size = part.size
    k, m = _diagonal(size, d)
    features = _magnitude_features(part, active, channel, d, spectrum, reach, step)
    rows = network.rows(features, min(channel, 1))
    symbols = None if truth is None else truth[size][active[:, None], channel, k, m].ravel()
    coded = coder.code(network.tables, rows, symbols).reshape(len(active), len(k))
    part.values[channel][active[:, None], part.place(k, m)] = coded
    bins, shares = _shares(size, d)
    own = part.near.own[active]
    spectrum[own[:, :, None], bins] += (coded @ shares)[:, None, :]


def _magnitude_features(
    part: _Magnitudes, active: IntArray, channel: int, d: int, spectrum: IntArray, reach: IntArray, step: int
) -> FloatArray:
    """Features of one anti-diagonal: (cells * harmonics, features)."""
    size, side = part.size, part.side
    k, m = _diagonal(size, d)
    # Two above every harmonic: no shift from there is negative.
    origin = active[:, None] * side**2 + part.place(k - 2, m)
    features = np.zeros((MAGNITUDE_FEATURES + part.told.shape[1], *origin.shape), np.float32)

    def at(channel: int, dk: int, dm: int) -> IntArray:
        shifted = part.values[channel].ravel()[(dk + 2) * side + dm :]
        result: IntArray = shifted.take(origin)
        return result

    # Higher frequencies of the same cell.
    down, right, both, down2, right2 = (
        at(channel, *shift) for shift in ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2))
    )
    far = at(channel, 2, 1) + at(channel, 1, 2)
    for i, value in enumerate((down, right, both, down2, right2, far, down + right + both + down2 + right2)):
        features[i] = log_magnitude(16 * value)
    beside = at(channel, 2, -1), at(channel, -1, 2), at(channel, 3, -1) + at(channel, -1, 3)
    farther = at(channel, 3, 0) + at(channel, 0, 3) + at(channel, 2, 2)
    farther += at(channel, 3, -2) + at(channel, -2, 3)
    for i, value in enumerate((*beside, farther)):
        features[35 + i] = log_magnitude(16 * value)
    # What is known of the same and the next frequency bins around.
    near = part.near.sides[active]
    bins = _bins(size, d)
    here = spectrum[near[..., None], bins].sum(2) // near.shape[2]
    above = spectrum[near[..., None], bins + BINS + 1].sum(2) + spectrum[near[..., None], bins + 1].sum(2)
    above //= 2 * near.shape[2]
    features[7:11] = log_magnitude(here).swapaxes(0, 1)
    features[11:15] = log_magnitude(above).swapaxes(0, 1)
    scale = BLOCK // size
    features[15:19] = np.clip(reach[near].sum(2) // near.shape[2] - d * scale, -32, 32).T[:, :, None]
    left = part.extents[active, channel, None] - d
    features[19] = np.minimum(left, 16) * 2
    features[20] = 48 * (left == 1)
    features[21] = part.extents[active, channel, None] * scale
    # The channels coded before, at the same frequency of the same cell.
    if channel:
        features[22] = log_magnitude(16 * at(0, 0, 0))
        features[23] = log_magnitude(4 * (at(0, 1, 0) + at(0, 0, 1) + at(0, -1, 0) + at(0, 0, -1)))
        features[24] = part.extents[active, 0, None] * scale
    if channel == 2:
        features[25] = log_magnitude(16 * at(1, 0, 0))
        features[26] = 48
    # Where in the spectrum.
    features[27] = k * scale
    features[28] = m * scale
    features[29] = np.abs(k - m) * scale
    features[30] = log_magnitude(np.full(1, 16 * d))
    features[31] = 48 * (k == 0)
    features[32] = 48 * (m == 0)
    features[33] = 48 * (d == 0)
    features[34] = log_step(step)
    features[MAGNITUDE_FEATURES:] = part.told[active].T[:, :, None]
    return features.reshape(len(features), -1).T
