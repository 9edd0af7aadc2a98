"""Interleaved range asymmetric numeral system: integers to bytes and back.

rANS (Duda 2013, arXiv:1311.2540) with 32-bit states and 16-bit renormalisation, interleaved over *lanes*
as in Giesen 2014 (arXiv:1402.3392). Symbols come in batches; symbol j of a batch uses lane j modulo their
number. Everything is integer. Symbols are coded one by one: there are too few lanes for numpy to gain
anything by taking a lane's worth at a time, and a picture may be so small that there is only one.
"""

from bisect import bisect_right
from functools import cached_property

import numpy as np
import numpy.typing as npt

from inrcodec.errors import FormatError

PRECISION = 14
"""Frequencies of a table row sum to 2**PRECISION."""
_LOW = 1 << 16
_MASK = (1 << PRECISION) - 1

IntArray = npt.NDArray[np.int64]


class Tables:
    """Frequency tables, one per row.

    Attributes:
        cumulative: (rows, symbols + 1) int64, from 0 to 2**PRECISION, strictly increasing.
    """

    def __init__(self, frequencies: npt.NDArray[np.integer]) -> None:
        """Takes (rows, symbols) positive integers whose rows sum to 2**PRECISION.

        Raises:
            FormatError: they do not.
        """
        if frequencies.min(initial=1) < 1 or np.any(frequencies.sum(1, dtype=np.int64) != 1 << PRECISION):
            raise FormatError("a frequency table is not a distribution")
        self.cumulative = np.zeros((len(frequencies), frequencies.shape[1] + 1), np.int64)
        np.cumsum(frequencies, axis=1, out=self.cumulative[:, 1:])

    @cached_property
    def rows(self) -> list[list[int]]:
        """`cumulative`, as what Python looks up fastest."""
        result: list[list[int]] = self.cumulative.tolist()
        return result

    @property
    def bits(self) -> npt.NDArray[np.float64]:
        """(rows, symbols) code length of every symbol in bits, for the encoder's decisions."""
        frequency: npt.NDArray[np.float64] = np.diff(self.cumulative.astype(np.float64), axis=1)
        return PRECISION - np.log2(frequency)


class Encoder:
    """Collects symbols; `finish` turns them into bytes."""

    def __init__(self) -> None:
        self._starts: list[IntArray] = []
        self._frequencies: list[IntArray] = []

    def encode(self, tables: Tables, rows: IntArray, symbols: IntArray) -> None:
        """Adds one batch.

        Args:
            tables: where the rows are.
            rows: (n,) int64 table row of each symbol.
            symbols: (n,) int64 what to encode.
        """
        start = tables.cumulative[rows, symbols]
        self._starts.append(start)
        self._frequencies.append(tables.cumulative[rows, symbols + 1] - start)

    def finish(self, lanes: int) -> bytes:
        """The stream: the final states of all lanes (uint32), then 16-bit words; little endian.

        Args:
            lanes: at least 1.
        """
        states = [_LOW] * lanes
        words: list[int] = []
        for starts, frequencies in zip(reversed(self._starts), reversed(self._frequencies), strict=True):
            lane = len(starts) % lanes
            for start, frequency in zip(starts[::-1].tolist(), frequencies[::-1].tolist(), strict=True):
                lane = (lane or lanes) - 1
                x = states[lane]
                if x >= frequency << (32 - PRECISION):
                    words.append(x & 0xFFFF)
                    x >>= 16
                states[lane] = (x // frequency << PRECISION) + x % frequency + start
        return np.array(states, "<u4").tobytes() + np.array(words[::-1], "<u2").tobytes()


class Decoder:
    """Reads what `Encoder.finish` wrote, given the same batches."""

    def __init__(self, data: bytes, lanes: int) -> None:
        """Reads the states.

        Raises:
            FormatError: the stream ends too early, or a state is out of range.
        """
        if len(data) < 4 * lanes or len(data) % 2:
            raise FormatError("the entropy-coded stream is truncated")
        self._states: list[int] = np.frombuffer(data, "<u4", lanes).tolist()
        if min(self._states) < _LOW:
            raise FormatError("the entropy-coded stream is corrupt")
        self._words = iter(np.frombuffer(data, "<u2", offset=4 * lanes).tolist())

    def decode(self, tables: Tables, rows: IntArray) -> IntArray:
        """Reads one batch.

        Args:
            tables: where the rows are.
            rows: (n,) int64 table row of each symbol.

        Returns:
            (n,) int64 symbols.

        Raises:
            FormatError: the stream ends too early.
        """
        states, words, tables_of = self._states, self._words, tables.rows
        symbols: list[int] = []
        lane, lanes = 0, len(states)
        for row in rows.tolist():
            starts, x = tables_of[row], states[lane]
            slot = x & _MASK
            found = bisect_right(starts, slot)
            start = starts[found - 1]
            x = (starts[found] - start) * (x >> PRECISION) + slot - start
            if x < _LOW:
                word = next(words, None)
                if word is None:
                    raise FormatError("the entropy-coded stream is truncated")
                x = x << 16 | word
            states[lane] = x
            symbols.append(found - 1)
            lane += 1
            if lane == lanes:
                lane = 0
        return np.array(symbols, np.int64)

    def finish(self) -> None:
        """Checks that the stream ended exactly here.

        Raises:
            FormatError: words are left, or a state is not what the encoder began with.
        """
        if next(self._words, None) is not None or any(state != _LOW for state in self._states):
            raise FormatError("the entropy-coded stream is corrupt")


def normalised(counts: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Positive integer frequencies close to `counts` whose rows sum to 2**PRECISION.

    Args:
        counts: (rows, symbols) non-negative, not all zero in any row.
    """
    total = 1 << PRECISION
    share = counts / counts.sum(1, keepdims=True) * (total - counts.shape[1])
    frequency: npt.NDArray[np.int64] = 1 + np.floor(share).astype(np.int64)
    frequency[np.arange(len(frequency)), share.argmax(1)] += total - frequency.sum(1)
    return frequency
