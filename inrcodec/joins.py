"""Joins between cells: a small linear filter across every border, learned, in exact integers.

Cells are quantised independently, so what is left of the quantisation noise is largest, and jumps, where
two of them meet. Across each border the four samples on either side are corrected by a linear function of
all eight, chosen by channel, size of the larger cell, jump and activity. Every sample takes part in at most
one border per direction, so all borders of a direction are filtered at once; columns first, then rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inrcodec.cells import SIZES, Partition
from inrcodec.color import SAMPLE_MAX

REACH = 4
"""Samples on either side of a border that are read and corrected."""
TAPS = 2 * REACH
BITS = 10
"""Fractional bits of the filters."""
JUMPS = (16, 8, 4, 2)
"""A jump is classed by whether this many of it make a quantiser step."""
ACTIVITIES = (16, 4)
"""The same for the largest change beside the border."""
CLASSES = 2 * len(SIZES) * (len(JUMPS) + 1) * (len(ACTIVITIES) + 1)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def across(planes: FloatArray) -> FloatArray:
    """The samples around every border between columns of units: (C, H, columns - 1, TAPS), a view.

    Args:
        planes: (C, H, W); for borders between rows, pass the planes with their last axes swapped.
    """
    channels, height, width = planes.shape
    inner = planes[:, :, REACH : width - REACH]
    return inner.reshape(channels, height, width // TAPS - 1, TAPS)


def borders(
    samples: FloatArray, owner: IntArray, size: IntArray, step: int
) -> tuple[npt.NDArray[np.bool_], FloatArray, IntArray]:
    """The borders there are, and their classes.

    Args:
        samples: (C, H, B, TAPS) of `across`.
        owner: (unit rows, unit columns) cell of every unit, swapped like the planes.
        size: (N,) sizes of the cells.
        step: quantiser step in fixed-point units.

    Returns:
        (H, B) bool, False inside cells; (C, n, TAPS) the samples around the n borders; (C, n) their classes.
    """
    before, after = owner[:, :-1], owner[:, 1:]
    border = np.repeat(before != after, TAPS, axis=0)
    larger = np.searchsorted(SIZES, np.maximum(size[before], size[after]))
    read = samples[:, border]
    middle = read[..., REACH] - read[..., REACH - 1]
    left = read[..., REACH - 1] - read[..., REACH - 3]
    right = read[..., REACH + 2] - read[..., REACH]
    jump = np.sum([np.abs(middle) * n >= step for n in JUMPS], axis=0)
    most = np.maximum(np.abs(left), np.abs(right))
    activity = np.sum([most * n >= step for n in ACTIVITIES], axis=0)
    channel = np.minimum(np.arange(len(samples)), 1)[:, None]
    kind = channel * len(SIZES) + np.repeat(larger, TAPS, axis=0)[border]
    classes: IntArray = (kind * (len(JUMPS) + 1) + jump) * (len(ACTIVITIES) + 1) + activity
    return border, read, classes


def by_class(classes: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Every class that occurs in (n,) and where."""
    # numpy sorts 16-bit integers by radix.
    order = np.argsort(classes.astype(np.int16), kind="stable")
    ends = np.flatnonzero(np.diff(classes[order], append=-1)) + 1
    for part in np.split(order, ends[:-1]):
        if len(part):
            yield int(classes[part[0]]), part


def centred(samples: FloatArray) -> FloatArray:
    """TAPS times the difference of every sample from the mean of its TAPS: (n, TAPS), integers."""
    result: FloatArray = samples * TAPS - samples.sum(-1, keepdims=True)
    return result


@dataclass(frozen=True, eq=False)
class JoinFilter:
    """The learned filters.

    Attributes:
        filters: (2, CLASSES, TAPS, TAPS) float64 integers, for borders between columns and between rows;
            entry [corrected, read] in units of 2**-BITS.
    """

    filters: FloatArray

    def smooth(self, planes: FloatArray, partition: Partition, step: int) -> FloatArray:
        """Filters all borders of a tile.

        Args:
            planes: (C, H, W) float64 integers of `reconstruct`; left as they are.
            partition: the cells.
            step: quantiser step in fixed-point units.

        Returns:
            New planes, float64 integers. Sums stay below 2**36.
        """
        result = planes.copy()
        for direction, owner in enumerate((partition.owner, partition.owner.T)):
            view = result.swapaxes(1, 2) if direction else result
            samples = across(view)
            border, read, classes = borders(samples, owner, partition.size, step)
            flat = read.reshape(-1, TAPS)
            difference = centred(flat)
            for kind, place in by_class(classes.ravel()):
                sums = difference[place] @ self.filters[direction, kind].T
                flat[place] += np.floor((sums + 2 ** (BITS + 2)) / 2 ** (BITS + 3))
            samples[:, border] = np.clip(flat, -SAMPLE_MAX, SAMPLE_MAX).reshape(read.shape)
        return result
