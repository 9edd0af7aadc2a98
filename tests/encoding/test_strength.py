"""Strength of restoration: pictures that the network does not know lose nothing by it."""

import numpy as np
import pytest
from skimage import data
from synthetic import drawing, weakened

import inrcodec
from inrcodec.container import FULL_STRENGTH, unpack
from inrcodec.encoding.strength import Agreement, _windows, strength_of
from inrcodec.metrics import psnr
from inrcodec.tile.partition import BLOCK

STEP = 320


@pytest.mark.parametrize("quality", [50, 89])
def test_a_drawing_is_better_than_with_all_of_the_correction_or_none(quality):
    pixels = drawing()
    file = inrcodec.encode(pixels, quality=quality)
    container = unpack(file)
    assert 0 < container.strength < FULL_STRENGTH
    found, *others = (
        psnr(pixels, inrcodec.decode(weakened(file, strength)))
        for strength in (container.strength, 0, FULL_STRENGTH)
    )
    assert found > max(others) + 0.2


def test_noise_is_not_restored():
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert unpack(inrcodec.encode(noise, quality=75)).strength == 0


def test_targets_are_measured_at_the_strength_of_the_file():
    pixels = drawing()
    file = inrcodec.encode(pixels, psnr=45)
    assert 45 <= psnr(pixels, inrcodec.decode(file)) < 45.3


def test_a_photo_is_restored():
    assert (
        unpack(inrcodec.encode(data.astronaut()[:128, 160:288], quality=30)).strength > 3 * FULL_STRENGTH // 4
    )


@pytest.mark.parametrize(
    ("products", "squares", "expected"),
    [
        (0.5, 1.0, 8),
        (-1.0, 1.0, 0),
        (2.0, 1.0, FULL_STRENGTH),
        (0.0, 0.0, FULL_STRENGTH),
        (0.97, 1.0, FULL_STRENGTH),
    ],
)
def test_least_squares(products, squares, expected):
    """In squared quantiser steps, of which 0.85 bits are worth eight."""
    unit = 100 * STEP**2
    assert strength_of([Agreement(products * unit, squares * unit, 0.5)] * 2, STEP) == expected


def test_what_is_not_worth_its_byte_is_not_told():
    small = Agreement(0.5 * STEP**2, STEP**2, 1.0)
    assert strength_of([small], STEP) == FULL_STRENGTH
    assert strength_of([small] * 4, STEP) == 8
    # The same seen in a quarter of the samples stands for four times as much.
    assert strength_of([small._replace(share=0.25)], STEP) == 8


@pytest.mark.parametrize(
    ("height", "width"), [(32, 32), (256, 256), (32, 1024), (256, 288), (512, 768), (1024, 1024)]
)
def test_windows_lie_all_over_a_tile(height, width):
    windows = _windows(height, width)
    seen = np.zeros((height, width), np.int64)
    for top, left, bottom, right in windows:
        assert not (top | left | bottom | right) % 4
        assert min(top, left) >= 0
        seen[top:bottom, left:right] += 1
    assert seen.shape == (height, width)
    assert seen.max() == 1
    if height * width <= 256**2:
        assert seen.all()
    else:
        assert height * width // 20 < seen.sum() <= 80 * 1024
        everywhere = np.lib.stride_tricks.sliding_window_view(seen, (256, 256))[::BLOCK, ::BLOCK]
        assert everywhere.any((2, 3)).all()
