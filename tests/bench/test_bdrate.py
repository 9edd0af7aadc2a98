"""Bjontegaard deltas against published values, exact cases and refusals."""

import math

import pytest

from inrcodec.bench.anchors import load_anchors
from inrcodec.bench.bdrate import MIN_POINTS, bd_quality, bd_rate

# The example in the documentation of the `bjontegaard` package (x265 presets, kbit/s), whose pchip agrees
# with the JVET spreadsheet to ten digits; the deltas are those of its version 1.3.0 with method="pchip".
ANCHOR_RATE = [9487.76, 4593.60, 2486.44, 1358.24]
ANCHOR_PSNR = [40.037, 38.615, 36.845, 34.851]
TEST_RATE = [9787.80, 4469.00, 2451.52, 1356.24]
TEST_PSNR = [40.121, 38.651, 36.970, 34.987]

# A second case, with curves of different length, from the same package.
LONG_RATE = [0.098, 0.172, 0.305, 0.521, 0.84, 1.3]
LONG_PSNR = [26.1, 27.9, 29.95, 32.2, 34.6, 37.4]
SHORT_RATE = [0.13, 0.25, 0.47, 0.92]
SHORT_PSNR = [27.6, 29.8, 32.5, 36.1]


def test_published_example() -> None:
    rate = bd_rate(ANCHOR_RATE, ANCHOR_PSNR, TEST_RATE, TEST_PSNR)
    assert rate.value == pytest.approx(-4.417485350589045, abs=1e-10)
    assert (rate.low, rate.high) == (34.987, 40.037)
    assert rate.overlap == pytest.approx((40.037 - 34.987) / (40.121 - 34.987))
    gain = bd_quality(ANCHOR_RATE, ANCHOR_PSNR, TEST_RATE, TEST_PSNR)
    assert gain.value == pytest.approx(0.11969278542479489, abs=1e-10)
    assert [gain.low, gain.high] == pytest.approx([1358.24, 9487.76])


def test_curves_of_different_length() -> None:
    rate = bd_rate(LONG_RATE, LONG_PSNR, SHORT_RATE, SHORT_PSNR)
    assert rate.value == pytest.approx(-15.316614337035073, abs=1e-10)
    gain = bd_quality(LONG_RATE, LONG_PSNR, SHORT_RATE, SHORT_PSNR)
    assert gain.value == pytest.approx(0.7149435908522047, abs=1e-10)


# BD-rates on Kodak that the MoRIC paper (NeurIPS 2025) states against VTM 19.1, from the authors' own points;
# the curve shipped here is CompressAI's VTM, hence the tolerance.
@pytest.mark.parametrize(("name", "published"), [("VC-INR", 73.7), ("MSCN", 115.9)])
def test_published_curves_give_published_numbers(name: str, published: float) -> None:
    anchors = {anchor.label: anchor for anchor in load_anchors("kodak")}
    vtm, other = anchors["VTM"], anchors[name]
    delta = bd_rate(vtm.bpp, vtm.psnr, other.bpp, other.psnr)
    assert delta.value == pytest.approx(published, abs=4.0)


def test_constant_factor_and_constant_shift_are_exact() -> None:
    cheaper = [0.8 * rate for rate in LONG_RATE]
    assert bd_rate(LONG_RATE, LONG_PSNR, cheaper, LONG_PSNR).value == pytest.approx(-20.0)
    better = [psnr + 1.5 for psnr in LONG_PSNR]
    assert bd_quality(LONG_RATE, LONG_PSNR, LONG_RATE, better).value == pytest.approx(1.5)
    same = bd_rate(LONG_RATE, LONG_PSNR, LONG_RATE, LONG_PSNR)
    assert same.value == pytest.approx(0.0)
    assert same.overlap == 1.0


def test_swapping_the_curves_inverts_the_ratio() -> None:
    there = bd_rate(LONG_RATE, LONG_PSNR, SHORT_RATE, SHORT_PSNR).value
    back = bd_rate(SHORT_RATE, SHORT_PSNR, LONG_RATE, LONG_PSNR).value
    assert there is not None
    assert back is not None
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1.0)


def test_order_of_points_does_not_matter() -> None:
    forwards = bd_rate(LONG_RATE, LONG_PSNR, SHORT_RATE, SHORT_PSNR)
    backwards = bd_rate(LONG_RATE[::-1], LONG_PSNR[::-1], SHORT_RATE[::-1], SHORT_PSNR[::-1])
    assert forwards == backwards


def test_points_that_nobody_would_use_are_dropped() -> None:
    rate, psnr = [*LONG_RATE, 1.4, 0.31, 9.0], [*LONG_PSNR, 37.0, 29.95, math.inf]
    assert bd_rate(rate, psnr, SHORT_RATE, SHORT_PSNR) == bd_rate(
        LONG_RATE, LONG_PSNR, SHORT_RATE, SHORT_PSNR
    )


def test_no_overlap_and_little_overlap_are_refused_with_a_reason() -> None:
    far = [psnr + 40 for psnr in LONG_PSNR]
    none = bd_rate(LONG_RATE, LONG_PSNR, LONG_RATE, far)
    assert none.value is None
    assert none.overlap == 0.0
    assert "overlap by 0%" in none.reason
    shifted = [psnr + 8.0 for psnr in LONG_PSNR]
    little = bd_rate(LONG_RATE, LONG_PSNR, LONG_RATE, shifted)
    assert little.value is None
    assert 0.0 < little.overlap < 0.5
    assert "PSNR ranges" in little.reason
    assert bd_rate(LONG_RATE, LONG_PSNR, LONG_RATE, shifted, min_overlap=0.1).value is not None
    assert "rate ranges" in bd_quality(LONG_RATE, LONG_PSNR, [99 * r for r in LONG_RATE], LONG_PSNR).reason


def test_a_short_curve_inside_a_long_one_is_fair() -> None:
    inside = bd_rate(LONG_RATE, LONG_PSNR, LONG_RATE[1:5], LONG_PSNR[1:5])
    assert inside.overlap == 1.0
    assert inside.value == pytest.approx(0.0, abs=1.0)


def test_few_points_are_refused() -> None:
    few = bd_rate(LONG_RATE, LONG_PSNR, SHORT_RATE[: MIN_POINTS - 1], SHORT_PSNR[: MIN_POINTS - 1])
    assert few.value is None
    assert "3 usable points" in few.reason
    assert bd_quality([], [], LONG_RATE, LONG_PSNR).value is None


def test_nonsense_is_an_error() -> None:
    with pytest.raises(ValueError, match="not positive"):
        bd_rate([0.0, 1, 2, 3], [1, 2, 3, 4], LONG_RATE, LONG_PSNR)
    with pytest.raises(ValueError, match="3 rates but 4"):
        bd_rate([1, 2, 3], [1, 2, 3, 4], LONG_RATE, LONG_PSNR)
