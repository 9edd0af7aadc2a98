"""Transform types: pieces of an axis, and the order of their waves."""

import numpy as np
import pytest

from inrcodec.tile.partition import SIZES
from inrcodec.tile.transform_types import (
    AXIS_TRANSFORMS,
    CUT_AXES,
    REACH,
    TRANSFORMS,
    axis_waves,
    pieces,
    same_piece,
)

AXES = pytest.mark.parametrize("transform", range(AXIS_TRANSFORMS))
EVERY_SIZE = pytest.mark.parametrize("size", SIZES)


@EVERY_SIZE
@AXES
def test_pieces_fill_the_axis_and_have_a_wave_per_sample(size, transform):
    waves = axis_waves(size, transform)
    assert len(set(waves)) == len(waves) == size
    found = sorted({(wave.begin, wave.length) for wave in waves})
    assert [begin for begin, _ in found] == np.cumsum([0, *(length for _, length in found)])[:-1].tolist()
    for begin, length in found:
        numbers = [wave.number for wave in waves if wave.begin == begin]
        assert numbers == list(range(length))


@EVERY_SIZE
@AXES
def test_waves_come_by_frequency(size, transform):
    keys = [(wave.frequency, wave.begin) for wave in axis_waves(size, transform)]
    assert keys == sorted(keys)


@EVERY_SIZE
def test_neighbours_in_the_same_piece(size):
    places = same_piece(size)
    for transform in range(AXIS_TRANSFORMS):
        waves = axis_waves(size, transform)
        for here, wave in enumerate(waves):
            assert places[transform, here, REACH] == here
            for further in range(-REACH, REACH + 1):
                place = places[transform, here, REACH + further]
                number = wave.number + further
                assert (place < size) == (0 <= number < wave.length)
                if place < size:
                    assert waves[place] == wave._replace(number=number)
                    # What is higher has been decoded before.
                    assert np.sign(place - here) == np.sign(further)


def test_pieces_are_counted_from_the_first_border():
    assert pieces(8)[0].tolist() == [0] * 8
    # Cosines of 2, 4 and 2 samples: frequencies 0, 0, 0, then those of the longest.
    assert pieces(8)[3].tolist() == [0, 1, 2, 1, 0, 1, 2, 1]


def test_cut_axes_of_every_transform_type():
    cut = [len({wave.begin for wave in axis_waves(8, transform)}) > 1 for transform in range(AXIS_TRANSFORMS)]
    assert CUT_AXES.tolist() == [cut[v] + cut[h] for v, h in np.ndindex(AXIS_TRANSFORMS, AXIS_TRANSFORMS)]
    assert len(CUT_AXES) == TRANSFORMS
