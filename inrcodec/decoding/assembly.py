"""Picture assembly: planes joined from tiles and restored, region by region.

Tiles are coded independently of each other but restored together: their borders would show otherwise. What is
in flight while regions are asked for from top to bottom:

    regions   [  1  ][  2  ][  3  ]...           wanted one after another
    patches      [a][b] [c][d] ...               restored, with a margin of samples around them
    tiles     [   A   ][   B   ]...              decoded once

Patches and tiles lie in a `Store` each: made when the first user needs them, and dropped after the last.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from inrcodec.container import FULL_STRENGTH, TILE
from inrcodec.kernels import Kernels
from inrcodec.runtime.processes import Map
from inrcodec.signal.restoration import RestorationNetwork
from inrcodec.tile.partition import BLOCK, UNIT, Box, CellMap, IntArray

_PATCH = (TILE // 2, TILE)
"""Rows and columns of samples that are restored at a time."""

Planes = npt.NDArray[np.int16]

_Made = TypeVar("_Made")
_Element = TypeVar("_Element", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile, or what is joined from several, before restoration.

    Attributes:
        planes: (C, H, W) int16 fixed-point samples; a tile's sides are padded to whole blocks.
        cells: (H / 8, W / 8) units and the cells that cover them.
    """

    planes: Planes
    cells: CellMap


@dataclass(frozen=True)
class Restorer:
    """Everything about restoring a patch but its samples.

    Attributes:
        network: restores.
        step: that of `Quantiser.restoration_step`.
        kernels: what computes.
        strength: how much of its correction is added, 0 to FULL_STRENGTH.
    """

    network: RestorationNetwork
    step: int
    kernels: Kernels
    strength: int = FULL_STRENGTH

    def run(self, patch: tuple[Tile, Box]) -> Planes:
        """Restores a box of a tile: (C, H, W) int16 fixed-point samples."""
        tile, box = patch
        if not self.strength:
            top, left, bottom, right = box
            return tile.planes[:, top:bottom, left:right]
        return self.kernels.restore(self.network, tile.planes, tile.cells, self.step, self.strength, box)


class Store(Generic[_Made]):
    """What is made once for several users that come in a known order.

    Everything is made in the order of its first use, and dropped after the last.
    """

    def __init__(
        self, needs: Sequence[Sequence[Box]], make: Callable[[Sequence[Box]], Iterator[_Made]]
    ) -> None:
        """Makes nothing yet.

        Args:
            needs: what each user needs, in the order of users.
            make: makes what lies in some boxes, one after another, when it is asked for the next.
        """
        self._needs = needs
        self._last_use = {box: user for user, boxes in enumerate(needs) for box in boxes}
        self._coming = zip(self._last_use, make(list(self._last_use)), strict=True)
        self._kept: dict[Box, _Made] = {}

    def __iter__(self) -> Iterator[dict[Box, _Made]]:
        """What each user needs, one user after another."""
        for user, boxes in enumerate(self._needs):
            while not self._kept.keys() >= set(boxes):
                self._kept.update([next(self._coming)])
            yield {box: self._kept[box] for box in boxes}
            self._kept = {box: made for box, made in self._kept.items() if self._last_use[box] > user}


class Assembly:
    """The restored planes of a picture whose tiles are made when regions need them.

    Attributes:
        shape: height and width of the picture.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        restorer: Restorer,
        make: Callable[[Sequence[Box]], Iterator[Tile]],
        mapping: Map,
    ) -> None:
        """Makes nothing yet.

        Args:
            shape: height and width of the picture.
            restorer: restores it.
            make: makes the tiles that lie in some boxes, one after another.
            mapping: what runs the restorer.
        """
        self.shape = shape
        height, width = (-(-length // BLOCK) * BLOCK for length in shape)
        self._whole = 0, 0, height, width
        self._restorer = restorer
        self._make = make
        self._mapping = mapping

    def regions(self, boxes: Sequence[Box]) -> Iterator[Planes]:
        """Planes of regions inside the picture, (C, H, W) int16 fixed-point samples each.

        A tile is made once, and kept until the last region that needs it.

        Args:
            boxes: the regions, in samples; at least one.

        Raises:
            Exception: whatever making a tile raises, when the first region that needs it is asked for.
        """
        tops, lefts, bottoms, rights = zip(*boxes, strict=True)
        hull = self._around((min(tops), min(lefts), max(bottoms), max(rights)), 0)
        patches = Store([_pieces(box, hull, _PATCH) for box in boxes], self._restored)
        for box, made in zip(boxes, patches, strict=True):
            yield _joined(box, made)

    def _restored(self, patches: Sequence[Box]) -> Iterator[Planes]:
        """Planes of some patches."""
        return self._mapping(self._restorer.run, self._surrounded(patches))

    def _surrounded(self, patches: Sequence[Box]) -> Iterator[tuple[Tile, Box]]:
        """Some patches with all that their restoration depends on, and where in that they lie."""
        views = [self._around(patch, self._restorer.network.margin) for patch in patches]
        tiles = Store([_pieces(view, self._whole, (TILE, TILE)) for view in views], self._make)
        for patch, view, found in zip(patches, views, tiles, strict=True):
            top, left, bottom, right = patch
            inside = top - view[0], left - view[1], bottom - view[0], right - view[1]
            yield _joined_tiles(view, found), inside

    def _around(self, box: Box, margin: int) -> Box:
        """The whole units of the picture that a box and a margin touch."""
        top, left, bottom, right = box
        _, _, height, width = self._whole
        return (
            max(0, (top - margin) // UNIT * UNIT),
            max(0, (left - margin) // UNIT * UNIT),
            min(height, -(-(bottom + margin) // UNIT) * UNIT),
            min(width, -(-(right + margin) // UNIT) * UNIT),
        )


def _pieces(box: Box, whole: Box, pitch: tuple[int, int]) -> list[Box]:
    """What a box touches of another that is cut at multiples of a pitch (rows, columns), in raster order."""
    spans = []
    for axis, length in enumerate(pitch):
        first, last = box[axis] // length, -(-box[axis + 2] // length)
        cuts = [min(max(length * i, whole[axis]), whole[axis + 2]) for i in range(first, last + 1)]
        spans.append(list(pairwise(cuts)))
    return [(top, left, bottom, right) for (top, bottom), (left, right) in product(*spans)]


def _joined_tiles(box: Box, tiles: Mapping[Box, Tile]) -> Tile:
    """What lies in a box, from the tiles that it touches."""

    def joined(made: Callable[[int, CellMap], IntArray]) -> IntArray:
        places = enumerate(tiles.items())
        return _joined(_units(box), {_units(place): made(n, tile.cells) for n, (place, tile) in places})

    cells = CellMap(
        # Numbers that tell the cells of different tiles apart.
        joined(lambda number, cells: cells.owner + number * (TILE // UNIT) ** 2),
        joined(lambda _, cells: cells.size),
        joined(lambda _, cells: cells.last_diagonals),
    )
    return Tile(_joined(box, {place: tile.planes for place, tile in tiles.items()}), cells)


def _units(box: Box) -> Box:
    """A box in units instead of samples."""
    top, left, bottom, right = box
    return top // UNIT, left // UNIT, bottom // UNIT, right // UNIT


def _joined(box: Box, pieces: Mapping[Box, npt.NDArray[_Element]]) -> npt.NDArray[_Element]:
    """What lies in a box, from the pieces (..., rows, columns) that it touches."""
    top, left, bottom, right = box
    like = next(iter(pieces.values()))
    result = np.empty((*like.shape[:-2], bottom - top, right - left), like.dtype)
    for (top0, left0, bottom0, right0), piece in pieces.items():
        y0, x0, y1, x1 = max(top, top0), max(left, left0), min(bottom, bottom0), min(right, right0)
        part = piece[..., y0 - top0 : y1 - top0, x0 - left0 : x1 - left0]
        result[..., y0 - top : y1 - top, x0 - left : x1 - left] = part
    return result
