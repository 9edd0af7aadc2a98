"""Bjontegaard deltas between two rate-distortion curves, by piecewise cubic Hermite interpolation.

The curves are interpolated in log10(rate), as in VCEG-M33, with the monotone interpolant (pchip) that JVET
uses, and averaged over the interval both cover. Nothing is extrapolated: where the curves share too little,
there is no number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Least share of the shorter curve's quality (or rate) range that the other must cover. A short curve inside a
# long one is a fair comparison, so the range of both together would be the wrong measure.
MIN_OVERLAP = 0.5
MIN_POINTS = 4

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Delta:
    """A Bjontegaard delta, or the reason why there is none.

    Attributes:
        value: per cent for a rate delta (negative: the test codec needs fewer bits), the unit of quality for
            a quality delta (positive: the test codec is better); None when it cannot be given.
        overlap: share, 0 to 1, of the shorter curve's range that the other one covers.
        low: lower end of the shared interval: quality for a rate delta, bits per pixel for a quality delta.
        high: upper end, likewise.
        reason: why `value` is None, else empty.
    """

    value: float | None
    overlap: float
    low: float
    high: float
    reason: str = ""


def bd_rate(
    anchor_rate: Sequence[float],
    anchor_quality: Sequence[float],
    test_rate: Sequence[float],
    test_quality: Sequence[float],
    *,
    axis: str = "PSNR",
    min_overlap: float = MIN_OVERLAP,
) -> Delta:
    """Mean rate difference of the test curve against the anchor at equal quality, in per cent.

    Args:
        anchor_rate: rates of the anchor (> 0, any unit), in any order.
        anchor_quality: quality of the same points, in dB or any measure of which more is better.
        test_rate: rates of the test codec in the same unit.
        test_quality: quality in the same measure.
        axis: its name, for the reason why there is no number.
        min_overlap: refuse below this overlap of the two ranges of quality.
    """
    anchor = _by_quality(anchor_rate, anchor_quality)
    test = _by_quality(test_rate, test_quality)
    delta = _mean_gap(anchor, test, min_overlap, axis)
    if delta.value is None:
        return delta
    return Delta((10.0**delta.value - 1.0) * 100.0, delta.overlap, delta.low, delta.high)


def bd_quality(
    anchor_rate: Sequence[float],
    anchor_quality: Sequence[float],
    test_rate: Sequence[float],
    test_quality: Sequence[float],
    *,
    min_overlap: float = MIN_OVERLAP,
) -> Delta:
    """Mean difference in quality of the test curve against the anchor at equal rate; see `bd_rate`.

    For PSNR it is known as BD-PSNR.
    """
    anchor = _swap(_by_quality(anchor_rate, anchor_quality))
    test = _swap(_by_quality(test_rate, test_quality))
    delta = _mean_gap(anchor, test, min_overlap, "rate")
    return Delta(delta.value, delta.overlap, 10.0**delta.low, 10.0**delta.high, delta.reason)


def _by_quality(rate: Sequence[float], quality: Sequence[float]) -> tuple[_Floats, _Floats]:
    """The points worth having, as (quality, log10 rate), both strictly increasing.

    A point is dropped when another one has at least its quality for at most its rate (nobody would use it,
    and a curve that turns back has no inverse), or when its quality is infinite (lossless is on no such
    curve).
    """
    if len(rate) != len(quality):
        raise ValueError(f"{len(rate)} rates but {len(quality)} values of quality")
    kept: list[tuple[float, float]] = []
    for r, q in sorted(zip(rate, quality, strict=True), key=lambda point: (point[0], -point[1])):
        if not r > 0:
            raise ValueError(f"rate {r} is not positive")
        if math.isfinite(q) and (not kept or q > kept[-1][0]):
            kept.append((q, math.log10(r)))
    # The cheapest of equal rates comes first above, so rates are strictly increasing as well.
    points = np.array(kept, dtype=np.float64).reshape(-1, 2)
    return points[:, 0], points[:, 1]


def _swap(curve: tuple[_Floats, _Floats]) -> tuple[_Floats, _Floats]:
    return curve[1], curve[0]


def _mean_gap(
    anchor: tuple[_Floats, _Floats], test: tuple[_Floats, _Floats], min_overlap: float, axis: str
) -> Delta:
    """Mean of test minus anchor over the shared part of the x axis."""
    fewest = min(len(anchor[0]), len(test[0]))
    if fewest < MIN_POINTS:
        reason = f"{fewest} usable points where {MIN_POINTS} are needed"
        return Delta(None, 0.0, math.nan, math.nan, reason)
    low = float(max(anchor[0][0], test[0][0]))
    high = float(min(anchor[0][-1], test[0][-1]))
    shorter = float(min(anchor[0][-1] - anchor[0][0], test[0][-1] - test[0][0]))
    overlap = max(high - low, 0.0) / shorter
    if overlap < min_overlap or high <= low:
        reason = f"the {axis} ranges overlap by {overlap:.0%} where {min_overlap:.0%} is needed"
        return Delta(None, overlap, low, high, reason)
    from scipy.interpolate import PchipInterpolator  # an extra

    gap = PchipInterpolator(*test).integrate(low, high) - PchipInterpolator(*anchor).integrate(low, high)
    return Delta(float(gap) / (high - low), overlap, low, high)
