"""Filling an output grid: a view of a large picture never holds more than a piece of it."""

import numpy as np
import pytest
from synthetic import draw

from inrcodec.decoding.assembly import Assembly
from inrcodec.decoding.picture import render_region
from inrcodec.kernels import select
from inrcodec.signal.resampling import axis, resample, resample_weighted

SIDE = 2100
"""More pixels than a strip may have."""


class Source(Assembly):
    """An assembly of known planes that keeps what was asked for."""

    def __init__(self, planes):
        self.shape = SIDE, SIDE
        self.planes, self.areas = planes, []

    def regions(self, boxes):
        for top, left, bottom, right in boxes:
            self.areas.append((bottom - top) * (right - left))
            yield self.planes[:, top:bottom, left:right]


@pytest.fixture(scope="module")
def planes():
    """Levels that differ from place to place, and noise."""
    noise = draw("noise", (1, 60, SIDE), -300, 300)
    slope = np.linspace(-1500, 1500, SIDE, dtype=np.int64)[:, None]
    return (np.tile(noise, (1, SIDE // 60, 1)) + slope).astype(np.int16)


@pytest.mark.parametrize("size", [(50, 1), (1, 1)])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_a_row_that_takes_all_of_a_picture_is_gathered_from_pieces(planes, size, with_alpha):
    columns, rows = size
    alpha = np.tile(np.arange(SIDE) % 251, (SIDE, 1)).astype(np.uint8) if with_alpha else None
    source, out = Source(planes), np.zeros((rows, columns, 1), np.uint8)
    done: list[float] = []
    render_region(source, (0, 0, SIDE, SIDE), out, select("cpu", "numpy"), alpha, done.append)
    assert max(source.areas) <= 1 << 20
    assert done == [1.0]
    down, across = ((grid.sources(SIDE), grid.taps) for grid in (axis(0, SIDE, rows), axis(0, SIDE, columns)))
    exact = planes.astype(np.float32)
    expected = (
        resample(exact, down, across)
        if alpha is None
        else resample_weighted(exact, alpha.astype(np.float32) / np.float32(255), down, across)
    )
    levels = 128.5 + expected[0] / 16 / 3**0.5
    assert np.abs(out[:, :, 0] - levels).max() <= 1.5
