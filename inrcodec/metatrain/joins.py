"""Closed-form training of the join filters: weighted least squares on the borders of fitted photos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inrcodec.fit import Fit
from inrcodec.joins import BITS, CLASSES, TAPS, JoinFilter, across, borders, by_class, centred

FloatArray = NDArray[np.float64]

_RIDGE = 1e-3


class JoinStatistics:
    """Normal equations of all classes, in both directions.

    Squared errors are weighted by the inverse square of the quantiser step, so that every quality counts.
    The filter of rows is fitted to planes whose columns are not filtered yet, which hardly differs.
    """

    def __init__(self) -> None:
        self._gram = np.zeros((2, CLASSES, TAPS, TAPS))
        self._cross = np.zeros((2, CLASSES, TAPS, TAPS))

    def add(self, fit: Fit, original: NDArray[np.float32], step: int) -> None:
        """Counts the borders of one fitted tile.

        Args:
            fit: the tile.
            original: (C, H, W) the planes it was fitted to.
            step: quantiser step in fixed-point units.
        """
        partition = fit.symbols.partition
        for direction, owner in enumerate((partition.owner, partition.owner.T)):
            planes, target = fit.planes, original.astype(np.float64)
            if direction:
                planes, target = planes.swapaxes(1, 2), target.swapaxes(1, 2)
            samples = across(planes)
            border, read, classes = borders(samples, owner, partition.size, step)
            wanted = ((across(target)[:, border] - read) / step).reshape(-1, TAPS)
            seen = centred(read.reshape(-1, TAPS)) / (TAPS * step)
            for kind, place in by_class(classes.ravel()):
                self._gram[direction, kind] += seen[place].T @ seen[place]
                self._cross[direction, kind] += seen[place].T @ wanted[place]

    def solve(self) -> JoinFilter:
        """The filters with the least weighted error, as integers; zero where nothing was seen."""
        trace = np.trace(self._gram, axis1=2, axis2=3)[..., None, None] / TAPS
        ridge = np.eye(TAPS) * (_RIDGE * trace + _RIDGE)
        filters = np.linalg.solve(self._gram + ridge, self._cross).swapaxes(2, 3)
        return JoinFilter(np.rint(filters * 2**BITS))
