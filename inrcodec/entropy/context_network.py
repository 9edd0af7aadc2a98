"""Context networks: which frequency table codes a symbol, decided by integers alone.

A context network is a small perceptron with integer weights that maps integer features of what is already
coded to a table row. Features, weights and activations are bounded so that every float32 sum is an exact
integer below 2**24; numpy may add them in any order.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inrcodec.entropy.rans import Tables

ROWS = 64
"""Table rows a context network chooses from, per channel class."""
MAGNITUDES = 16
"""Alphabet of magnitudes: 0 ... 14, and 15 for "15 or more, the rest follows"."""
ESCAPE = MAGNITUDES - 1
HIDDEN_BITS = (6, 7)
"""Right shifts after the two hidden layers."""
HIDDEN_MAX = 255
ROW_BITS = 10
"""Fractional bits of the output, in rows."""

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

# round(8 log2(1 + m / 16)) for m sixteenths; the largest magnitude it tells apart is 63.
LOG_TABLE: FloatArray = np.rint(8 * np.log2(1 + np.arange(64 * 16) / 16)).astype(np.float32)


def log_magnitude(sixteenths: IntArray) -> FloatArray:
    """Features of magnitudes m (or their means) in sixteenths: round(8 log2(1 + m)), float32, at most 48."""
    values: FloatArray = LOG_TABLE.take(sixteenths, mode="clip")
    return values


@dataclass(frozen=True)
class ContextNetwork:
    """Features -> table row.

    Attributes:
        weight1, bias1: (h1, features), (h1,): integers in float32; ReLU, shift by HIDDEN_BITS[0], clip.
        weight2, bias2: (h2, h1), (h2,): the same with HIDDEN_BITS[1].
        weight3, bias3: (1, h2), (1,): the row in ROW_BITS fractional bits.
        tables: 2 * ROWS rows: of luma, then of chroma.
    """

    weight1: FloatArray
    bias1: FloatArray
    weight2: FloatArray
    bias2: FloatArray
    weight3: FloatArray
    bias3: FloatArray
    tables: Tables

    def rows(self, features: FloatArray, table_class: int) -> IntArray:
        """Table rows.

        Args:
            features: (n, F) float32 integers, at most 255 in magnitude.
            table_class: 0 for luma, 1 for chroma.

        Returns:
            (n,) int64 rows of `tables`.
        """
        x = _hidden(features @ self.weight1.T, self.bias1, HIDDEN_BITS[0])
        x = _hidden(x @ self.weight2.T, self.bias2, HIDDEN_BITS[1])
        row = np.floor((x @ self.weight3.T + self.bias3)[:, 0] / np.float32(2**ROW_BITS))
        result: IntArray = np.clip(row, 0, ROWS - 1).astype(np.int64) + table_class * ROWS
        return result


def _hidden(sums: FloatArray, bias: FloatArray, bits: int) -> FloatArray:
    """Activations, in place of the weighted sums."""
    sums += bias
    sums *= np.float32(0.5**bits)
    np.floor(sums, out=sums)
    return np.clip(sums, 0, HIDDEN_MAX, out=sums)
