"""Qualities, quantiser steps, how they are weighted, and the dead zone."""

import math
from itertools import pairwise

import numpy as np
import pytest

from inrcodec.container import Weighting
from inrcodec.decisions.rate_distortion import dead_zone
from inrcodec.signal.quantiser import STEP_MAX, STEP_MIN, VISUAL, Quantiser, quality_of_step, step_of_quality
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.partition import SIZES


def test_steps_fall_with_quality_and_stay_in_range():
    steps = [step_of_quality(q) for q in range(1, 101)]
    assert all(a > b for a, b in pairwise(steps))
    assert STEP_MIN <= steps[-1] < steps[0] <= STEP_MAX
    assert (steps[0], steps[49]) == (256 * 16, 32 * 16)


@pytest.mark.parametrize("quality", [1, 10, 33.3, 50, 75, 99, 100])
def test_quality_of_step_is_the_inverse(quality):
    assert quality_of_step(step_of_quality(quality)) == pytest.approx(quality, abs=0.15)


EXTREMES = [Weighting(255, 255, 15, 255), Weighting(0, 0, 15, 1), Weighting(255, 0, 0, 1), VISUAL]


@pytest.mark.parametrize("weighting", [*EXTREMES, Weighting(8, 24, 3, 50)])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [1, 320, 8192])
def test_steps_are_what_the_format_says(weighting, size, step):
    """With Python integers; and whatever a file says, none is zero and sums stay exact."""
    deviation = np.array([0, 1, 7, 150, 2999, 8191]).reshape(6, 1, 1) * np.array([1.0, 3, 0]).reshape(3, 1)
    found = Quantiser(step, weighting).steps(size, deviation)
    assert found.shape == (6, 3, size * size)
    for cell, plane in np.ndindex(6, 3):
        ratio = min((32 * int(deviation[cell, 0, 0]) + step // 2) // step, 1023)
        activity = max(38, min(109, round(64 * (max(ratio, 1) / 16) ** (weighting.activity / 16))))
        growth, factor = (weighting.chroma, weighting.ratio) if plane else (weighting.luma, 64)
        for harmonic in (0, 1, size, size * size // 2, size * size - 1):
            matrix = (64 + 4 * growth * sum(divmod(harmonic, size)) // size) * factor
            expected = max(1, (activity * matrix * step + 2**17) >> 18)
            assert found[cell, plane, harmonic] == expected
    assert found.min() >= 1
    # A residual of a file is at most WEIGHT_MAX / step steps; before it is clipped it must be exact.
    assert found.max() / step * WEIGHT_MAX < 2**40


def test_flat_steps_are_all_the_same():
    assert Quantiser(320).steps(8, np.zeros((5, 3, 1))).tolist() == [[[320.0]]]
    weighted = Quantiser(320, Weighting(0, 0, 0, 65)).steps(8, np.zeros((5, 3, 1)))
    assert (weighted[:, 0] == 320).all()
    assert (weighted[:, 1:] == 325).all()


@pytest.mark.parametrize("exponent", range(16))
def test_activities_are_far_from_rounding_ties(exponent):
    exact = [64 * (max(ratio, 1) / 16) ** (exponent / 16) for ratio in range(1024)]
    assert min(abs(value - math.floor(value) - 0.5) for value in exact) > 4e-5


def test_visual_steps_grow_with_frequency_and_activity():
    quiet, busy = Quantiser(320, VISUAL).steps(16, np.array([20.0, 900.0]).reshape(2, 1, 1))[:, 0]
    assert (busy > 1.5 * quiet).all()
    assert np.all(np.diff(quiet.reshape(16, 16), axis=1) > 0)
    assert np.array_equal(quiet.reshape(16, 16), quiet.reshape(16, 16).T)


@pytest.mark.parametrize("quality", [1, 20, 50, 80, 98])
def test_tunes_share_the_scale_of_quality(quality):
    assert quality_of_step(step_of_quality(quality, VISUAL), VISUAL) == pytest.approx(quality, abs=0.3)
    assert step_of_quality(quality, VISUAL) < step_of_quality(quality)


def test_dead_zone():
    weights = np.array([0, 0.59, -0.59, 0.61, -0.61, 1.5, 1.6, -7.7], np.float32)
    assert dead_zone(weights, 0.4).tolist() == [0, 0, 0, 1, -1, 1, 2, -8]
    assert dead_zone(weights, 0.5).tolist() == [0, 1, -1, 1, -1, 2, 2, -8]
    assert dead_zone(weights, 0.4).dtype == np.float32


def test_restoration_is_told_the_step_of_a_low_weight():
    assert Quantiser(320).restoration_step == 320
    told = Quantiser(320, VISUAL).restoration_step
    assert 320 < told < Quantiser(320, VISUAL).steps(16, np.full((1, 1, 1), 20.0)).max()
    assert Quantiser(8192, VISUAL).restoration_step == 8192
