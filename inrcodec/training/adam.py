"""Adam on flat vectors (Kingma and Ba 2015, algorithm 1), shared by the outer loop and by adaptation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Moments:
    """Running means of the gradient and of its square, and the updates so far (float64, 0-d), in place."""

    first: Tensor
    second: Tensor
    number: Tensor

    @classmethod
    def zeros(cls, like: Tensor) -> Moments:
        """Moments before the first update."""
        number = torch.zeros((), dtype=torch.float64, device=like.device)
        return cls(torch.zeros_like(like), torch.zeros_like(like), number)


def adam_step(params: Tensor, gradient: Tensor, moments: Moments, rate: float | Tensor) -> None:
    """Update ``params`` and ``moments`` in place, under ``torch.no_grad``.

    Args:
        params: any shape.
        gradient: the same shape; where it has always been zero, nothing moves.
        moments: running means, the same shape.
        rate: learning rate, one or one per parameter.
    """
    moments.number.add_(1)
    moments.first.lerp_(gradient, 1 - _BETA1)
    moments.second.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
    scale = moments.second.sqrt().div_((1 - _BETA2**moments.number).sqrt()).add_(_EPSILON)
    params.sub_((moments.first / scale).mul_(rate / (1 - _BETA1**moments.number)))
