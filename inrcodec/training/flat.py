"""Named tensors in one flat parameter vector."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = NDArray[np.floating[Any]]
Array = TypeVar("Array", FloatArray, "Tensor")


@dataclass(frozen=True)
class Slot:
    """Where a named tensor lies in a flat vector, row-major."""

    name: str
    start: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def stop(self) -> int:
        """Where the next tensor begins."""
        return self.start + self.size

    @property
    def slice(self) -> slice:
        """The tensor's part of the flat vector."""
        return slice(self.start, self.stop)

    def of(self, flat: Array) -> Array:
        """The tensor, or one per vector of a batch: (..., P) to (..., *shape)."""
        return flat[..., self.slice].reshape(*flat.shape[:-1], *self.shape)


def consecutive(shapes: Iterable[tuple[str, tuple[int, ...]]], start: int = 0) -> tuple[Slot, ...]:
    """Slots of named shapes, one after another from `start`."""
    slots: list[Slot] = []
    for name, shape in shapes:
        slots.append(Slot(name, start, shape))
        start = slots[-1].stop
    return tuple(slots)
