"""Planes: the opponent colour basis in which cells are fitted, and its exact integer inverse.

Samples are fixed-point numbers with `FRACTION` fractional bits around mid-grey. The basis is orthonormal,
so squared error in planes equals squared error in RGB.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from inrcodec.tile.fixed_point import FRACTION

_BASIS = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 2.0, -1.0]])
_BASIS /= np.linalg.norm(_BASIS, axis=1, keepdims=True)
_INVERSE_BITS = 14
# Rows are R, G, B. The entries are sqrt(1/3), sqrt(1/2), sqrt(1/6), sqrt(2/3) times 2**14, rounded.
_INVERSE = np.array([[9459.0, 11585.0, -6689.0], [9459.0, 0.0, 13377.0], [9459.0, -11585.0, -6689.0]])
_MID = 128.0


def to_planes(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Opponent planes of a picture.

    Args:
        pixels: (H, W, 1) grey or (H, W, 3) RGB, uint8. Grey is treated as RGB with equal channels, of
            which only the first plane is not zero.

    Returns:
        (1 or 3, H, W) float32 in fixed-point units (`FRACTION` fractional bits), below 3600 in magnitude.
    """
    centred = (pixels.astype(np.float32) - _MID) * 2**FRACTION
    if pixels.shape[2] == 1:
        return np.moveaxis(centred * np.float32(3**0.5), 2, 0)
    return np.ascontiguousarray(np.moveaxis(centred @ _BASIS.T.astype(np.float32), 2, 0))


def to_pixels(planes: npt.NDArray[np.number[Any]]) -> npt.NDArray[np.uint8]:
    """Pixels of integer planes, exact on every machine.

    Args:
        planes: (1 or 3, H, W) fixed-point samples of any type that holds integers, within `SAMPLE_MAX`.

    Returns:
        (H, W, 1 or 3) uint8.
    """
    inverse = _INVERSE[:1, :1] if len(planes) == 1 else _INVERSE
    # Sums stay below 2**30: exact in float64.
    mixed = inverse @ planes.reshape(len(planes), -1).astype(np.float64, copy=False)
    half = 2.0 ** (FRACTION + _INVERSE_BITS - 1)
    mixed += half + _MID * 2 * half
    mixed *= 0.5 / half
    pixels = np.clip(np.floor(mixed, out=mixed), 0, 255, out=mixed).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(pixels.reshape(planes.shape), 0, 2))
