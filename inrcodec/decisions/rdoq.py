"""Rate-distortion-optimised quantisation: the rate term of a fine-tuning step, from the real tables.

A step looks at the symbols of the step before it, asks the context networks which table row would code
each of them, and quantises anew: of zero and the two nearest integers every weight takes the one with the
least bits + EXCHANGE * squared error, and every cell and channel the last significant diagonal with the
least total.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from inrcodec.decisions.rate_distortion import DEAD_ZONE_OFFSET, EXCHANGE
from inrcodec.decisions.transform_costs import CUT_BITS, FIRST_BITS, OTHER_BITS
from inrcodec.entropy.context_network import ESCAPE, MAGNITUDES, ROWS
from inrcodec.entropy.sign_hiding import ENOUGH, GROUP, scan, told
from inrcodec.entropy.syntax import STEP_CLASSES, TRANSFORM_BANDWIDTHS, EntropyModel, mode_rows, step_class
from inrcodec.tile.partition import SIZES, Partition
from inrcodec.tile.symbols import TileSymbols, last_diagonals
from inrcodec.tile.transform_types import CUT_AXES, TRANSFORMS

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

UNLIKELY_BITS = 8.0
"""Bits of a one where the step before coded nothing."""
PLAIN_BITS = EXCHANGE * (1 - 2 * DEAD_ZONE_OFFSET)
"""Bits of every further quantiser step of a magnitude where nothing is known of the rate: quantisation then
rounds with `DEAD_ZONE_OFFSET`."""


@dataclass(frozen=True)
class Rate:
    """What symbols would cost.

    Attributes:
        rows: per size, (n, C, size * size) int64 table row of every residual; where the step before coded
            nothing, one in which a one is unlikely.
        bits: per size, (rows, MAGNITUDES) float32 code lengths, the sign included.
        modes: per size, (n, modes) float32 bits of every prediction mode.
        transforms: per size, (modes, bandwidth classes, TRANSFORMS) float32 bits of every transform type.
    """

    rows: dict[int, IntArray]
    bits: dict[int, FloatArray]
    modes: dict[int, FloatArray]
    transforms: dict[int, FloatArray]

    @classmethod
    def plain(cls, partition: Partition, channels: int, modes: int) -> "Rate":
        """A rate that knows nothing: quantisation with it is rounding with a dead zone.

        Args:
            partition: the cells.
            channels: 1 or 3.
            modes: number of prediction modes.
        """
        bits = np.tile(PLAIN_BITS * np.arange(MAGNITUDES, dtype=np.float32), (2 * ROWS, 1))
        counts = {s: len(partition.of_size(s)) for s in SIZES}
        transforms = CUT_BITS * CUT_AXES + OTHER_BITS
        transforms[0] = FIRST_BITS
        of_rows = np.tile(transforms.astype(np.float32), (modes, len(TRANSFORM_BANDWIDTHS) + 1, 1))
        return cls(
            {s: np.zeros((n, channels, s * s), np.int64) for s, n in counts.items()},
            dict.fromkeys(SIZES, bits),
            {s: np.zeros((n, modes), np.float32) for s, n in counts.items()},
            dict.fromkeys(SIZES, of_rows),
        )

    @classmethod
    def of(
        cls, symbols: TileSymbols, magnitude_rows: dict[int, IntArray], step: int, model: EntropyModel
    ) -> "Rate":
        """The rate given the symbols of the step before.

        Args:
            symbols: these symbols.
            magnitude_rows: of `inrcodec.entropy.syntax.magnitude_rows`.
            step: quantiser step in fixed-point units.
            model: tables and context networks.
        """
        rows, bits = {}, {}
        for size, found in magnitude_rows.items():
            bits[size] = model.magnitudes[size].tables.bits.astype(np.float32)
            bits[size][:, 1:] += 1
            row = found.reshape(*found.shape[:2], size * size)
            unlikely = int((bits[size][:ROWS, 1] <= UNLIKELY_BITS).argmax())
            unknown = np.minimum(np.arange(row.shape[1]), 1) * ROWS + unlikely
            rows[size] = np.where(row < 0, unknown[:, None], row)
        shape = len(STEP_CLASSES) + 1, len(SIZES), model.mode_count, len(TRANSFORM_BANDWIDTHS) + 1, TRANSFORMS
        transforms = model.transforms.bits.reshape(shape)[step_class(step)] + CUT_BITS * CUT_AXES
        of_size = dict(zip(SIZES, transforms.astype(np.float32), strict=True))
        return cls(rows, bits, _mode_bits(symbols, step, model), of_size)

    def of_cells(self, size: int, place: IntArray) -> "CellRate":
        """The rate of some cells of one size, given their positions (n,) among those of that size."""
        return CellRate(
            self.rows[size][place], self.bits[size], self.modes[size][place], self.transforms[size]
        )


@dataclass(frozen=True)
class CellRate:
    """What symbols of some cells of one size would cost: see `Rate`.

    Attributes:
        rows: (n, C, size * size) int64.
        bits: (rows, MAGNITUDES) float32.
        modes: (n, modes) float32.
        transforms: (modes, bandwidth classes, TRANSFORMS) float32.
    """

    rows: IntArray
    bits: FloatArray
    modes: FloatArray
    transforms: FloatArray

    def quantise(
        self, cells: IntArray, channels: slice, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Quantised weights.

        Args:
            cells: (m,) which cells, in any order and any number of times.
            channels: which channels.
            weights: (m, those channels, size * size) float32 in quantiser steps.

        Returns:
            Integers like `weights`, and (m,) float32 bits, the distortion included.
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
        for symbol, magnitude in ((low, floor), (np.minimum(low + 1, ESCAPE), floor + 1)):
            error = absolute - magnitude
            cost = bits.take(rows + symbol) + np.float32(EXCHANGE) * error * error - drop
            better = (cost < best) & (magnitude > 0)
            choice = np.where(better, magnitude, choice)
            best = np.where(better, cost, best)
        total = np.cumsum(best @ _diagonals(side), axis=2)
        total = np.concatenate([np.zeros_like(total[:, :, :1]), total], axis=2)
        keep = _order(side) < total.argmin(2)[:, :, None]
        choice = np.where(keep, np.copysign(choice, wanted), np.float32(0))
        result[:, :, :side, :side] = choice.reshape(*choice.shape[:2], side, side)
        return result.reshape(weights.shape), dropped + total.min(2).sum(1)

    def hide_signs(self, channels: slice, weights: FloatArray, quantised: FloatArray) -> FloatArray:
        """Moves integers by one, where that costs least, until every hidden sign is right: see `sign_hiding`.

        Args:
            channels: which channels.
            weights: (n, those channels, size * size) float32 in quantiser steps.
            quantised: integers like `weights`; left as they are.

        Returns:
            Integers like `quantised`, or itself if nothing moves.
        """
        wrong = _wrong_groups(quantised)
        if not len(wrong.first):
            return quantised
        up, down = self._move_costs(channels, weights, quantised, wrong)
        result = quantised.copy()
        moved = np.minimum(up, down).argmin(1)
        at = np.arange(len(moved)), moved
        move = np.where(up[at] <= down[at], np.float32(1), np.float32(-1))
        place = wrong.cell[:, 0], wrong.channel[:, 0], wrong.harmonic[at]
        # What is zero takes the sign of its weight, or that which it would hide.
        result[place] += np.where(_negative(weights, wrong)[at], -move, move)
        return result

    def _move_costs(
        self, channels: slice, weights: FloatArray, quantised: FloatArray, wrong: "_Groups"
    ) -> tuple[FloatArray, FloatArray]:
        """Bits of making every magnitude of wrong groups larger, or smaller, by one: (groups, GROUP) each.

        Infinite where the group would not tell the truth even so, or where more than itself would change.
        """
        place = wrong.cell, wrong.channel, wrong.harmonic
        negative = _negative(weights, wrong)
        absolute = np.where(negative, -weights[place], weights[place])
        rows = self.rows[:, channels][place]
        magnitude = np.abs(wrong.values).astype(np.int64)

        def cost(magnitude: IntArray) -> FloatArray:
            bits = self.bits[rows, np.minimum(magnitude, ESCAPE)]
            result: FloatArray = bits + np.float32(EXCHANGE) * (absolute - magnitude) ** 2
            return result

        now = cost(magnitude)
        up, down = cost(magnitude + 1) - now, cost(np.maximum(magnitude - 1, 0)) - now
        # A group that falls below the bound writes its sign.
        least = magnitude.sum(1) == ENOUGH
        down += least[:, None]
        size = round(weights.shape[2] ** 0.5)
        grid = quantised.reshape(*quantised.shape[:2], size, size)
        beyond = last_diagonals(grid.astype(np.int64))[wrong.cell, wrong.channel]
        up[_order(size)[wrong.harmonic] >= beyond] = np.inf
        position = np.arange(GROUP)
        second = ((magnitude > 0) & (position > wrong.first)).argmax(1)
        lost = (magnitude == 1) & (position == wrong.first) & ~least[:, None]
        lost &= negative[np.arange(len(second)), second][:, None] != wrong.leading
        down[(magnitude == 0) | lost] = np.inf
        return up, down


class _Groups(NamedTuple):
    """Groups of integers whose parity tells the wrong sign: see `sign_hiding`.

    Attributes:
        cell, channel: (groups, 1) where they are.
        harmonic: (groups, GROUP) flat harmonics.
        values: (groups, GROUP) the integers.
        first: (groups, 1) position of the first that is not zero.
        leading: (groups, 1) whether that one is negative.
    """

    cell: IntArray
    channel: IntArray
    harmonic: IntArray
    values: FloatArray
    first: IntArray
    leading: BoolArray


def _wrong_groups(quantised: FloatArray) -> _Groups:
    """The groups of integers (n, C, size * size) whose parity tells the wrong sign."""
    order = scan(round(quantised.shape[2] ** 0.5))
    values = quantised[..., order]
    hides, told_negative, first = told(np.abs(values).astype(np.int64))
    leading = np.take_along_axis(values, first[..., None], -1)[..., 0] < 0
    wrong = np.nonzero(hides & (told_negative != leading))
    cell, channel, group = wrong
    return _Groups(
        cell[:, None],
        channel[:, None],
        order[group],
        values[wrong],
        first[wrong][:, None],
        leading[wrong][:, None],
    )


def _negative(weights: FloatArray, wrong: _Groups) -> BoolArray:
    """Signs that integers of wrong groups have, or would have if they were not zero: (groups, GROUP)."""
    below = weights[wrong.cell, wrong.channel, wrong.harmonic] < 0
    # What comes before the first value takes over its sign, which must stay that of the first.
    would = np.where(np.arange(GROUP) < wrong.first, wrong.leading, below)
    return np.where(wrong.values == 0, would, wrong.values < 0)


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
