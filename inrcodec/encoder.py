"""Encoding a picture at one quantiser step, and the search for the step that meets a target."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from inrcodec.backend import array_module
from inrcodec.bitstream import TILE, Container, pack, tile_grid
from inrcodec.cells import BLOCK
from inrcodec.codebook import Codebook
from inrcodec.color import to_planes
from inrcodec.decoder import render_region
from inrcodec.errors import EncodeError
from inrcodec.fit import fit_tile
from inrcodec.mosaic import Mosaic, Tile
from inrcodec.pool import Map
from inrcodec.quantize import STEP_MAX, STEP_MIN, step_of_quality
from inrcodec.tilestream import write_tile

DEFAULT_QUALITY = 50
_SEARCH_FITS = 7
"""Fits that a target may take; it usually takes three or four."""


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


@dataclass(frozen=True)
class Target:
    """What a file has to meet.

    Attributes:
        words: the target, for the error.
        excess: of a file and its PSNR, by how much they miss the target; 0 or less meets it.
        slope: change of the excess when the quantiser step doubles, roughly.
        close: how far below 0 the excess may stay.
    """

    words: str
    excess: Callable[[bytes, float], float]
    slope: float
    close: float


def size_target(limit: int) -> Target:
    """The largest file of at most `limit` bytes, or up to one per cent less."""
    return Target(f"{limit} bytes", lambda data, _: math.log2(len(data) / max(limit, 0.5)), -1.0, 0.0145)


def psnr_target(psnr: float) -> Target:
    """The smallest file of at least `psnr` dB, or up to 0.05 dB more."""
    return Target(f"{psnr} dB", lambda _, found: psnr - found, 3.5, 0.05)


def search(job: Job, target: Target, progress: Callable[[float], None] | None) -> bytes:
    """Looks for the quantiser step of a target by interpolation on a log scale.

    Raises:
        EncodeError: no step meets the target.
    """
    excess: dict[int, float] = {}
    best: bytes | None = None
    step: int | None = step_of_quality(DEFAULT_QUALITY)
    while step is not None:
        data, psnr = job.run(step, None)
        excess[step] = target.excess(data, psnr)
        if excess[step] <= 0 and excess[step] == max(e for e in excess.values() if e <= 0):
            best = data
        if progress:
            progress(len(excess) / _SEARCH_FITS)
        step = _next_step(excess, target) if len(excess) < _SEARCH_FITS else None
    if best is None:
        raise EncodeError(f"the target of {target.words} is out of reach for this picture")
    if progress:
        progress(1.0)
    return best


def _next_step(excess: dict[int, float], target: Target) -> int | None:
    """Where to look next, given the excess at the steps looked at; None where there is no use."""
    if any(-target.close <= e <= 0 for e in excess.values()):
        return None
    sign = 1 if target.slope < 0 else -1
    met, missed = ([s for s, e in excess.items() if (e <= 0) == good] for good in (True, False))
    if not (met and missed):
        # All on one side: from the last, and twice as far every time, so that an end is reached in time.
        last = list(excess)[-1]
        octaves = (-target.close / 2 - excess[last]) / target.slope
        octaves = math.copysign(max(abs(octaves), 1 / 8), octaves) * 2 ** (len(excess) - 1)
        step = round(2 ** min(max(math.log2(last) + octaves, math.log2(STEP_MIN)), math.log2(STEP_MAX)))
        return None if step in excess else step
    # The closest on either side.
    good, bad = min(met, key=lambda s: sign * s), max(missed, key=lambda s: sign * s)
    if sign * (good - bad) <= 1:
        return None
    share = (excess[bad] + target.close / 2) / (excess[bad] - excess[good])
    step = round(math.exp(math.log(bad) + math.log(good / bad) * min(max(share, 0.1), 0.9)))
    return min(max(step, min(good, bad) + 1), max(good, bad) - 1)
