"""Smooth and flat pictures, and pictures that are encoded again and again."""

from itertools import pairwise

import numpy as np
import pytest
from skimage import data

import inrcodec
from inrcodec.metrics import psnr


def coded(pixels, quality):
    """What is left of a picture."""
    return inrcodec.decode(inrcodec.encode(pixels, quality=quality))


@pytest.mark.parametrize(
    "colour", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0), (250, 251, 249), (20, 200, 90)]
)
@pytest.mark.parametrize(("quality", "largest"), [(20, 5), (50, 2), (90, 0)])
def test_one_colour_comes_back(colour, quality, largest):
    flat = np.full((64, 96, 3), colour, np.uint8)
    assert np.abs(coded(flat, quality).astype(int) - flat).max() <= largest


def slopes():
    """Grey levels that change slowly: across, from corner to corner, from a point outwards."""
    y, x = np.mgrid[:64, :96]
    for levels in (2.5 * x, x + 2 * y, 1.7 * np.hypot(x - 40, y - 34)):
        yield np.repeat(levels.clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("slope", list(slopes()), ids=["across", "corners", "outwards"])
def test_a_higher_quality_is_no_worse_picture(slope):
    found = [psnr(slope, coded(slope, quality)) for quality in (1, 20, 40, 60, 80, 97)]
    assert all(after > before for before, after in pairwise(found)), found


def test_encoding_again_loses_less_every_time():
    original = data.astronaut()[60:156, 160:256]
    found, pixels = [], original
    for _ in range(6):
        pixels = coded(pixels, 50)
        found.append(psnr(original, pixels))
    losses = [before - after for before, after in pairwise(found)]
    assert losses[-1] < losses[0] / 2
    assert found[0] - found[-1] < 3
