"""Decoding a file's tiles on demand, and filling an output grid from them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inrcodec.codebook import Codebook
from inrcodec.container import TILE, Container, tile_grid
from inrcodec.decoding.assembly import Assembly, Restorer, Tile
from inrcodec.decoding.view import Region
from inrcodec.entropy import zstd_payload
from inrcodec.kernels import Kernels
from inrcodec.limits import Limits
from inrcodec.runtime.processes import Map
from inrcodec.signal.color import to_pixels
from inrcodec.signal.quantiser import Quantiser
from inrcodec.signal.resampling import WeightedRows, axis, resample_weighted
from inrcodec.tile.partition import BLOCK, Box

_STRIP_PIXELS = 1 << 20
"""Output pixels of a strip; four times as many source pixels at most."""
_GATHERED_PIXELS = _STRIP_PIXELS
"""Source pixels that are taken at a time where an output row needs more than a strip may have."""

_OPAQUE = 255

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class TileDecoder:
    """Everything about decoding a tile but its bytes and size.

    Attributes:
        channels: 1 or 3.
        quantiser: the picture's.
        entropy: "rans" or "zstd".
        codebook: what decoder and encoder share.
        kernels: what computes.
    """

    channels: int
    quantiser: Quantiser
    entropy: str
    codebook: Codebook
    kernels: Kernels

    def run(self, tile: tuple[bytes, tuple[int, int]]) -> Tile:
        """Decodes a tile, not restored, given its bytes, and block rows and columns.

        Raises:
            FormatError: the bytes are not a tile of that shape.
        """
        data, blocks = tile
        model, step = self.codebook.entropy, self.quantiser.step
        if self.entropy == "zstd":
            symbols = zstd_payload.read_tile(data, blocks, self.channels, step, model.mode_count)
        else:
            symbols = self.kernels.read_tile(data, blocks, self.channels, step, model)
        planes = self.kernels.reconstruct(symbols, self.quantiser, self.codebook.predictors)
        return Tile(planes, symbols.cells)


def assembly_of(
    container: Container, codebook: Codebook, kernels: Kernels, mapping: Map, limits: Limits
) -> Assembly:
    """The picture of a file, whose tiles are decoded when regions need them.

    Args:
        container: the file.
        codebook: the one it was encoded with.
        kernels: what computes.
        mapping: what decodes tiles, and restores.
        limits: bound how much is decoded, which is checked before the first tile is.
    """
    c = container
    quantiser = Quantiser(c.step, c.weighting)
    decoder = TileDecoder(1 if c.grey else 3, quantiser, c.entropy, codebook, kernels)
    columns = tile_grid(c.width, c.height)[1]

    def coded(box: Box) -> tuple[bytes, tuple[int, int]]:
        top, left, bottom, right = box
        data = c.tiles[top // TILE * columns + left // TILE]
        return data, ((bottom - top) // BLOCK, (right - left) // BLOCK)

    def decoded(boxes: Sequence[Box]) -> Iterator[Tile]:
        limits.check_work(sum((bottom - top) * (right - left) for top, left, bottom, right in boxes))
        return mapping(decoder.run, map(coded, boxes))

    restorer = Restorer(codebook.restoration, quantiser.restoration_step, kernels, c.strength)
    return Assembly((c.height, c.width), restorer, decoded, mapping)


def render_region(
    source: Assembly,
    region: Region,
    out: Pixels,
    kernels: Kernels,
    alpha: Pixels | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Fills an output grid with a region of a picture, strip by strip, so that memory stays bounded.

    Args:
        source: the picture's planes.
        region: (x, y, width, height) in source pixels, inside the picture.
        out: (H, W, 1 or 3) uint8, written to.
        kernels: what computes.
        alpha: (H, W) uint8, of the whole picture: at another size than its own, colours count by it.
        progress: is told the fraction done, up to 1.

    Raises:
        FormatError: a tile that it needs is damaged.
        LimitError: it needs more tiles than may be decoded.
    """
    _, _, width, height = region
    rows, cols = out.shape[:2]
    count = max(1, min(_STRIP_PIXELS // cols, 4 * _STRIP_PIXELS * rows // (width * height)))
    strips = [(begin, min(rows, begin + count)) for begin in range(0, rows, count)]
    if (cols, rows) == (width, height):
        ends = _copy(source, region, out, strips, kernels)
    elif width * height > 4 * _STRIP_PIXELS * rows:
        ends = _gather(source, region, out, alpha)
    else:
        ends = _resample(source, region, out, strips, kernels, alpha)
    for end in ends:
        if progress:
            progress(end / rows)


def _copy(
    source: Assembly, region: Region, out: Pixels, strips: list[tuple[int, int]], kernels: Kernels
) -> Iterator[int]:
    """Native size: samples become pixels; yields the rows done after each strip."""
    x, y, width, _ = region
    boxes = [(y + begin, x, y + end, x + width) for begin, end in strips]
    for (begin, end), planes in zip(strips, source.regions(boxes), strict=True):
        out[begin:end] = kernels.to_pixels(planes)
        yield end


def _resample(
    source: Assembly,
    region: Region,
    out: Pixels,
    strips: list[tuple[int, int]],
    kernels: Kernels,
    alpha: Pixels | None,
) -> Iterator[int]:
    """Any other size: pixels evaluate the networks that the samples stand for; yields as `_copy`."""
    x, y, width, height = region
    rows, cols = out.shape[:2]
    across = axis(x, x + width, cols)
    columns = across.sources(source.shape[1])
    left, right = int(columns.min()), int(columns.max()) + 1
    down = [axis(y + begin * height / rows, y + end * height / rows, end - begin) for begin, end in strips]
    lines = [grid.sources(source.shape[0]) for grid in down]
    boxes = [(int(index.min()), left, int(index.max()) + 1, right) for index in lines]
    found = zip(strips, boxes, down, lines, source.regions(boxes), strict=True)
    for (begin, end), box, grid, index, planes in found:
        vertical, horizontal = (index - box[0], grid.taps), (columns - left, across.taps)
        shown = None if alpha is None else alpha[box[0] : box[2], box[1] : box[3]]
        if shown is None or shown.min() == shown.max():
            out[begin:end] = kernels.render(planes, vertical, horizontal)
        else:
            weights = shown.astype(np.float32) / np.float32(_OPAQUE)
            weighted = resample_weighted(planes.astype(np.float32), weights, vertical, horizontal)
            out[begin:end] = to_pixels(weighted)
        yield end


def _gather(source: Assembly, region: Region, out: Pixels, alpha: Pixels | None) -> Iterator[int]:
    """Far smaller sizes: rows of pixels are added up from pieces of the picture; yields as `_copy`."""
    x, y, width, height = region
    rows, cols = out.shape[:2]
    across, down = axis(x, x + width, cols), axis(y, y + height, rows)
    columns, lines = across.sources(source.shape[1]), down.sources(source.shape[0])
    left, right = int(columns.min()), int(columns.max()) + 1
    count = max(1, _GATHERED_PIXELS // (right - left))
    pieces = [
        (row, top, min(top + count, int(index.max()) + 1))
        for row, index in enumerate(lines)
        for top in range(int(index.min()), int(index.max()) + 1, count)
    ]
    sums: dict[int, WeightedRows] = {}
    regions = source.regions([(top, left, bottom, right) for _, top, bottom in pieces])
    for (row, top, bottom), planes in zip(pieces, regions, strict=True):
        here = (lines[row] >= top) & (lines[row] < bottom)
        taps = lines[row : row + 1, here] - top, down.taps[row : row + 1, here]
        shown = _OPAQUE if alpha is None else alpha[top:bottom, left:right]
        weights = np.broadcast_to(np.float32(shown) / np.float32(_OPAQUE), planes.shape[1:])
        found = WeightedRows.of(planes.astype(np.float32), weights, taps)
        sums[row] = sums[row] + found if row in sums else found
        if bottom > lines[row].max():
            out[row] = to_pixels(sums.pop(row).across((columns - left, across.taps)))[0]
            yield row + 1
