"""Planes: an orthonormal colour basis with an exact integer inverse."""

import numpy as np

from inrcodec.signal.color import to_pixels, to_planes
from inrcodec.tile.fixed_point import FRACTION


def some_colours():
    """Every corner and many colours between: (n, 1, 3) uint8."""
    levels = np.array([0, 1, 2, 63, 127, 128, 129, 200, 254, 255], np.uint8)
    return np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 1, 3)


def test_rounded_planes_give_the_pixels_back():
    pixels = some_colours()
    planes = np.rint(to_planes(pixels)).astype(np.float64)
    assert np.array_equal(to_pixels(planes), pixels)
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    assert np.array_equal(to_pixels(np.rint(to_planes(grey)).astype(np.float64)), grey)


def test_grey_is_rgb_with_equal_channels():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    planes = to_planes(grey.repeat(3, 2))
    assert np.abs(planes[0] - to_planes(grey)[0]).max() < 1e-2
    assert np.abs(planes[1:]).max() < 1e-2


def test_squared_error_is_the_same_in_planes():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 20, 20, 3), dtype=np.uint8)
    in_pixels = ((a.astype(np.float64) - b) ** 2).sum()
    in_planes = ((to_planes(a).astype(np.float64) - to_planes(b)) ** 2).sum() / 4**FRACTION
    assert abs(in_planes / in_pixels - 1) < 1e-5


def test_pixels_are_clipped_and_as_exact_as_integers():
    rng = np.random.default_rng(1)
    # Square roots of 1/3, 1/2, 1/6 and 2/3, times 2**14.
    inverse = np.array([[9459, 11585, -6689], [9459, 0, 13377], [9459, -11585, -6689]])
    for channels in (1, 3):
        planes = rng.integers(-8191, 8192, (channels, 30, 40))
        pixels = to_pixels(planes.astype(np.float32))
        assert pixels.dtype == np.uint8
        assert (pixels.min(), pixels.max()) == (0, 255)
        mixed = np.einsum("ck,khw->hwc", inverse[:channels, :channels], planes)
        assert np.array_equal(pixels, np.clip((mixed + 2**17 >> 18) + 128, 0, 255))
