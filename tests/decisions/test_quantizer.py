"""Qualities, quantiser steps and the dead zone."""

from itertools import pairwise

import numpy as np
import pytest

from inrcodec.decisions.quantizer import (
    STEP_MAX,
    STEP_MIN,
    dead_zone,
    quality_of_step,
    step_of_quality,
)


def test_steps_fall_with_quality_and_stay_in_range():
    steps = [step_of_quality(q) for q in range(1, 101)]
    assert all(a > b for a, b in pairwise(steps))
    assert STEP_MIN <= steps[-1] < steps[0] <= STEP_MAX
    assert (steps[0], steps[49]) == (256 * 16, 32 * 16)


@pytest.mark.parametrize("quality", [1, 10, 33.3, 50, 75, 99, 100])
def test_quality_of_step_is_the_inverse(quality):
    assert quality_of_step(step_of_quality(quality)) == pytest.approx(quality, abs=0.15)


def test_dead_zone():
    weights = np.array([0, 0.59, -0.59, 0.61, -0.61, 1.5, 1.6, -7.7], np.float32)
    assert dead_zone(weights, 0.4).tolist() == [0, 0, 0, 1, -1, 1, 2, -8]
    assert dead_zone(weights, 0.5).tolist() == [0, 1, -1, 1, -1, 2, 2, -8]
    assert dead_zone(weights, 0.4).dtype == np.float32
