"""Interleaved range asymmetric numeral system: integers to bytes and back, many symbols at a time.

rANS (Duda 2013, arXiv:1311.2540) with 32-bit states and 16-bit renormalisation, interleaved over *lanes*
as in Giesen 2014 (arXiv:1402.3392), so that numpy carries the load. Symbols come in batches; a batch is cut
into chunks of at most `lanes` symbols, and symbol i of a chunk uses lane i. Everything is integer.
"""

import numpy as np
import numpy.typing as npt

from inrcodec.errors import FormatError

PRECISION = 14
"""Frequencies of a table row sum to 2**PRECISION."""
_LOW = 1 << 16
_MASK = np.uint64((1 << PRECISION) - 1)
_SHIFT = np.uint64(PRECISION)
_WORD = np.uint64(16)

IntArray = npt.NDArray[np.int64]


class Tables:
    """Frequency tables, one per row.

    Attributes:
        cumulative: (rows, symbols + 1) uint64, from 0 to 2**PRECISION, strictly increasing.
        ends: (rows * symbols,) uint64, where symbols end, row after row, every row 2**PRECISION after the one
            before: one ascending list, so that one binary search finds the symbol of any slot of any row.
    """

    def __init__(self, frequencies: npt.NDArray[np.integer]) -> None:
        """Takes (rows, symbols) positive integers whose rows sum to 2**PRECISION.

        Raises:
            FormatError: they do not.
        """
        if frequencies.min(initial=1) < 1 or np.any(frequencies.sum(1, dtype=np.int64) != 1 << PRECISION):
            raise FormatError("a frequency table is not a distribution")
        self.cumulative = np.zeros((len(frequencies), frequencies.shape[1] + 1), np.uint64)
        np.cumsum(frequencies, axis=1, out=self.cumulative[:, 1:])
        bases = np.arange(len(frequencies), dtype=np.uint64)[:, None] << _SHIFT
        self.ends = (bases + self.cumulative[:, 1:]).ravel()

    @property
    def bits(self) -> npt.NDArray[np.float64]:
        """(rows, symbols) code length of every symbol in bits, for the encoder's decisions."""
        frequency: npt.NDArray[np.float64] = np.diff(self.cumulative.astype(np.float64), axis=1)
        return PRECISION - np.log2(frequency)


class Encoder:
    """Collects symbols; `finish` turns them into bytes."""

    def __init__(self) -> None:
        self._starts: list[npt.NDArray[np.uint64]] = []
        self._frequencies: list[npt.NDArray[np.uint64]] = []

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

    @property
    def bits(self) -> float:
        """Ideal code length so far, in bits."""
        return float(sum((PRECISION - np.log2(f.astype(np.float64))).sum() for f in self._frequencies))

    def finish(self, lanes: int) -> bytes:
        """The stream: the final states of all lanes (uint32), then 16-bit words; little endian.

        Args:
            lanes: at least 1.
        """
        states = np.full(lanes, _LOW, np.uint64)
        words: list[npt.NDArray[np.uint64]] = []
        for starts, frequencies in zip(reversed(self._starts), reversed(self._frequencies), strict=True):
            n = len(starts)
            for begin in range((n - 1) // lanes * lanes if n else -1, -1, -lanes):
                start, frequency = starts[begin : begin + lanes], frequencies[begin : begin + lanes]
                x = states[: len(start)]
                full = x >= frequency << np.uint64(32 - PRECISION)
                if full.any():
                    words.append((x[full] & np.uint64(0xFFFF))[::-1])
                    x = np.where(full, x >> _WORD, x)
                quotient, remainder = np.divmod(x, frequency)
                states[: len(start)] = (quotient << _SHIFT) + remainder + start
        body = np.concatenate(words)[::-1] if words else np.zeros(0, np.uint64)
        return states.astype("<u4").tobytes() + body.astype("<u2").tobytes()


class Decoder:
    """Reads what `Encoder.finish` wrote, given the same batches."""

    def __init__(self, data: bytes, lanes: int) -> None:
        """Reads the states.

        Raises:
            FormatError: the stream ends too early, or a state is out of range.
        """
        if len(data) < 4 * lanes or len(data) % 2:
            raise FormatError("the entropy-coded stream is truncated")
        self._states = np.frombuffer(data, "<u4", lanes).astype(np.uint64)
        if self._states.min() < _LOW:
            raise FormatError("the entropy-coded stream is corrupt")
        self._words = np.frombuffer(data, "<u2", offset=4 * lanes).astype(np.uint64)
        self._next = 0
        self._lanes = lanes

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
        result = np.empty(len(rows), np.int64)
        base, starts = rows.astype(np.uint64) << _SHIFT, tables.cumulative.ravel()
        for begin in range(0, len(rows), self._lanes):
            part = slice(begin, min(begin + self._lanes, len(rows)))
            states = self._states[: part.stop - begin]
            slot = states & _MASK
            found = tables.ends.searchsorted(base[part] + slot, side="right")
            start = starts[found + rows[part]]
            states = (tables.ends[found] - base[part] - start) * (states >> _SHIFT) + slot - start
            (empty,) = (states < _LOW).nonzero()
            if empty.size:
                after = self._next + empty.size
                if after > self._words.size:
                    raise FormatError("the entropy-coded stream is truncated")
                states[empty] = (states[empty] << _WORD) | self._words[self._next : after]
                self._next = after
            self._states[: part.stop - begin] = states
            result[part] = found
        result -= rows * (tables.cumulative.shape[1] - 1)
        return result

    def finish(self) -> None:
        """Checks that the stream ended exactly here.

        Raises:
            FormatError: words are left, or a state is not what the encoder began with.
        """
        if self._next != len(self._words) or np.any(self._states != _LOW):
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
