"""Encoding a picture at one quantiser step, and the search for the step that meets a target."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.bitstream import TILE, Container, pack, tile_grid
from inrcodec.cells import BLOCK
from inrcodec.codebook import Codebook
from inrcodec.color import to_pixels, to_planes
from inrcodec.errors import EncodeError
from inrcodec.fit import fit_tile
from inrcodec.quantize import STEP_MAX, STEP_MIN
from inrcodec.tilestream import write_tile

_SEARCH_FITS = 10


@dataclass(frozen=True)
class Job:
    """Everything about an encode but the quantiser step.

    Attributes:
        colour: (H, W, 1 or 3) uint8.
        codebook: what decoder and encoder share.
        steps: fine-tuning steps.
        entropy: "rans" or "zstd".
        sections: optional sections of the file.
        xp, device: array module and torch device of the start networks.
    """

    colour: npt.NDArray[np.uint8]
    codebook: Codebook
    steps: int
    entropy: str
    sections: dict[str, bytes]
    xp: Any
    device: str

    def run(self, step: int, progress: Callable[[float], None] | None) -> tuple[bytes, float]:
        """The file at a quantiser step, and its PSNR in dB."""
        height, width, channels = self.colour.shape
        rows, cols = tile_grid(width, height)
        tiles = []
        squares = 0.0
        for number, (y, x) in enumerate(np.ndindex(rows, cols)):
            part = self.colour[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE]
            pad = [(0, -n % BLOCK) for n in part.shape[:2]]
            fit = fit_tile(
                to_planes(np.pad(part, [*pad, (0, 0)], mode="edge")),
                step, self.codebook, self.steps, self.xp, self.device,
            )  # fmt: skip
            tiles.append(write_tile(fit.symbols, step, self.codebook.entropy, self.entropy))
            planes = self.codebook.joins.smooth(fit.planes, fit.symbols.partition, step)
            decoded = to_pixels(planes[:, : part.shape[0], : part.shape[1]])
            squares += float(((decoded - part) ** 2).sum())
            if progress:
                progress((number + 1) / (rows * cols))
        container = Container(
            width, height, channels == 1, step, self.codebook.id, self.entropy, tuple(tiles), self.sections
        )
        mean = squares / self.colour.size
        return pack(container), 10 * math.log10(255**2 / mean) if mean else math.inf


def search(
    job: Job,
    meets: Callable[[bytes, float], bool],
    target: str,
    progress: Callable[[float], None] | None,
    finest: bool,
) -> bytes:
    """Bisects the quantiser step on a log scale.

    Args:
        meets: whether a file and its PSNR meet the target.
        target: the target in words, for the error.
        finest: whether the finest step within the target is wanted (a size), or the coarsest (a quality).

    Raises:
        EncodeError: no step meets the target.
    """
    low, high = STEP_MIN, STEP_MAX
    # The easy end first: it tells whether the target can be met at all.
    best, error = job.run(high if finest else low, None)
    if not meets(best, error):
        raise EncodeError(f"the target of {target} is out of reach for this picture")
    for number in range(1, _SEARCH_FITS):
        if progress:
            progress(number / _SEARCH_FITS)
        if high - low <= 1:
            break
        step = round(math.sqrt(low * high))
        data, error = job.run(step, None)
        good = meets(data, error)
        if good == finest:
            high = step
        else:
            low = step
        if good and (len(data) > len(best) if finest else len(data) < len(best)):
            best = data
    if progress:
        progress(1.0)
    return best
