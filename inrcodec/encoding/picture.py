"""Encoding a picture at one quantiser step, and the search for the step that meets a target."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from inrcodec.codebook import Codebook
from inrcodec.container import TILE, Container, pack, tile_grid
from inrcodec.decoding.assembly import Mosaic, Tile
from inrcodec.decoding.picture import render_region
from inrcodec.encoding.tile import fit_tile
from inrcodec.entropy.payload import write_tile
from inrcodec.runtime.device import array_module
from inrcodec.runtime.processes import Map
from inrcodec.signal.color import to_planes
from inrcodec.tile.partition import BLOCK

DEFAULT_QUALITY = 50


@dataclass(frozen=True)
class TileEncoder:
    """Everything about encoding a tile but its pixels and the quantiser step.

    Attributes:
        codebook: what decoder and encoder share.
        steps: fine-tuning steps.
        entropy: "rans" or "zstd".
        device: "cpu", or a torch device for the start networks.
    """

    codebook: Codebook
    steps: int
    entropy: str
    device: str

    def run(self, step: int, pixels: npt.NDArray[np.uint8]) -> tuple[bytes, Tile]:
        """The bytes of a tile (H, W, 1 or 3), and what a decoder makes of them before it restores."""
        height, width, _ = pixels.shape
        padded = np.pad(pixels, [(0, -height % BLOCK), (0, -width % BLOCK), (0, 0)], mode="edge")
        xp = array_module(self.device)
        fit = fit_tile(to_planes(padded), step, self.codebook, self.steps, xp, self.device)
        data = write_tile(fit.symbols, step, self.codebook.entropy, self.entropy)
        return data, Tile.of(fit.planes, fit.symbols.partition)


@dataclass(frozen=True)
class Job:
    """Everything about an encode but the quantiser step.

    Attributes:
        colour: (H, W, 1 or 3) uint8.
        tiles: how a tile is encoded.
        mapping: what encodes, and restores, all of them.
        sections: optional sections of the file.
        measure: whether the PSNR is wanted, for which the picture has to be restored.
    """

    colour: npt.NDArray[np.uint8]
    tiles: TileEncoder
    mapping: Map
    sections: dict[str, bytes]
    measure: bool

    def run(self, step: int, progress: Callable[[float], None] | None) -> tuple[bytes, float]:
        """The file at a quantiser step, and its PSNR in dB; nan unless `measure`."""
        height, width, channels = self.colour.shape
        rows, cols = tile_grid(width, height)
        parts = [
            self.colour[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE]
            for y, x in np.ndindex(rows, cols)
        ]
        coded: list[bytes] = []

        def fitted() -> Iterator[Tile]:
            for data, tile in self.mapping(partial(self.tiles.run, step), parts):
                coded.append(data)
                if progress:
                    progress(len(coded) / len(parts))
                yield tile

        psnr = self._psnr(step, fitted())
        container = Container(
            width,
            height,
            channels == 1,
            step,
            self.tiles.codebook.id,
            self.tiles.entropy,
            tuple(coded),
            self.sections,
        )
        return pack(container), psnr

    def _psnr(self, step: int, tiles: Iterator[Tile]) -> float:
        """PSNR in dB of the restored picture, given its tiles in raster order; nan unless `measure`."""
        if not self.measure:
            for _ in tiles:
                pass
            return math.nan
        height, width, _ = self.colour.shape
        network = self.tiles.codebook.restoration
        # Rendered from top to bottom, a mosaic needs its tiles in raster order.
        mosaic = Mosaic((height, width), step, network, lambda _: tiles, self.mapping)
        decoded = np.empty_like(self.colour)
        render_region(mosaic, (0, 0, width, height), decoded)
        rows = zip(decoded, self.colour, strict=True)
        squares = sum(int(np.square(row.astype(np.int64) - original).sum()) for row, original in rows)
        mean = squares / self.colour.size
        return 10 * math.log10(255**2 / mean) if mean else math.inf
