"""Decoding tiles on demand, and filling an output grid from them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.bitstream import TILE, Container, tile_grid
from inrcodec.cells import BLOCK
from inrcodec.codebook import Codebook
from inrcodec.color import to_pixels
from inrcodec.reconstruct import reconstruct
from inrcodec.render import axis, resample
from inrcodec.tilestream import read_tile

_STRIP_PIXELS = 1 << 20
"""Output pixels of a strip; four times as many source pixels at most."""


class TileSource:
    """Decoded tiles of a file, kept only while rows of the output still need them."""

    def __init__(self, container: Container, codebook: Codebook, xp: Any, device: str) -> None:
        self._container = container
        self._codebook = codebook
        self._xp, self._device = xp, device
        self._tiles: dict[tuple[int, int], npt.NDArray[np.float32]] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return self._container.height, self._container.width

    def _tile(self, row: int, col: int) -> npt.NDArray[np.float32]:
        """Planes of one tile, exact integers (below 2**13, so float32 holds them)."""
        if (row, col) not in self._tiles:
            c = self._container
            shape = min(TILE, c.height - row * TILE), min(TILE, c.width - col * TILE)
            blocks = -(-shape[0] // BLOCK), -(-shape[1] // BLOCK)
            data = c.tiles[row * tile_grid(c.width, c.height)[1] + col]
            channels = 1 if c.grey else 3
            symbols = read_tile(data, blocks, channels, c.step, self._codebook.entropy, c.entropy)
            planes = reconstruct(symbols, c.step, self._codebook, self._xp, self._device)
            if self._xp is not np:
                planes = planes.cpu().numpy()
            planes = self._codebook.restoration.restore(
                planes, symbols.partition.owner, symbols.partition.size, c.step
            )
            self._tiles[row, col] = planes[:, : shape[0], : shape[1]].astype(np.float32)
        return self._tiles[row, col]

    def region(self, top: int, left: int, bottom: int, right: int) -> npt.NDArray[np.float32]:
        """Planes of a region inside the picture; tiles above it are dropped from memory."""
        self._tiles = {key: tile for key, tile in self._tiles.items() if (key[0] + 1) * TILE > top}
        channels = 1 if self._container.grey else 3
        out = np.empty((channels, bottom - top, right - left), np.float32)
        for row in range(top // TILE, (bottom - 1) // TILE + 1):
            for col in range(left // TILE, (right - 1) // TILE + 1):
                y0, x0 = max(top, row * TILE), max(left, col * TILE)
                y1, x1 = min(bottom, (row + 1) * TILE), min(right, (col + 1) * TILE)
                part = self._tile(row, col)[
                    :, y0 - row * TILE : y1 - row * TILE, x0 - col * TILE : x1 - col * TILE
                ]
                out[:, y0 - top : y1 - top, x0 - left : x1 - left] = part
        return out


def render_region(source: TileSource, region: tuple[int, int, int, int], out: npt.NDArray[np.uint8]) -> None:
    """Fills an output grid with a region of the picture, strip by strip, so that memory stays bounded.

    Args:
        source: the file.
        region: (x, y, width, height) in source pixels.
        out: (H, W, C) uint8, written to.
    """
    x, y, width, height = region
    rows, cols = out.shape[:2]
    native = (cols, rows) == (width, height)
    strip = max(1, min(_STRIP_PIXELS // cols, 4 * _STRIP_PIXELS * rows // (width * height)))
    col_grid = axis(x, x + width, cols)
    for begin in range(0, rows, strip):
        end = min(rows, begin + strip)
        if native:
            planes = source.region(y + begin, x, y + end, x + width)
            out[begin:end] = to_pixels(planes.astype(np.float64))
            continue
        row_grid = axis(y + begin * height / rows, y + end * height / rows, end - begin)
        row_index, col_index = row_grid.sources(source.shape[0]), col_grid.sources(source.shape[1])
        top, left = int(row_index.min()), int(col_index.min())
        planes = source.region(top, left, int(row_index.max()) + 1, int(col_index.max()) + 1)
        planes = resample(planes, (row_index - top, row_grid.taps), (col_index - left, col_grid.taps))
        out[begin:end] = to_pixels(planes.astype(np.float64))
