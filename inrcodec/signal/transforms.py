"""The transforms of a cell: integer cosines and sines on its own sample grid."""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from inrcodec.tile.transform_types import AXIS_TRANSFORMS, axis_waves

FEATURE_BITS = 12
"""Fractional bits of the integer cosine features."""


FloatArray = npt.NDArray[np.float64]


@lru_cache(maxsize=32)
def cosine_features(size: int) -> FloatArray:
    """Features of the native grid: (harmonic, sample), orthonormal rows times 2**FEATURE_BITS.

    Integers in float64. They are the one-dimensional factors of what the harmonic SIREN's second layer
    outputs there. No entry is closer than 1e-4 to a rounding tie, so every libm gives the same table
    (tested).
    """
    rows = [
        [
            float(
                round(
                    2**FEATURE_BITS
                    * math.sqrt((1 if k == 0 else 2) / size)
                    * math.cos(math.pi * k * (2 * i + 1) / (2 * size))
                )
            )
            for i in range(size)
        ]
        for k in range(size)
    ]
    return np.array(rows)


@lru_cache(maxsize=32)
def _sine_features(size: int) -> FloatArray:
    """Sines that rise from the first border, sin(pi (2k + 1) (i + 1) / (2 size + 1)), like `cosine_features`.

    For what a prediction from that side leaves: the discrete sine transform of type VII (Han, Saxena,
    Melkote and Rose, IEEE TIP 2012).
    """
    length = 2 * size + 1
    scale = 2**FEATURE_BITS * math.sqrt(4 / length)
    rows = [
        [float(round(scale * math.sin(math.pi * (2 * k + 1) * (i + 1) / length))) for i in range(size)]
        for k in range(size)
    ]
    return np.array(rows)


@lru_cache(maxsize=8)
def axis_features(size: int) -> FloatArray:
    """Features of one axis per transform, like `cosine_features`: (AXIS_TRANSFORMS, harmonic, sample)."""
    axes = np.zeros((AXIS_TRANSFORMS, size, size))
    for transform, axis in enumerate(axes):
        for row, wave in zip(axis, axis_waves(size, transform), strict=True):
            features_of = _sine_features if wave.sine else cosine_features
            row[wave.begin : wave.begin + wave.length] = features_of(wave.length)[wave.number]
    return axes
