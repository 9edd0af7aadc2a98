"""The search for a target, on pictures made of formulas."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrcodec.encoding.target import psnr_target, search, size_target
from inrcodec.errors import EncodeError
from inrcodec.signal.quantiser import STEP_MAX, STEP_MIN


class Formula:
    """Stands in for a picture's encoder: sizes and errors by formula, and the steps that were asked for."""

    def __init__(self, size, psnr):
        self.size, self.psnr, self.steps = size, psnr, []

    def encode(self, step):
        assert STEP_MIN <= step <= STEP_MAX
        self.steps.append(step)
        return bytes(max(1, round(self.size(step))))

    def encode_and_measure(self, step):
        return self.encode(step), self.psnr(step)


def size_found(encoder, target):
    """Size of the file that meets a target."""
    return len(search(encoder, target, None))


def photo(power=0.9, header=0, decibels=3.5):
    return Formula(
        lambda step: header + 3e4 * (512 / step) ** power, lambda step: 36 - decibels * math.log2(step / 512)
    )


@pytest.mark.parametrize("power", [0.6, 0.9, 1.3])
@pytest.mark.parametrize("limit", [20_000, 60_000, 150_000])
def test_a_size_is_met_within_a_few_fits_and_nearly_used_up(power, limit):
    encoder = photo(power)
    assert 0.97 * limit < size_found(encoder, size_target(limit)) <= limit
    assert len(set(encoder.steps)) == len(encoder.steps) <= 6


@pytest.mark.parametrize("decibels", [2.5, 3.5, 5])
@pytest.mark.parametrize("psnr", [30, 36.5, 45])
def test_a_psnr_is_met_within_a_few_fits_and_hardly_exceeded(decibels, psnr):
    encoder = photo(decibels=decibels)
    found = size_found(encoder, psnr_target(psnr))
    step = next(s for s in encoder.steps if len(bytes(round(encoder.size(s)))) == found)
    assert psnr <= encoder.psnr(step) < psnr + 0.2
    assert len(encoder.steps) <= 5


def test_a_size_hardly_above_the_smallest_is_found():
    encoder = photo(header=5000, power=3)
    assert size_found(encoder, size_target(5010)) <= 5010


@pytest.mark.parametrize(
    ("encoder", "target"),
    [(photo(), size_target(100)), (photo(), size_target(0)), (photo(), psnr_target(70)),
     (photo(header=500, power=3), size_target(499))],
)  # fmt: skip
def test_what_no_step_meets_is_refused_soon(encoder, target):
    with pytest.raises(EncodeError, match="out of reach"):
        size_found(encoder, target)
    assert len(encoder.steps) <= 7


def test_a_picture_that_is_perfect_at_every_step():
    encoder = Formula(lambda step: 30, lambda step: math.inf)
    assert size_found(encoder, psnr_target(40)) == 30
    assert size_found(encoder, size_target(40)) == 30


@settings(max_examples=200, deadline=None)
@given(
    noise=st.lists(st.floats(-0.05, 0.05), min_size=7, max_size=7),
    limit=st.integers(5_000, 500_000),
    power=st.floats(0.4, 2),
)
def test_noise_does_not_lead_astray(noise, limit, power):
    shifts = iter(noise)
    encoder = photo(power)
    size = encoder.size
    encoder.size = lambda step: size(step) * math.exp(next(shifts))
    try:
        found = size_found(encoder, size_target(limit))
    except EncodeError:
        assert size(STEP_MAX) * math.exp(0.05) > limit
    else:
        assert found <= limit
        assert found > 0.8 * limit or size(STEP_MIN) * math.exp(0.05) < limit


def test_progress_grows_to_one():
    seen: list[float] = []
    search(photo(), size_target(60_000), seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
