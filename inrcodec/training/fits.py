"""Photos as the encoder sees them: what the trainings after that of the prediction networks learn from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inrcodec.codebook import Codebook
from inrcodec.decisions.fitting import Fit
from inrcodec.encoding.tile import fit_tile
from inrcodec.kernels import select
from inrcodec.runtime.processes import mapping
from inrcodec.runtime.threads import cores
from inrcodec.signal.quantiser import Quantiser
from inrcodec.tile.fixed_point import FRACTION
from inrcodec.tile.partition import BLOCK
from inrcodec.training.data import Split, block_planes, load_photos
from inrcodec.training.task import Setting

_EXCHANGED = 8
"""Fits that a process finishes before it hears of those of others."""


@dataclass(frozen=True, eq=False)
class FittedPhoto:
    """A photo and its fit at one quantiser step.

    Attributes:
        original: (3, H, W) float32 planes, cut to whole blocks.
        step: quantiser step in fixed-point units.
        fit: what the encoder makes of it.
    """

    original: NDArray[np.float32]
    step: int
    fit: Fit


def fitted_photos(
    setting: Setting, split: Split, codebook: Codebook, count: int, steps: tuple[float, ...], passes: int
) -> Iterator[FittedPhoto]:
    """Photos in random order, each fitted at a random quantiser step; processes and cores share them.

    Args:
        setting: says where the photos lie; its seed decides their order and quantiser steps.
        split: the photos to choose from.
        codebook: what the encoder uses.
        count: at most so many photos.
        steps: lowest and highest quantiser step (8-bit units), drawn log-uniformly.
        passes: fine-tuning steps of the encoder.
    """
    photos = load_photos(Path(setting.data), split, torch.device("cpu"), smallest=BLOCK)
    rng = np.random.default_rng(setting.seed)
    order = rng.permutation(len(photos))[:count]
    low, high = np.log(steps)
    drawn = [round(2**FRACTION * math.exp(x)) for x in rng.uniform(low, high, len(order))]
    worker = setting.worker

    def tasks() -> Iterator[tuple[NDArray[np.float32], int]]:
        for photo, step in islice(zip(order, drawn, strict=True), worker.rank, None, worker.world):
            yield block_planes(photos, photo), step

    with mapping(max(1, cores() // worker.world)) as share:
        own = iter(share(partial(_fitted, codebook, passes), tasks()))
        while found := worker.interleaved(list(islice(own, _EXCHANGED))):
            yield from found


def _fitted(codebook: Codebook, passes: int, task: tuple[NDArray[np.float32], int]) -> FittedPhoto:
    original, step = task
    return FittedPhoto(original, step, fit_tile(original, Quantiser(step), codebook, select(), passes))
