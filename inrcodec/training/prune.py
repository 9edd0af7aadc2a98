"""Global magnitude pruning: one function for every score (Lee et al. 2021, section 3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def prune(
    score: NDArray[np.floating],
    mask: NDArray[np.bool_],
    prunable: NDArray[np.bool_],
    fraction: float,
) -> NDArray[np.bool_]:
    """Remove the least important survivors, all layers in one ranking.

    The score is |theta0| in the paper and the mean over tasks of |adapted theta| in the codec. Of n prunable
    survivors, round(fraction * n) are removed; of equal scores the one with the lower index goes first.

    Args:
        score: (P,) importance, finite.
        mask: (P,) parameters that exist.
        prunable: (P,) parameters that may be removed; the others (biases) are kept.
        fraction: share of what is left to remove, 0 to 1.

    Returns:
        (P,) the parameters that exist afterwards.

    Raises:
        ValueError: the fraction is out of range or a candidate's score is not finite.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"the pruned fraction must lie between 0 and 1, not {fraction}")
    candidates = np.flatnonzero(mask & prunable)
    scores = score[candidates]
    if not np.isfinite(scores).all():
        raise ValueError("cannot rank parameters: a score is not finite")
    kept = mask.copy()
    count = round(fraction * len(candidates))
    if count:
        # a fifth of the time of sorting, which adds up where every image is pruned on its own
        limit = np.partition(scores, count - 1)[count - 1]
        below, equal = candidates[scores < limit], candidates[scores == limit]
        kept[below] = kept[equal[: count - len(below)]] = False
    return kept
