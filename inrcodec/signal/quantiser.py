"""Quantiser steps: one for the picture, and how it is weighted where the eye sees less.

A matrix lets the step grow with frequency, as the quantisation matrices of JPEG and HEVC do. Activity lets it
grow where a cell's surroundings are busy, which hides errors (as the adaptive quantisation of x264 and libaom
does): it is that of the boundary, which a decoder has before it draws the cell, so nothing is sent for it.
All in integers.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.container import FLAT, Weighting
from inrcodec.tile.fixed_point import FRACTION

FloatArray = npt.NDArray[np.floating[Any]]

STEP_MIN: int = 2**FRACTION
"""Finest quantiser step in fixed-point units: one 8-bit level."""
STEP_MAX = 512 * STEP_MIN
"""Coarsest quantiser step."""
DEFAULT_QUALITY = 50
"""Quality of an encode that is told nothing."""
_OCTAVES_PER_QUALITY = 3 / 49
_FINER = (0.4, 0.016)
"""Octaves by which the picture's step is finer where those of its weights are coarser, and what every quality
adds, so that a quality takes about as many bytes."""

ONE_BITS = 6
"""Fractional bits of a factor on the step."""
_ONE = 1 << ONE_BITS
ACTIVITY_RANGE = (38, 109)
"""Bounds of the factor of activity: 0.6 to 1.7."""
_RATIOS = 1024
"""Ratios of activity, in sixteenths, that are told apart."""

VISUAL = Weighting(32, 64, 2, _ONE)
"""Tuned for the eye, by SSIMULACRA 2 on photos that were held out from training."""
TUNES = {"psnr": FLAT, "visual": VISUAL}
"""What an encode may be tuned for."""
DEFAULT_TUNE = "psnr"


def step_of_quality(quality: float, weighting: Weighting = FLAT) -> int:
    """The picture's quantiser step in fixed-point units: if flat, 256 levels at quality 1, 4 at 100.

    Qualities beyond those give steps from `STEP_MIN` to `STEP_MAX`.
    """
    finer, more = (0.0, 0.0) if weighting == FLAT else _FINER
    levels: float = 2.0 ** (8 - (quality - 1) * _OCTAVES_PER_QUALITY - finer - more * quality)
    return max(STEP_MIN, min(STEP_MAX, round(levels * STEP_MIN)))


def quality_of_step(step: float, weighting: Weighting = FLAT) -> float:
    """The inverse of `step_of_quality`, not clipped to 1 ... 100; whole where a whole one gives that step."""
    finer, more = (0.0, 0.0) if weighting == FLAT else _FINER
    octaves = 8 - finer - math.log2(step / STEP_MIN)
    quality = (octaves + _OCTAVES_PER_QUALITY) / (_OCTAVES_PER_QUALITY + more)
    return float(round(quality)) if step_of_quality(round(quality), weighting) == step else quality


@dataclass(frozen=True)
class Quantiser:
    """The quantiser of a picture.

    Attributes:
        step: the picture's quantiser step in fixed-point units.
        weighting: how steps differ from it.
    """

    step: int
    weighting: Weighting = FLAT

    @property
    def restoration_step(self) -> int:
        """The step that restoration is told, fixed-point: that of a weight an eighth up the diagonals."""
        return min(self.step * (_ONE + self.weighting.luma) >> ONE_BITS, STEP_MAX)

    def steps(self, size: int, deviation: FloatArray) -> FloatArray:
        """The step of every weight of some cells.

        Args:
            size: of the N cells.
            deviation: (N, C, 1) mean absolute deviations of their boundaries, fixed-point integers.

        Returns:
            (N, C, size * size) integers in float64, at least 1; (1, 1, 1) where they are all the same.
        """
        if self.weighting == FLAT:
            return np.full((1, 1, 1), float(self.step))
        luma = deviation[:, 0, 0].astype(np.int64)
        # Twice the deviation in quantiser steps.
        ratio = np.minimum((32 * luma + self.step // 2) // self.step, _RATIOS - 1)
        activity = _activities(self.weighting.activity)[ratio]
        factors = _matrices(size, deviation.shape[1], self.weighting)[None] * activity[:, None, None]
        bits = 3 * ONE_BITS
        rounded = np.floor((factors * self.step + 2.0 ** (bits - 1)) / 2**bits)
        result: FloatArray = np.maximum(rounded, 1)
        return result


@lru_cache(maxsize=32)
def _matrices(size: int, channels: int, weighting: Weighting) -> npt.NDArray[np.float64]:
    """Factors of frequency and plane: (channels, size * size) integers, 1 being 2**(2 * ONE_BITS)."""
    diagonal = np.add.outer(np.arange(size), np.arange(size)).ravel()
    planes = []
    for channel in range(channels):
        growth, ratio = (weighting.chroma, weighting.ratio) if channel else (weighting.luma, _ONE)
        # Growth in eighths times 64 / 8, over the 2 size diagonals.
        planes.append((_ONE + growth * 4 * diagonal // size) * ratio)
    return np.array(planes, np.float64)


@lru_cache(maxsize=16)
def _activities(exponent: int) -> npt.NDArray[np.float64]:
    """Factors of activity for every ratio in sixteenths; no entry is closer than 4e-5 to a tie (tested)."""
    ratios = np.maximum(np.arange(_RATIOS), 1) / 16
    return np.clip(np.rint(_ONE * ratios ** (exponent / 16)), *ACTIVITY_RANGE)
