"""Planes of a picture, joined from its tiles and restored, region by region.

Tiles are coded independently of each other but restored together: their borders would show otherwise.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from inrcodec.container import TILE
from inrcodec.runtime.processes import Map
from inrcodec.signal.restoration import RestorationNetwork
from inrcodec.tile.partition import BLOCK, UNIT, Box, Partition

_PATCH = (TILE // 2, TILE)
"""Rows and columns of samples that are restored at a time."""

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_Made = TypeVar("_Made")
_Element = TypeVar("_Element", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile, or what is joined from several, before restoration.

    Attributes:
        planes: (C, H, W) int16 fixed-point samples; a tile's sides are padded to whole blocks.
        owner: (H / 8, W / 8) cell that covers every unit.
        size: (H / 8, W / 8) its size in samples.
    """

    planes: npt.NDArray[np.int16]
    owner: IntArray
    size: IntArray

    @classmethod
    def of(cls, planes: npt.NDArray[np.floating], partition: Partition) -> "Tile":
        """A tile of reconstructed planes (C, H, W) that hold integers, and its cells."""
        return cls(planes.astype(np.int16), partition.owner, partition.size[partition.owner])


class Mosaic:
    """The restored planes of a picture whose tiles are made when regions need them.

    Attributes:
        shape: height and width of the picture.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        step: int,
        network: RestorationNetwork,
        make: Callable[[Sequence[Box]], Iterator[Tile]],
        mapping: Map,
    ) -> None:
        """Nothing is made yet.

        Args:
            shape: height and width of the picture.
            step: quantiser step in fixed-point units.
            network: restores it.
            make: makes the tiles that lie in some boxes, one after another.
            mapping: what restores them.
        """
        self.shape = shape
        self._height, self._width = (-(-length // BLOCK) * BLOCK for length in shape)
        self._step = step
        self._network = network
        self._make = make
        self._mapping = mapping

    def regions(self, boxes: Sequence[Box]) -> Iterator[FloatArray]:
        """Planes of regions inside the picture, (C, H, W) integers each.

        A tile is made once, and kept until the last region that needs it.
        """
        tops, lefts, bottoms, rights = zip(*boxes, strict=True)
        hull = self._around((min(tops), min(lefts), max(bottoms), max(rights)), 0)
        patches = [_pieces(box, hull, _PATCH) for box in boxes]
        for box, made in zip(boxes, _kept(patches, self._restored), strict=True):
            yield _joined(box, made)

    def _restored(self, patches: Sequence[Box]) -> Iterator[FloatArray]:
        """Planes of some patches."""
        return self._mapping(partial(_restore, self._network, self._step), self._surrounded(patches))

    def _surrounded(self, patches: Sequence[Box]) -> Iterator[tuple[Tile, Box]]:
        """Some patches with all that their restoration depends on, and where in that they lie."""
        whole = 0, 0, self._height, self._width
        views = [self._around(patch, self._network.margin) for patch in patches]
        needs = [_pieces(view, whole, (TILE, TILE)) for view in views]
        for patch, view, tiles in zip(patches, views, _kept(needs, self._make), strict=True):
            planes = _joined(view, {box: tile.planes for box, tile in tiles.items()})
            # Numbers that tell the cells of different tiles apart.
            owners = {
                _units(box): tile.owner + number * (TILE // UNIT) ** 2
                for number, (box, tile) in enumerate(tiles.items())
            }
            owner = _joined(_units(view), owners)
            size = _joined(_units(view), {_units(box): tile.size for box, tile in tiles.items()})
            top, left, bottom, right = patch
            inside = top - view[0], left - view[1], bottom - view[0], right - view[1]
            yield Tile(planes, owner, size), inside

    def _around(self, box: Box, margin: int) -> Box:
        """The whole units of the picture that a box and a margin touch."""
        top, left, bottom, right = box
        return (
            max(0, (top - margin) // UNIT * UNIT),
            max(0, (left - margin) // UNIT * UNIT),
            min(self._height, -(-(bottom + margin) // UNIT) * UNIT),
            min(self._width, -(-(right + margin) // UNIT) * UNIT),
        )


def _restore(network: RestorationNetwork, step: int, patch: tuple[Tile, Box]) -> FloatArray:
    surrounded, box = patch
    return network.restore(surrounded.planes, surrounded.owner, surrounded.size, step, box)


def _kept(
    needs: Sequence[Sequence[Box]], make: Callable[[Sequence[Box]], Iterator[_Made]]
) -> Iterator[dict[Box, _Made]]:
    """What lies in the boxes that each of several users needs, one user after another.

    `make` is asked for all boxes in the order of their first use; what it makes is kept until the last.
    """
    last_use = {box: number for number, boxes in enumerate(needs) for box in boxes}
    made = zip(last_use, make(list(last_use)), strict=True)
    kept: dict[Box, _Made] = {}
    for number, boxes in enumerate(needs):
        while not kept.keys() >= set(boxes):
            kept.update([next(made)])
        yield {box: kept[box] for box in boxes}
        kept = {box: value for box, value in kept.items() if last_use[box] > number}


def _pieces(box: Box, whole: Box, pitch: tuple[int, int]) -> list[Box]:
    """What a box touches of another that is cut at multiples of a pitch (rows, columns), in raster order."""
    spans = []
    for axis, length in enumerate(pitch):
        first, last = box[axis] // length, -(-box[axis + 2] // length)
        cuts = [min(max(length * i, whole[axis]), whole[axis + 2]) for i in range(first, last + 1)]
        spans.append(list(pairwise(cuts)))
    return [(top, left, bottom, right) for (top, bottom), (left, right) in product(*spans)]


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
