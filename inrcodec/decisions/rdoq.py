"""Rate-distortion-optimised quantisation: the rate term of a fine-tuning step, from the real tables.

A step looks at the symbols of the step before it, asks the context networks which table row would code
each of them, and quantises anew: of zero and the two nearest indices every weight takes the one with the
least bits + EXCHANGE * squared error, and every cell and channel the extent with the least total.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.quantizer import DEAD_ZONE_OFFSET, EXCHANGE
from inrcodec.entropy.context_network import ESCAPE, MAGNITUDES, ROWS
from inrcodec.entropy.rans import Tables
from inrcodec.entropy.sign_hiding import ENOUGH, GROUP, scan, told
from inrcodec.entropy.syntax import (
    STEP_CLASSES,
    EntropyModel,
    code_magnitudes,
    mode_rows,
    step_class,
)
from inrcodec.tile.partition import SIZES, Partition
from inrcodec.tile.symbols import PHASES, TileSymbols, cell_extents, extents_of

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

UNLIKELY_BITS = 8.0
"""Bits of a one where the step before coded nothing."""
PLAIN_BITS = EXCHANGE * (1 - 2 * DEAD_ZONE_OFFSET)
"""Bits of every further quantiser step of a magnitude where nothing is known of the rate: quantisation then
rounds with `DEAD_ZONE_OFFSET`."""
PLAIN_PHASE = (1.0, 4.0)
"""Bits of the first phase and of any other, likewise."""


class _RowRecorder:
    """A symbol coder that is given positions, returns the symbols there, and keeps the rows."""

    def __init__(self, symbols: IntArray) -> None:
        self._symbols = symbols
        self.rows = np.full(len(symbols), -1, np.int64)

    def code(self, tables: Tables, rows: IntArray, symbols: IntArray | None) -> IntArray:
        """See `inrcodec.entropy.rans.SymbolCoder`."""
        del tables
        if symbols is None:
            raise ValueError("a recorder needs positions")
        self.rows[symbols] = rows
        return self._symbols[symbols]


@dataclass(frozen=True)
class Rate:
    """What symbols would cost.

    Attributes:
        rows: per size, (n, C, size * size) table row of every value; where the step before coded nothing, one
            in which a one is unlikely.
        bits: per size, (rows, MAGNITUDES) float32 code lengths, the sign included.
        modes: per size, (n, modes) bits of every mode.
        phases: per size, (PHASES,) mean bits of every phase.
    """

    rows: dict[int, IntArray]
    bits: dict[int, FloatArray]
    modes: dict[int, FloatArray]
    phases: dict[int, FloatArray]

    @classmethod
    def plain(cls, partition: Partition, channels: int, modes: int) -> "Rate":
        """A rate that knows nothing: quantisation with it is rounding with a dead zone."""
        bits = np.tile(PLAIN_BITS * np.arange(MAGNITUDES, dtype=np.float32), (2 * ROWS, 1))
        counts = {s: len(partition.of_size(s)) for s in SIZES}
        return cls(
            {s: np.zeros((n, channels, s * s), np.int64) for s, n in counts.items()},
            dict.fromkeys(SIZES, bits),
            {s: np.zeros((n, modes), np.float32) for s, n in counts.items()},
            dict.fromkeys(SIZES, np.array([PLAIN_PHASE[0]] + [PLAIN_PHASE[1]] * (PHASES - 1), np.float32)),
        )

    @classmethod
    def of(cls, symbols: TileSymbols, step: int, model: EntropyModel) -> "Rate":
        """The rate given the symbols of the step before."""
        partition, extents = symbols.partition, cell_extents(symbols)
        clipped = {s: np.minimum(np.abs(v), ESCAPE) for s, v in symbols.values.items()}
        recorder = _RowRecorder(np.concatenate([m.ravel() for m in clipped.values()]))
        positions: dict[int, IntArray] = {}
        begin = 0
        for size, magnitudes in clipped.items():
            positions[size] = begin + np.arange(magnitudes.size).reshape(magnitudes.shape)
            begin += magnitudes.size
        code_magnitudes(recorder, model, partition, symbols.modes, symbols.phases, extents, step, positions)
        rows, bits = {}, {}
        for size, place in positions.items():
            bits[size] = model.magnitudes[size].tables.bits.astype(np.float32)
            bits[size][:, 1:] += 1
            row = recorder.rows[place].reshape(*place.shape[:2], size * size)
            unlikely = int((bits[size][:ROWS, 1] <= UNLIKELY_BITS).argmax())
            unknown = np.minimum(np.arange(row.shape[1]), 1) * ROWS + unlikely
            rows[size] = np.where(row < 0, unknown[:, None], row)
        phases = model.phases.bits.reshape(len(STEP_CLASSES) + 1, len(SIZES), -1, PHASES)
        return cls(
            rows,
            bits,
            _mode_bits(symbols, step, model),
            dict(zip(SIZES, phases[step_class(step)].mean(1).astype(np.float32), strict=True)),
        )

    def of_cells(self, size: int, place: IntArray) -> "CellRate":
        """The rate of some cells of one size, given their positions (n,) among those of that size."""
        return CellRate(self.rows[size][place], self.bits[size], self.modes[size][place], self.phases[size])


@dataclass(frozen=True)
class CellRate:
    """What symbols of some cells of one size would cost: see `Rate`.

    Attributes:
        rows: (n, C, size * size).
        bits: (rows, MAGNITUDES).
        modes: (n, modes).
        phases: (PHASES,).
    """

    rows: IntArray
    bits: FloatArray
    modes: FloatArray
    phases: FloatArray

    def quantise(
        self, cells: IntArray, channels: slice, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Quantiser indices.

        Args:
            cells: (m,) which cells, in any order and any number of times.
            channels: which channels.
            weights: (m, those channels, size * size) in quantiser steps.

        Returns:
            Indices like `weights`, and (m,) bits, the distortion included.
        """
        size = round(weights.shape[2] ** 0.5)
        result = np.zeros((*weights.shape[:2], size, size), np.float32)
        dropped = np.float32(EXCHANGE) * (weights * weights).sum((1, 2))
        # Half a step or less is dropped anyway.
        used = (np.abs(weights) > np.float32(0.5)).any((0, 1)) * (_order(size) + 1)
        side = min(size, int(used.max()))
        if not side:
            return result.reshape(weights.shape), dropped
        rows = _corner(self.rows[:, channels], side)[cells] * MAGNITUDES
        bits = self.bits.ravel()
        wanted = _corner(weights, side)
        absolute = np.abs(wanted)
        floor = np.floor(absolute)
        low = np.minimum(floor, ESCAPE).astype(np.int64)
        choice = np.zeros_like(absolute)
        # Relative to dropping the weight: what is saved is negative.
        drop = np.float32(EXCHANGE) * absolute * absolute
        best = bits.take(rows)
        for index, magnitude in ((low, floor), (np.minimum(low + 1, ESCAPE), floor + 1)):
            error = absolute - magnitude
            cost = bits.take(rows + index) + np.float32(EXCHANGE) * error * error - drop
            better = (cost < best) & (magnitude > 0)
            choice = np.where(better, magnitude, choice)
            best = np.where(better, cost, best)
        total = np.cumsum(best @ _diagonals(side), axis=2)
        total = np.concatenate([np.zeros_like(total[:, :, :1]), total], axis=2)
        keep = _order(side) < total.argmin(2)[:, :, None]
        choice = np.where(keep, np.copysign(choice, wanted), np.float32(0))
        result[:, :, :side, :side] = choice.reshape(*choice.shape[:2], side, side)
        return result.reshape(weights.shape), dropped + total.min(2).sum(1)

    def hide_signs(self, channels: slice, weights: FloatArray, indices: FloatArray) -> FloatArray:
        """Moves indices by one, where that costs least, until every hidden sign is right: see `signs`.

        Args:
            channels: which channels.
            weights: (n, those channels, size * size) in quantiser steps.
            indices: like `weights`.
        """
        size = round(weights.shape[2] ** 0.5)
        order = scan(size)
        magnitudes = np.abs(indices).astype(np.int64)
        groups = magnitudes[..., order]
        hides, told_negative, first = told(groups)
        leading = np.take_along_axis(indices[..., order], first[..., None], -1)[..., 0] < 0
        wrong = np.nonzero(hides & (told_negative != leading))
        cell, channel, group = (part[:, None] for part in wrong)
        place = order[wrong[2]]
        first, leading = first[cell, channel, group], leading[cell, channel, group]
        least = groups[wrong].sum(1) == ENOUGH
        magnitude, weight = magnitudes[cell, channel, place], weights[cell, channel, place]
        index = indices[cell, channel, place]
        position = np.arange(GROUP)
        # What comes before the first value takes over its sign, which must stay that of the first.
        negative = np.where(index == 0, np.where(position < first, leading, weight < 0), index < 0)
        absolute = np.where(negative, -weight, weight)
        rows = self.rows[:, channels][cell, channel, place]

        def cost(magnitude: IntArray) -> FloatArray:
            bits = self.bits[rows, np.minimum(magnitude, ESCAPE)]
            result: FloatArray = bits + np.float32(EXCHANGE) * (absolute - magnitude) ** 2
            return result

        now = cost(magnitude)
        up, down = cost(magnitude + 1) - now, cost(np.maximum(magnitude - 1, 0)) - now
        # A group that falls below the bound writes its sign.
        down += least[:, None]
        extent = extents_of(magnitudes.reshape(*weights.shape[:2], size, size))[cell, channel]
        up[_order(size)[place] >= extent] = np.inf
        second = ((magnitude > 0) & (position > first)).argmax(1)
        lost = (magnitude == 1) & (position == first) & ~least[:, None]
        lost &= negative[np.arange(len(second)), second][:, None] != leading
        down[(magnitude == 0) | lost] = np.inf
        moved = np.minimum(up, down).argmin(1)
        at = np.arange(len(moved)), moved
        move = np.where(up[at] <= down[at], np.float32(1), np.float32(-1))
        result = indices.copy()
        result[wrong[0], wrong[1], place[at]] += np.where(negative[at], -move, move)
        return result


def _mode_bits(symbols: TileSymbols, step: int, model: EntropyModel) -> dict[int, FloatArray]:
    """Code lengths of modes, given the neighbours' of the step before: see `Rate`."""
    partition, count = symbols.partition, model.mode_count
    around = np.pad(symbols.modes[partition.owner], ((1, 0), (1, 0)), constant_values=count)
    bits = model.modes.bits.astype(np.float32)
    result = {}
    for size in SIZES:
        cells = partition.of_size(size)
        row, col = partition.row[cells], partition.col[cells]
        result[size] = bits[mode_rows(step, size, around[row, col + 1], around[row + 1, col], count)]
    return result


def _corner(values: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """Harmonics below `side` in both directions: (n, C, side * side) of (n, C, size * size)."""
    size = round(values.shape[2] ** 0.5)
    shape = values.shape[:2]
    return values.reshape(*shape, size, size)[:, :, :side, :side].reshape(*shape, side * side)


@lru_cache(maxsize=64)
def _order(size: int) -> IntArray:
    """Anti-diagonal of every harmonic: (size * size,)."""
    return np.add.outer(np.arange(size), np.arange(size)).ravel()


@lru_cache(maxsize=64)
def _diagonals(size: int) -> FloatArray:
    """(size * size, 2 * size - 1): sums over anti-diagonals."""
    result: FloatArray = (_order(size)[:, None] == np.arange(2 * size - 1)).astype(np.float32)
    return result
