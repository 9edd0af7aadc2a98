"""What the paper claims, checked on measurements: the order of the systems, and the factor in weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inrcodec.reproduce.evaluation import Measurement
from inrcodec.reproduce.methods import META_SPARSE, NARROW

SPARSE = 0.1
"""The claims are about networks of at most this share of the weights."""


@dataclass(frozen=True)
class Margin:
    """Meta-SparseINR beside one baseline.

    Attributes:
        dataset: data set of both.
        optimiser: protocol of both.
        weights: surviving weights of Meta-SparseINR.
        psnr: its mean PSNR in dB.
        baseline: the other method.
        baseline_weights: surviving weights of the baseline: as many, or more where its widths do not allow.
        baseline_psnr: its mean PSNR in dB.
        wins: share of the images on which Meta-SparseINR has the higher PSNR.
    """

    dataset: str
    optimiser: str
    weights: int
    psnr: float
    baseline: str
    baseline_weights: int
    baseline_psnr: float
    wins: float

    @property
    def gain(self) -> float:
        """How many dB Meta-SparseINR lies above the baseline."""
        return self.psnr - self.baseline_psnr


def margins(measurements: Sequence[Measurement]) -> list[Margin]:
    """Meta-SparseINR against every other method at each of its sparsities.

    The opponent is the smallest network of the method with at least as many weights, so that a difference in
    width never favours Meta-SparseINR.
    """
    found = []
    for ours in (m for m in measurements if m.method == META_SPARSE):
        others: dict[str, Measurement] = {}
        for m in measurements:
            same = m.dataset == ours.dataset and m.optimiser == ours.optimiser and m.method != META_SPARSE
            if same and m.weights >= ours.weights:
                best = others.get(m.method)
                if best is None or m.weights < best.weights:
                    others[m.method] = m
        found += [
            Margin(
                ours.dataset,
                ours.optimiser,
                ours.weights,
                float(ours.mean[-1]),
                other.method,
                other.weights,
                float(other.mean[-1]),
                float((ours.psnr[-1] > other.psnr[-1]).mean()),
            )
            for other in others.values()
        ]
    return found


def narrow_factors(measurements: Sequence[Measurement], dataset: str, optimiser: str) -> dict[int, float]:
    """By surviving weights of Meta-SparseINR: how many times as many Dense-Narrow needs for the same PSNR.

    Dense-Narrow is interpolated linearly in the logarithm of its weights; sparsities whose PSNR lies outside
    its range are left out.
    """
    chosen = [m for m in measurements if m.dataset == dataset and m.optimiser == optimiser]
    narrow = sorted((float(m.mean[-1]), m.weights) for m in chosen if m.method == NARROW)
    factors: dict[int, float] = {}
    if not narrow:
        return factors
    psnr, weights = np.array(narrow).T
    # a wider network that came out worse would make the curve fold back
    weights = np.minimum.accumulate(weights[::-1])[::-1]
    for m in chosen:
        value = float(m.mean[-1])
        if m.method == META_SPARSE and psnr[0] <= value <= psnr[-1]:
            factors[m.weights] = float(np.exp(np.interp(value, psnr, np.log(weights)))) / m.weights
    return factors


def sparse_limit(measurements: Sequence[Measurement], dataset: str) -> float:
    """Weights up to which the claims hold: `SPARSE` of the dense network of a data set."""
    return SPARSE * max(m.weights for m in measurements if m.dataset == dataset)
