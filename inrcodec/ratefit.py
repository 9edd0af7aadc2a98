"""Rate-distortion-optimised quantisation: the rate term of a fine-tuning step, from the real tables.

A step looks at the symbols of the step before it, asks the context networks which table row would code
each of them, and quantises anew: of zero and the two nearest indices every weight takes the one with the
least bits + EXCHANGE * squared error, and every cell and channel the extent with the least total.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inrcodec.contexts import ESCAPE, ROWS
from inrcodec.quantize import EXCHANGE
from inrcodec.rans import Tables
from inrcodec.tilecoder import EntropyModel, TileSymbols, code_magnitudes
from inrcodec.tilestream import cell_extents

FloatArray = npt.NDArray[np.float32]

IntArray = npt.NDArray[np.int64]


UNLIKELY_BITS = 8.0
"""Bits of a one where the step before coded nothing."""


class _RowRecorder:
    """A symbol coder that is given positions, returns the magnitudes there, and keeps the rows."""

    def __init__(self, magnitudes: IntArray) -> None:
        self._magnitudes = magnitudes
        self.rows = np.full(len(magnitudes), -1, np.int64)

    def code(self, tables: Tables, rows: IntArray, symbols: IntArray | None) -> IntArray:
        """See `inrcodec.rans.SymbolCoder`."""
        del tables
        if symbols is None:
            raise ValueError("a recorder needs positions")
        self.rows[symbols] = rows
        return self._magnitudes[symbols]


@dataclass(frozen=True)
class Rate:
    """What symbols would cost.

    Attributes:
        rows: per size, (n, C, size * size) table row of every value, -1 where none was coded.
        bits: per size, (rows, MAGNITUDES) float32 code lengths, the sign included.
        unlikely: per size, the luma row that stands for "beyond the extent so far".
    """

    rows: dict[int, IntArray]
    bits: dict[int, FloatArray]
    unlikely: dict[int, int]

    @classmethod
    def of(cls, symbols: TileSymbols, step: int, model: EntropyModel) -> "Rate":
        """The rate given the symbols of the step before."""
        clipped = {s: np.minimum(np.abs(v), ESCAPE) for s, v in symbols.values.items()}
        recorder = _RowRecorder(np.concatenate([m.ravel() for m in clipped.values()]))
        positions: dict[int, IntArray] = {}
        begin = 0
        for size, magnitudes in clipped.items():
            positions[size] = begin + np.arange(magnitudes.size).reshape(magnitudes.shape)
            begin += magnitudes.size
        code_magnitudes(recorder, model, symbols.partition, cell_extents(symbols), step, positions)
        bits = {}
        for size, network in model.magnitudes.items():
            bits[size] = network.tables.bits.astype(np.float32)
            bits[size][:, 1:] += 1
        return cls(
            {
                s: recorder.rows[p].reshape(*p.shape[:2], p.shape[2] * p.shape[3])
                for s, p in positions.items()
            },
            bits,
            {s: int((b[:ROWS, 1] <= UNLIKELY_BITS).argmax()) for s, b in bits.items()},
        )

    def quantise(self, size: int, place: IntArray, weights: FloatArray) -> FloatArray:
        """Quantiser indices of cells.

        Args:
            size: cell size.
            place: (n,) position of the cells among those of their size.
            weights: (n, C, size * size) in quantiser steps.
        """
        rows, bits = self.rows[size][place], self.bits[size]
        unknown = np.minimum(np.arange(rows.shape[1]), 1) * ROWS + self.unlikely[size]
        rows = np.where(rows < 0, unknown[:, None], rows)
        absolute = np.abs(weights)
        floor = np.floor(absolute)
        low = np.minimum(floor, ESCAPE).astype(np.int64)
        choice = np.zeros_like(absolute)
        # Relative to dropping the weight: what is saved is negative.
        drop = np.float32(EXCHANGE) * absolute * absolute
        best = bits[rows, 0]
        for index, magnitude in ((low, floor), (np.minimum(low + 1, ESCAPE), floor + 1)):
            error = absolute - magnitude
            cost = bits[rows, index] + np.float32(EXCHANGE) * error * error - drop
            better = (cost < best) & (magnitude > 0)
            choice = np.where(better, magnitude, choice)
            best = np.where(better, cost, best)
        total = np.cumsum(best @ _diagonals(size), axis=2)
        extent = np.concatenate([np.zeros_like(total[:, :, :1]), total], axis=2).argmin(2)
        keep = _order(size) < extent[:, :, None]
        return np.where(keep, np.copysign(choice, weights), np.float32(0))


def _order(size: int) -> IntArray:
    """Anti-diagonal of every harmonic: (size * size,)."""
    return np.add.outer(np.arange(size), np.arange(size)).ravel()


def _diagonals(size: int) -> FloatArray:
    """(size * size, 2 * size - 1): sums over anti-diagonals."""
    result: FloatArray = (_order(size)[:, None] == np.arange(2 * size - 1)).astype(np.float32)
    return result
