"""Decoding a file's tiles on demand, and filling an output grid from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inrcodec.codebook import Codebook
from inrcodec.container import TILE, Container, tile_grid
from inrcodec.decoding.assembly import Mosaic, Tile
from inrcodec.entropy.payload import read_tile
from inrcodec.runtime.device import array_module
from inrcodec.runtime.processes import Map
from inrcodec.signal.color import to_pixels
from inrcodec.signal.reconstruction import reconstruct
from inrcodec.signal.resampling import axis, resample
from inrcodec.tile.partition import BLOCK, Box

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

    def run(self, tile: tuple[bytes, tuple[int, int]]) -> Tile:
        """Decodes a tile, given its bytes, and block rows and columns."""
        data, blocks = tile
        symbols = read_tile(data, blocks, self.channels, self.step, self.codebook.entropy, self.entropy)
        planes = reconstruct(symbols, self.step, self.codebook, array_module(self.device), self.device)
        if self.device != "cpu":
            planes = planes.cpu().numpy()
        return Tile.of(planes, symbols.partition)


def mosaic_of(container: Container, codebook: Codebook, device: str, mapping: Map) -> Mosaic:
    """The picture of a file, whose tiles are decoded when regions need them."""
    c = container
    decoder = TileDecoder(1 if c.grey else 3, c.step, c.entropy, codebook, device)
    columns = tile_grid(c.width, c.height)[1]

    def coded(box: Box) -> tuple[bytes, tuple[int, int]]:
        top, left, bottom, right = box
        data = c.tiles[top // TILE * columns + left // TILE]
        return data, ((bottom - top) // BLOCK, (right - left) // BLOCK)

    def decoded(boxes: Sequence[Box]) -> Iterator[Tile]:
        return mapping(decoder.run, map(coded, boxes))

    return Mosaic((c.height, c.width), c.step, codebook.restoration, decoded, mapping)


def render_region(source: Mosaic, region: tuple[int, int, int, int], out: npt.NDArray[np.uint8]) -> None:
    """Fills an output grid with a region of a picture, strip by strip, so that memory stays bounded.

    Args:
        source: the picture's planes.
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
