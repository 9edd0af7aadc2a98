"""Rendering at any scale: the picture as a continuous function, evaluated on any grid.

The harmonic basis is complete on a cell's sample grid, so the network of any square of samples follows from
the decoded samples in closed form. Cells that only touch would show their borders once the picture is
enlarged, so rendering evaluates overlapping networks, `WINDOW` samples wide and half as far apart, and blends
them with weights that sum to one. Everything is separable: one banded matrix per axis.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Taps = tuple[npt.NDArray[np.int64], FloatArray]
"""Of an axis, (n, T) source samples that each of n output samples is made of, and (n, T) their weights."""

WINDOW = 16
"""Samples per side of an overlapping network."""
HOP = WINDOW // 2
_LITTLE = np.float32(1e-4)


@dataclass(frozen=True)
class Axis:
    """One axis of an output grid.

    Attributes:
        first: (n,) int64, source sample of each output sample's first tap.
        taps: (n, T) float32, weights of the T source samples from there on.
    """

    first: npt.NDArray[np.int64]
    taps: FloatArray

    def sources(self, length: int) -> npt.NDArray[np.int64]:
        """(n, T) int64 source samples of a picture of `length`, mirrored at its borders: 1 0 | 0 1 2 ..."""
        index = np.mod(self.first[:, None] + np.arange(self.taps.shape[1]), 2 * length)
        result: npt.NDArray[np.int64] = np.minimum(index, 2 * length - 1 - index)
        return result


@lru_cache(maxsize=1)
def _cosines() -> npt.NDArray[np.float64]:
    """Orthonormal cosine features of a window: (harmonic, sample)."""
    grid = (np.arange(WINDOW) + 0.5) / WINDOW
    return _features(grid).T


def _features(u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Harmonic features at u in [0, 1]: (n, WINDOW), orthonormal on the sample grid."""
    scale = np.sqrt(np.where(np.arange(WINDOW) == 0, 1, 2) / WINDOW)
    return scale * np.cos(math.pi * u[:, None] * np.arange(WINDOW))


def axis(begin: float, end: float, count: int) -> Axis:
    """Samples of [begin, end) in source samples, cut into `count` equal pixels.

    A pixel larger than a source sample is the mean of evenly spaced evaluations, at least one per sample.
    The interval may reach beyond the picture: `Axis.sources` knows where that ends.
    """
    fine = max(1, math.ceil((end - begin) / count - 1e-9))
    x = begin + (np.arange(count * fine) + 0.5) * ((end - begin) / (count * fine))
    # Window j covers [j * HOP, j * HOP + WINDOW); two of them cover every point.
    right = np.floor(x / HOP).astype(np.int64)
    taps = np.zeros((len(x), WINDOW + HOP))
    for j, offset in ((right - 1, 0), (right, HOP)):
        u = (x - j * HOP) / WINDOW
        blend = np.sin(math.pi * u) ** 2
        taps[:, offset : offset + WINDOW] += blend[:, None] * (_features(u) @ _cosines())
    first = (right - 1) * HOP
    if fine == 1:
        return Axis(first, taps.astype(np.float32))
    first = first.reshape(count, fine)
    start = first[:, 0]
    wide = np.zeros((count, int((first[:, -1] - start).max()) + WINDOW + HOP))
    column = (first - start[:, None])[:, :, None] + np.arange(WINDOW + HOP)
    np.add.at(wide, (np.arange(count)[:, None, None], column), taps.reshape(count, fine, -1) / fine)
    return Axis(start, wide.astype(np.float32))


def resample(planes: FloatArray, rows: Taps, cols: Taps) -> FloatArray:
    """Evaluates planes on a grid.

    Args:
        planes: (C, H, W) float32.
        rows: of the grid's n rows.
        cols: of its m columns.

    Returns:
        (C, n, m) float32.
    """
    return _along_last(_along_rows(planes, rows), *cols)


def resample_weighted(planes: FloatArray, weights: FloatArray, rows: Taps, cols: Taps) -> FloatArray:
    """Evaluates planes on a grid, every sample counting by its weight.

    The quotient of weighted samples and weights, each resampled, overshoots where weights end, because taps
    may be negative. There their magnitudes are taken, and a little of all samples in reach; where none
    has a weight, the plain samples.

    Args:
        planes: (C, H, W) float32.
        weights: (H, W) float32, 0 to 1.
        rows: of the grid's n rows.
        cols: of its m columns.

    Returns:
        (C, n, m) float32.
    """
    return WeightedRows.of(planes, weights, rows).across(cols)


@dataclass(frozen=True)
class WeightedRows:
    """Sums of samples for rows of an output grid, which become its pixels once columns are resampled, too.

    Sums of disjoint taps can be added.

    Attributes:
        sharp: (C + 1, n, W) float32, planes times weights, and weights, summed by their taps.
        soft: the same, by magnitudes of taps and a little of all samples in reach.
        plain: (C, n, W) float32, planes, by their taps.
        gain: (n, 1) float32, sums of what `soft` was summed by.
    """

    sharp: FloatArray
    soft: FloatArray
    plain: FloatArray
    gain: FloatArray

    @classmethod
    def of(cls, planes: FloatArray, weights: FloatArray, rows: Taps) -> "WeightedRows":
        """Sums of planes (C, H, W) whose samples have weights (H, W)."""
        weighted = np.concatenate([planes * weights, weights[None]])
        soft = _softened(rows)
        return cls(
            _along_rows(weighted, rows),
            _along_rows(weighted, soft),
            _along_rows(planes, rows),
            soft[1].sum(1, keepdims=True),
        )

    def __add__(self, other: "WeightedRows") -> "WeightedRows":
        return WeightedRows(
            self.sharp + other.sharp,
            self.soft + other.soft,
            self.plain + other.plain,
            self.gain + other.gain,
        )

    def across(self, cols: Taps) -> FloatArray:
        """(C, n, m) float32 pixels of a grid with these rows and m columns."""
        soft_cols = _softened(cols)
        sharp, soft = _along_last(self.sharp, *cols), _along_last(self.soft, *soft_cols)
        # 1 where weights are even.
        gain = self.gain * soft_cols[1].sum(1)
        some = soft[-1] > 0
        total = np.where(some, soft[-1], 1)
        share = np.clip(2 * sharp[-1] * gain / total - 0.5, 0, 1)
        quotient = share * sharp[:-1] / np.where(share > 0, sharp[-1], 1) + (1 - share) * soft[:-1] / total
        return np.where(some, quotient, _along_last(self.plain, *cols)).astype(np.float32)


def _softened(taps: Taps) -> Taps:
    return taps[0], np.abs(taps[1]) + _LITTLE


def _along_rows(planes: FloatArray, rows: Taps) -> FloatArray:
    return np.swapaxes(_along_last(np.swapaxes(planes, 1, 2), *rows), 1, 2)


def _along_last(planes: FloatArray, index: npt.NDArray[np.int64], taps: FloatArray) -> FloatArray:
    result = np.zeros((*planes.shape[:-1], len(index)), np.float32)
    for tap in range(taps.shape[1]):
        result += planes[..., index[:, tap]] * taps[:, tap]
    return result
