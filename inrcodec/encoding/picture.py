"""Encoding a picture at one quantiser step, and measuring what became of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inrcodec.codebook import Codebook
from inrcodec.container import FLAT, FULL_STRENGTH, TILE, Container, Weighting, pack, tile_grid
from inrcodec.decisions.effort import Effort
from inrcodec.decoding.assembly import Assembly, Restorer, Tile
from inrcodec.decoding.picture import render_region
from inrcodec.encoding.strength import Agreement, agreement, strength_of
from inrcodec.encoding.tile import fit_tile
from inrcodec.entropy import zstd_payload
from inrcodec.kernels import Kernels
from inrcodec.metrics import psnr
from inrcodec.runtime.processes import Map
from inrcodec.signal.color import to_planes
from inrcodec.signal.quantiser import Quantiser
from inrcodec.tile.partition import BLOCK, Box

Pixels = npt.NDArray[np.uint8]


class CodedTile(NamedTuple):
    """A tile of a file.

    Attributes:
        data: its bytes.
        agreement: how well restoration does there.
    """

    data: bytes
    agreement: Agreement


@dataclass(frozen=True)
class TileEncoder:
    """Everything about encoding a tile but its pixels and the quantiser step.

    Attributes:
        codebook: what decoder and encoder share.
        effort: what is tried.
        entropy: "rans" or "zstd".
        kernels: what computes.
    """

    codebook: Codebook
    effort: Effort
    entropy: str
    kernels: Kernels

    def run(self, quantiser: Quantiser, pixels: Pixels) -> CodedTile:
        """Encodes a tile.

        Args:
            quantiser: the picture's.
            pixels: (H, W, 1 or 3) uint8, up to `TILE` a side.
        """
        return self.run_and_keep(quantiser, pixels)[0]

    def run_and_keep(self, quantiser: Quantiser, pixels: Pixels) -> tuple[CodedTile, Tile]:
        """The same, and what a decoder makes of them before it restores."""
        height, width, _ = pixels.shape
        padded = np.pad(pixels, [(0, -height % BLOCK), (0, -width % BLOCK), (0, 0)], mode="edge")
        planes = to_planes(padded)
        fit = fit_tile(planes, quantiser, self.codebook, self.kernels, self.effort)
        if self.entropy == "zstd":
            data = zstd_payload.write_tile(fit.symbols)
        else:
            data = self.kernels.write_tile(fit.symbols, quantiser.step, self.codebook.entropy)
        tile = Tile(fit.planes, fit.symbols.cells)
        return CodedTile(data, agreement(planes, tile, self.restorer(quantiser))), tile

    def restorer(self, quantiser: Quantiser, strength: int = FULL_STRENGTH) -> Restorer:
        """What restores the picture at a strength."""
        return Restorer(self.codebook.restoration, quantiser.restoration_step, self.kernels, strength)


@dataclass(frozen=True)
class PictureEncoder:
    """Everything about an encode but the quantiser step.

    Attributes:
        colour: (H, W, 1 or 3) uint8.
        tiles: how a tile is encoded.
        mapping: what encodes, and restores, all of them.
        sections: optional sections of the file.
        weighting: how quantiser steps differ from the picture's.
        visible: (H, W) bool, what is measured; None for everything.
    """

    colour: Pixels
    tiles: TileEncoder
    mapping: Map
    sections: dict[str, bytes]
    weighting: Weighting = FLAT
    visible: npt.NDArray[np.bool_] | None = None

    def encode(self, step: int, progress: Callable[[float], None] | None = None) -> bytes:
        """The file at a quantiser step (fixed-point); `progress` is told the fraction done, up to 1."""
        parts, coded = self._parts(), []
        for tile in self.mapping(partial(self.tiles.run, self._quantiser(step)), parts):
            coded.append(tile)
            if progress:
                progress(len(coded) / len(parts))
        return self._packed(step, coded, strength_of([tile.agreement for tile in coded], step))

    def encode_and_measure(self, step: int) -> tuple[bytes, float]:
        """The file at a quantiser step (fixed-point), and its PSNR over visible colour samples in dB."""
        kept = self.mapping(partial(self.tiles.run_and_keep, self._quantiser(step)), self._parts())
        coded, tiles = zip(*kept, strict=True)
        strength = strength_of([tile.agreement for tile in coded], step)
        data = self._packed(step, coded, strength)
        decoded = self._restored(step, tiles, strength)
        return data, psnr(self.colour, decoded, self.visible)

    def _quantiser(self, step: int) -> Quantiser:
        return Quantiser(step, self.weighting)

    def _parts(self) -> list[Pixels]:
        """Pixels of the tiles in raster order."""
        height, width, _ = self.colour.shape
        return [
            self.colour[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE]
            for y, x in np.ndindex(tile_grid(width, height))
        ]

    def _packed(self, step: int, coded: Sequence[CodedTile], strength: int) -> bytes:
        height, width, channels = self.colour.shape
        return pack(
            Container(
                width,
                height,
                channels == 1,
                step,
                self.tiles.codebook.id,
                self.tiles.entropy,
                tuple(tile.data for tile in coded),
                self.sections,
                self.weighting,
                strength,
            )
        )

    def _restored(self, step: int, tiles: Sequence[Tile], strength: int) -> Pixels:
        """The picture that a decoder makes of its tiles in raster order."""
        height, width, _ = self.colour.shape
        columns = tile_grid(width, height)[1]

        def known(boxes: Sequence[Box]) -> Iterator[Tile]:
            return (tiles[top // TILE * columns + left // TILE] for top, left, _, _ in boxes)

        restorer = self.tiles.restorer(self._quantiser(step), strength)
        decoded = np.empty_like(self.colour)
        assembly = Assembly((height, width), restorer, known, self.mapping)
        render_region(assembly, (0, 0, width, height), decoded, self.tiles.kernels)
        return decoded
