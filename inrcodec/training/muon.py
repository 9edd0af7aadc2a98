"""Muon on matrices of a flat vector (Jordan et al. 2024): updates of momentum made orthogonal."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inrcodec.training.flat import Slot

_MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_RMS = 0.2


def muon_step(params: Tensor, gradient: Tensor, momentum: Tensor, matrix: Slot, rate: float | Tensor) -> None:
    """Update one matrix of ``params`` and its momentum in place, under ``torch.no_grad``.

    Args:
        params: (P,), holding the matrix.
        gradient: (P,).
        momentum: (P,), running mean of the gradient.
        matrix: what is updated: rows of outputs.
        rate: learning rate, on the scale of Adam's (Liu et al. 2025, section 2.2).
    """
    span = matrix.slice
    mean = momentum[span].lerp_(gradient[span], 1 - _MOMENTUM)
    ahead = gradient[span].lerp(mean, _MOMENTUM).reshape(matrix.shape[0], -1)
    scale = _RMS * math.sqrt(max(ahead.shape))
    params[span] -= rate * scale * orthogonalise(ahead).flatten()


def orthogonalise(matrix: Tensor) -> Tensor:
    """A matrix of the same singular vectors and singular values near 1, by Newton-Schulz in bf16.

    Args:
        matrix: (rows, columns); tiny singular values stay below 1.
    """
    a, b, c = _COEFFICIENTS
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T).bfloat16()
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.T).to(matrix.dtype)
