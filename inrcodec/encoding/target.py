"""The search for the quantiser step that meets a target of size or quality."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from inrcodec.encoding.picture import PictureEncoder
from inrcodec.errors import EncodeError
from inrcodec.signal.quantiser import DEFAULT_QUALITY, STEP_MAX, STEP_MIN, step_of_quality

_SEARCH_FITS = 7
"""Fits that a target may take; it usually takes three or four."""


@dataclass(frozen=True)
class Target:
    """What a file has to meet.

    Attributes:
        words: the target, for the error.
        bound: what the picture allows instead, for the error, given the excess that comes closest.
        excess: given an encoder and a quantiser step in fixed-point units, the file and by how much it misses
            the target, in octaves of size or dB; 0 or less meets it.
        slope: change of the excess when the quantiser step doubles, roughly.
        close: how far below 0 the excess may stay.
    """

    words: str
    bound: Callable[[float], str]
    excess: Callable[[PictureEncoder, int], tuple[bytes, float]]
    slope: float
    close: float


def size_target(limit: int) -> Target:
    """The largest file of at most `limit` bytes, or up to one per cent less."""
    unit = max(limit, 0.5)

    def excess(encoder: PictureEncoder, step: int) -> tuple[bytes, float]:
        data = encoder.encode(step)
        return data, math.log2(len(data) / unit)

    def bound(excess: float) -> str:
        return f"{unit * 2**excess:.0f} bytes is the least"

    return Target(f"{limit} bytes", bound, excess, -1.0, 0.0145)


def psnr_target(psnr: float) -> Target:
    """The smallest file of at least `psnr` dB, or up to 0.05 dB more."""

    def excess(encoder: PictureEncoder, step: int) -> tuple[bytes, float]:
        data, found = encoder.encode_and_measure(step)
        return data, psnr - found

    def bound(excess: float) -> str:
        return f"{psnr - excess:.1f} dB is the most"

    return Target(f"{psnr} dB", bound, excess, 3.5, 0.05)


def search(encoder: PictureEncoder, target: Target, progress: Callable[[float], None] | None) -> bytes:
    """Looks for the quantiser step of a target by interpolation on a log scale.

    Args:
        encoder: encodes the picture.
        target: what the file has to meet.
        progress: is told the fraction done, up to 1.

    Returns:
        The file that meets the target and comes closest, of those that were tried.

    Raises:
        EncodeError: no step meets the target.
    """
    excess: dict[int, float] = {}
    best: bytes | None = None
    step: int | None = step_of_quality(DEFAULT_QUALITY)
    while step is not None:
        data, excess[step] = target.excess(encoder, step)
        if excess[step] <= 0 and excess[step] == max(e for e in excess.values() if e <= 0):
            best = data
        if progress:
            progress(len(excess) / _SEARCH_FITS)
        step = _next_step(excess, target) if len(excess) < _SEARCH_FITS else None
    if best is None:
        bound = target.bound(min(excess.values()))
        raise EncodeError(f"the target of {target.words} is out of reach for this picture: {bound}")
    if progress:
        progress(1.0)
    return best


def _next_step(excess: dict[int, float], target: Target) -> int | None:
    """Where to look next, given the excess at the steps looked at; None where there is no use."""
    if any(-target.close <= e <= 0 for e in excess.values()):
        return None
    sign = 1 if target.slope < 0 else -1
    met, missed = ([s for s, e in excess.items() if (e <= 0) == good] for good in (True, False))
    if not (met and missed):
        # All on one side: from the last, and twice as far every time, so that an end is reached in time.
        last = list(excess)[-1]
        octaves = (-target.close / 2 - excess[last]) / target.slope
        octaves = math.copysign(max(abs(octaves), 1 / 8), octaves) * 2 ** (len(excess) - 1)
        step = round(2 ** min(max(math.log2(last) + octaves, math.log2(STEP_MIN)), math.log2(STEP_MAX)))
        return None if step in excess else step
    # The closest on either side.
    good, bad = min(met, key=lambda s: sign * s), max(missed, key=lambda s: sign * s)
    if sign * (good - bad) <= 1:
        return None
    share = (excess[bad] + target.close / 2) / (excess[bad] - excess[good])
    step = round(math.exp(math.log(bad) + math.log(good / bad) * min(max(share, 0.1), 0.9)))
    return min(max(step, min(good, bad) + 1), max(good, bad) - 1)
