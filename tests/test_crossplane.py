"""Slopes of chroma on luma: a regression, in integers, that knows when it knows nothing."""

import numpy as np
import torch
from synthetic import draw

from inrcodec.cells import boundary_size
from inrcodec.crossplane import SLOPE_BITS, SLOPE_MAX, carried, slopes

BOUNDARY = draw("boundary", (5, 3, boundary_size(16)), -3000, 3000).astype(np.float64)


def mean_of(boundary):
    return np.floor(boundary.mean(-1, keepdims=True))


def test_slopes_are_regressions_in_exact_integers():
    boundary = BOUNDARY.copy()
    boundary[0, 1] = boundary[0, 0] // 2
    boundary[1, 2] = -boundary[1, 0] // 4
    mean, step = mean_of(boundary), 100
    found = slopes(boundary, mean, step)
    for cell, plane in np.ndindex(5, 3):
        luma = [int(v) for v in boundary[cell, 0] - mean[cell, 0]]
        other = [int(v) for v in boundary[cell, plane] - mean[cell, plane]]
        spread = sum(v * v for v in luma) + len(luma) * 25**2
        exact = (128 * sum(a * b for a, b in zip(luma, other, strict=True)) + spread) // (2 * spread)
        expected = 0 if plane == 0 else max(-SLOPE_MAX, min(SLOPE_MAX, exact))
        assert found[cell, plane, 0] == expected
    assert found[0, 1, 0] == 2**SLOPE_BITS // 2
    assert found[1, 2, 0] == -(2**SLOPE_BITS) // 4


def test_without_structure_around_nothing_is_carried_over():
    flat = np.full((1, 3, boundary_size(8)), 700.0)
    flat[:, :, ::2] += 3
    assert not slopes(flat, mean_of(flat), 1600).any()
    assert not slopes(np.zeros_like(flat), np.zeros((1, 3, 1)), 16).any()


def test_torch_gives_the_same_slopes():
    mean = mean_of(BOUNDARY)
    tensor = slopes(torch.from_numpy(BOUNDARY), torch.from_numpy(mean), 300, torch)
    assert np.array_equal(slopes(BOUNDARY, mean, 300), tensor.numpy())
    luma = draw("luma", (5, 1, 64), -(2**18), 2**18).astype(np.float64)
    slope = slopes(BOUNDARY, mean, 300)
    expected = (slope.astype(np.int64) * luma.astype(np.int64) + 32) >> SLOPE_BITS
    assert np.array_equal(carried(slope, luma), expected)
    assert np.array_equal(carried(tensor, torch.from_numpy(luma), torch).numpy(), expected)
