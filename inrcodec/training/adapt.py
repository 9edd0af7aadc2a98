"""Fitting a meta-learned network to images: the evaluation protocols of Lee et al. 2021."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.training.adam import Moments, adam_step
from inrcodec.training.prune import prune
from inrcodec.training.siren import Layout, Siren, evaluate


@dataclass(frozen=True, eq=False)
class Adapted:
    """A batch of fitted networks.

    Attributes:
        params: float32 (B, P), zero where ``mask`` is False.
        mask: bool (B, P), parameters that exist in each of them.
        psnr: float32 (steps + 1, B): dB of the unclipped output for colours in [0, 1], before the first inner
            step and after every one.
    """

    params: Tensor
    mask: Tensor
    psnr: NDArray[np.float32]


def adapt(
    siren: Siren,
    coords: Tensor,
    targets: Tensor,
    *,
    optimiser: Literal["sgd", "adam"],
    steps: int,
    lr: float | Tensor,
    pruning: Mapping[int, float] | None = None,
) -> Adapted:
    """Fit the tunable survivors to every image of a batch, each on its own, by gradient descent.

    Args:
        siren: the initialisation all images start from.
        coords: float32 (N, in), the samples; its device is used.
        targets: float32 (B, N, out), colours in [0, 1].
        optimiser: plain gradient descent or Adam, on each image's mean squared error.
        steps: inner steps to take.
        lr: learning rate, one or one per parameter (P,).
        pruning: after these inner steps (from 1 on), remove that share of each image's weights by magnitude
            (the baselines MAML+OneShot and MAML+IMP).
    """
    device = coords.device
    prunable = siren.layout.select("weight")
    mask = torch.tensor(siren.mask, device=device).repeat(len(targets), 1)
    tunable = torch.tensor(siren.tunable, device=device)
    params = torch.tensor(siren.params, device=device).repeat(len(targets), 1)
    moments = Moments.zeros(params)
    errors = []
    for number in range(1, steps + 1):
        params.requires_grad_(True)
        error = squared_errors(siren.layout, params, coords, targets)
        errors.append(error.detach())
        (gradient,) = torch.autograd.grad(error.sum(), params)
        params = params.detach()
        gradient *= mask & tunable
        if optimiser == "adam":
            adam_step(params, gradient, moments, lr)
        else:
            params -= gradient * lr
        if pruning and number in pruning:
            rows = zip(params.abs().cpu().numpy(), mask.cpu().numpy(), strict=True)
            kept = np.stack([prune(score, row, prunable, pruning[number]) for score, row in rows])
            mask = torch.tensor(kept, device=device)
        # momentum goes on moving a weight after it was pruned
        params *= mask
    with torch.no_grad():
        errors.append(squared_errors(siren.layout, params, coords, targets))
    return Adapted(params, mask, psnr(torch.stack(errors)).cpu().numpy())


def coordinates(
    height: int, width: int, *, span: Literal["signed", "unit"], device: torch.device | str = "cpu"
) -> Tensor:
    """Sample positions (x, y) of an image, row by row: float32 (height * width, 2).

    ``"signed"``: both axes from -1 to 1, corner pixels on the ends (the base paper). ``"unit"``: pixel
    centres in [0, 1], that is (i + 1/2) / n (the cells of the codec).
    """
    axes = [
        torch.linspace(-1, 1, n) if span == "signed" else (torch.arange(n) + 0.5) / n for n in (height, width)
    ]
    y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2).to(device)


def squared_errors(layout: Layout, params: Tensor, coords: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of every network (B, P) on its own targets (B, N, out): (B,)."""
    return (evaluate(layout, params, coords) - targets).square().mean(dim=(1, 2))


def psnr(error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB from mean squared errors of values in [0, 1]."""
    return -10 * torch.log10(error)
