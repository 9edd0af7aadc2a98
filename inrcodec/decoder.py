"""Decoding tiles on demand, and filling an output grid from them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from inrcodec.backend import array_module
from inrcodec.bitstream import TILE, Container, tile_grid
from inrcodec.cells import BLOCK
from inrcodec.codebook import Codebook
from inrcodec.color import to_pixels
from inrcodec.pool import Map
from inrcodec.reconstruct import reconstruct
from inrcodec.render import axis, resample
from inrcodec.tilestream import read_tile

Box = tuple[int, int, int, int]
"""A region in source pixels: top, left, bottom, right."""

_STRIP_PIXELS = 1 << 20
"""Output pixels of a strip; four times as many source pixels at most."""


@dataclass(frozen=True)
class TileDecoder:
    """Everything about decoding a tile but its bytes and size.

    Attributes:
        channels: 1 or 3.
        step: quantiser step in fixed-point units.
        entropy: "rans" or "zstd".
        codebook: what decoder and encoder share.
        device: "cpu", or a torch device for the start networks.
    """

    channels: int
    step: int
    entropy: str
    codebook: Codebook
    device: str

    def run(self, tile: tuple[bytes, int, int]) -> npt.NDArray[np.float32]:
        """Planes (C, height, width) of a tile: exact integers (below 2**13, so float32 holds them).

        Args:
            tile: its bytes, height and width.
        """
        data, height, width = tile
        blocks = -(-height // BLOCK), -(-width // BLOCK)
        symbols = read_tile(data, blocks, self.channels, self.step, self.codebook.entropy, self.entropy)
        planes = reconstruct(symbols, self.step, self.codebook, array_module(self.device), self.device)
        if self.device != "cpu":
            planes = planes.cpu().numpy()
        cells = symbols.partition
        planes = self.codebook.restoration.restore(planes, cells.owner, cells.size, self.step)
        result: npt.NDArray[np.float32] = planes[:, :height, :width].astype(np.float32)
        return result


class TileSource:
    """Tiles of a file, decoded when regions need them."""

    def __init__(self, container: Container, codebook: Codebook, device: str, mapping: Map) -> None:
        self._container = container
        self._channels = 1 if container.grey else 3
        self._decoder = TileDecoder(self._channels, container.step, container.entropy, codebook, device)
        self._mapping = mapping

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return self._container.height, self._container.width

    def regions(self, boxes: Sequence[Box]) -> Iterator[npt.NDArray[np.float32]]:
        """Planes of regions inside the picture, (C, H, W) each.

        A tile is decoded once, and kept until the last region that needs it.
        """
        last_use = {key: number for number, box in enumerate(boxes) for key in _tiles_of(box)}
        decoded = zip(last_use, self._mapping(self._decoder.run, map(self._coded, last_use)), strict=True)
        tiles: dict[tuple[int, int], npt.NDArray[np.float32]] = {}
        for number, box in enumerate(boxes):
            while not tiles.keys() >= set(_tiles_of(box)):
                tiles.update([next(decoded)])
            yield self._joined(box, tiles)
            tiles = {key: tile for key, tile in tiles.items() if last_use[key] > number}

    def _coded(self, key: tuple[int, int]) -> tuple[bytes, int, int]:
        """Bytes, height and width of a tile."""
        c, (row, col) = self._container, key
        data = c.tiles[row * tile_grid(c.width, c.height)[1] + col]
        return data, min(TILE, c.height - row * TILE), min(TILE, c.width - col * TILE)

    def _joined(
        self, box: Box, tiles: Mapping[tuple[int, int], npt.NDArray[np.float32]]
    ) -> npt.NDArray[np.float32]:
        top, left, bottom, right = box
        out = np.empty((self._channels, bottom - top, right - left), np.float32)
        for row, col in _tiles_of(box):
            y0, x0 = max(top, row * TILE), max(left, col * TILE)
            y1, x1 = min(bottom, (row + 1) * TILE), min(right, (col + 1) * TILE)
            part = np.s_[:, y0 - row * TILE : y1 - row * TILE, x0 - col * TILE : x1 - col * TILE]
            out[:, y0 - top : y1 - top, x0 - left : x1 - left] = tiles[row, col][part]
        return out


def _tiles_of(box: Box) -> list[tuple[int, int]]:
    """Row and column of the tiles that a region touches."""
    top, left, bottom, right = box
    return list(product(range(top // TILE, -(-bottom // TILE)), range(left // TILE, -(-right // TILE))))


def render_region(source: TileSource, region: tuple[int, int, int, int], out: npt.NDArray[np.uint8]) -> None:
    """Fills an output grid with a region of the picture, strip by strip, so that memory stays bounded.

    Args:
        source: the file.
        region: (x, y, width, height) in source pixels.
        out: (H, W, C) uint8, written to.
    """
    x, y, width, height = region
    rows, cols = out.shape[:2]
    strip = max(1, min(_STRIP_PIXELS // cols, 4 * _STRIP_PIXELS * rows // (width * height)))
    spans = [(begin, min(rows, begin + strip)) for begin in range(0, rows, strip)]
    if (cols, rows) == (width, height):
        boxes = [(y + begin, x, y + end, x + width) for begin, end in spans]
        for (begin, end), planes in zip(spans, source.regions(boxes), strict=True):
            out[begin:end] = to_pixels(planes)
        return
    row_axes = [axis(y + begin * height / rows, y + end * height / rows, end - begin) for begin, end in spans]
    row_sources = [grid.sources(source.shape[0]) for grid in row_axes]
    col_axis = axis(x, x + width, cols)
    col_sources = col_axis.sources(source.shape[1])
    left, right = int(col_sources.min()), int(col_sources.max()) + 1
    boxes = [(int(index.min()), left, int(index.max()) + 1, right) for index in row_sources]
    for number, planes in enumerate(source.regions(boxes)):
        top, (begin, end) = boxes[number][0], spans[number]
        row_grid = row_sources[number] - top, row_axes[number].taps
        strip_planes = resample(planes, row_grid, (col_sources - left, col_axis.taps))
        out[begin:end] = to_pixels(strip_planes)
