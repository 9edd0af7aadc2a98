"""Slopes of chroma on luma: regressions, in integers, that know when they know nothing."""

import numpy as np
import pytest
from synthetic import draw

from inrcodec.signal.cross_component import (
    SLOPE_BITS,
    SLOPE_MAX,
    carried,
    per_harmonic,
    slopes,
)
from inrcodec.tile.partition import SIZES, boundary_size

SIZE = 16
BOUNDARY = draw("boundary", (5, 3, boundary_size(SIZE)), -3000, 3000).astype(np.float64)


def centred(boundary):
    return boundary - np.floor(boundary.mean(-1, keepdims=True))


def regression(luma, other, noise):
    """With Python integers."""
    spread = sum(v * v for v in luma) + len(luma) * noise**2
    exact = (128 * sum(a * b for a, b in zip(luma, other, strict=True)) + spread) // (2 * spread)
    return max(-SLOPE_MAX, min(SLOPE_MAX, exact))


def steps_of(boundary):
    """Differences along the two rows above and the two columns left."""
    cuts = np.cumsum([2 * SIZE + 2, 2 * SIZE + 2, SIZE])
    return [int(v) for part in np.split(boundary, cuts) for v in np.diff(part)]


def test_slopes_are_regressions_in_exact_integers():
    boundary = BOUNDARY.copy()
    boundary[0, 1] = boundary[0, 0] // 2
    boundary[1, 2] = -boundary[1, 0] // 4
    found = slopes(centred(boundary), 160)
    assert found.shape == (5, 3, 2)
    for cell, plane in np.ndindex(5, 3):
        luma, other = ([int(v) for v in centred(boundary)[cell, p]] for p in (0, plane))
        low = regression(luma, other, 40)
        high = regression(steps_of(boundary[cell, 0]), steps_of(boundary[cell, plane]), 20)
        high = min(low, high, key=abs) if low * high > 0 else 0
        assert found[cell, plane].tolist() == ([0, 0] if plane == 0 else [low, high])
    assert found[0, 1].tolist() == [2**SLOPE_BITS // 2] * 2
    assert found[1, 2].tolist() == [-(2**SLOPE_BITS) // 4] * 2


def test_detail_that_only_luma_has_is_not_carried_over():
    """As in photos whose chroma was stored at half the size."""
    boundary = np.floor(np.linspace(-1500, 1500, boundary_size(SIZE))) * np.ones((1, 3, 1))
    boundary[0, 0] += draw("detail", boundary_size(SIZE), -300, 300)
    low, high = slopes(centred(boundary), 160)[0, 1]
    assert low > 30
    assert abs(high) < 5


def test_without_structure_around_nothing_is_carried_over():
    flat = np.full((1, 3, boundary_size(8)), 700.0)
    flat[:, :, ::2] += 3
    assert not slopes(centred(flat), 1600).any()
    assert not slopes(np.zeros_like(flat), 16).any()


@pytest.mark.parametrize("size", SIZES)
def test_half_of_either_axis_is_low(size):
    spread = per_harmonic(np.array([1.0, 2.0]), size * size).reshape(size, size)
    assert (spread[: size // 2, : size // 2] == 1).all()
    assert (spread[size // 2 :] == 2).all()
    assert (spread[:, size // 2 :] == 2).all()


def test_what_luma_adds_is_rounded():
    slope = slopes(centred(BOUNDARY), 300)
    luma = draw("luma", (5, 1, SIZE * SIZE), -(2**18), 2**18).astype(np.float64)
    spread = per_harmonic(slope, SIZE * SIZE).astype(np.int64)
    expected = (spread * luma.astype(np.int64) + 32) >> SLOPE_BITS
    assert np.array_equal(carried(slope, luma), expected)
