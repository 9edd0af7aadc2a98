"""Photos as the encoder sees them: what the trainings after that of the prediction networks learn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inrcodec.codebook import Codebook
from inrcodec.decisions.effort import Effort
from inrcodec.decisions.fitting import Fit
from inrcodec.encoding.tile import fit_tile
from inrcodec.kernels import select
from inrcodec.runtime.processes import mapping
from inrcodec.runtime.threads import cores
from inrcodec.signal.quantiser import STEP_MIN, TUNES, Quantiser, quality_of_step, step_of_quality
from inrcodec.tile.partition import BLOCK
from inrcodec.training.data import Split, block_planes, load_photos
from inrcodec.training.task import Setting

_EXCHANGED = 8
"""Fits that a process finishes before it hears of those of others."""


@dataclass(frozen=True, eq=False)
class FittedPhoto:
    """A photo and its fit with one quantiser.

    Attributes:
        original: (3, H, W) float32 planes, cut to whole blocks.
        quantiser: that of the fit.
        fit: what the encoder makes of it.
    """

    original: NDArray[np.float32]
    quantiser: Quantiser
    fit: Fit


def fitted_photos(
    setting: Setting, split: Split, codebook: Codebook, count: int, steps: tuple[float, ...], effort: Effort
) -> Iterator[FittedPhoto]:
    """Photos in random order, fitted at random qualities, equally often for every tune.

    Processes and cores share them.

    Args:
        setting: says where the photos lie; its seed decides their order and quantisers.
        split: the photos to choose from.
        codebook: what the encoder uses.
        count: how many fits; photos are fitted again when all have been.
        steps: lowest and highest quantiser step (8-bit units), drawn log-uniformly; a tune that weighs steps
            gets that of the same quality.
        effort: what the encoder tries.
    """
    photos = load_photos(Path(setting.data), split, torch.device("cpu"), smallest=BLOCK)
    rng = np.random.default_rng(setting.seed)
    rounds = range(-(-count // len(photos)))
    order = np.concatenate([rng.permutation(len(photos)) for _ in rounds])[:count]
    low, high = np.log(steps)
    levels = np.exp(rng.uniform(low, high, len(order)))
    tunes = rng.permutation(len(order)) % len(TUNES)
    drawn = [_quantiser(*pair) for pair in zip(levels, tunes, strict=True)]
    worker = setting.worker

    def tasks() -> Iterator[tuple[NDArray[np.float32], Quantiser]]:
        for photo, quantiser in islice(zip(order, drawn, strict=True), worker.rank, None, worker.world):
            yield block_planes(photos, photo), quantiser

    with mapping(max(1, cores() // worker.world)) as share:
        own = iter(share(partial(_fitted, codebook, effort), tasks()))
        while found := worker.interleaved(list(islice(own, _EXCHANGED))):
            yield from found


def _quantiser(levels: float, tune: int) -> Quantiser:
    """Of a tune by its number: for the quality that a flat step (8-bit units) has."""
    weighting = list(TUNES.values())[tune]
    quality = quality_of_step(levels * STEP_MIN)
    return Quantiser(step_of_quality(quality, weighting), weighting)


def _fitted(codebook: Codebook, effort: Effort, task: tuple[NDArray[np.float32], Quantiser]) -> FittedPhoto:
    original, quantiser = task
    return FittedPhoto(original, quantiser, fit_tile(original, quantiser, codebook, select(), effort))
