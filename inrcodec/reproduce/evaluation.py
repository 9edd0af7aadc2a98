"""Fitting candidates to the test images, and the measurements that come of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.errors import FormatError
from inrcodec.reproduce.methods import METHODS, Candidate
from inrcodec.reproduce.presets import Preset
from inrcodec.training.adapt import Adapted, adapt, coordinates
from inrcodec.training.checkpoint import load_arrays, save_arrays
from inrcodec.training.siren import Siren, evaluate

EXAMPLES = 3
"""Test images whose reconstructions are kept."""
OPTIMISERS = {"adam": "Adam", "sgd": "gradient descent"}
"""What the optimisers of `Protocol` are called, in the order of every table."""
_IMAGES_AT_ONCE = 8


@dataclass(frozen=True)
class Protocol:
    """How a candidate is fitted: ``"adam"`` is the paper's default, ``"sgd"`` its inner loop."""

    optimiser: Literal["sgd", "adam"]
    steps: int
    lr: float


@dataclass(frozen=True, eq=False)
class Measurement:
    """One candidate under one protocol.

    Attributes:
        dataset: key of `inrcodec.reproduce.presets.TITLES`.
        method: key of `inrcodec.reproduce.methods.METHODS`.
        index: of the candidate.
        optimiser: of the protocol.
        steps: of the protocol.
        layers: surviving parameters of each tensor (``"0.weight"``, ...) after fitting, mean over the images.
        seconds: wall time of fitting one image, mean.
        psnr: float32 (steps + 1, B), dB before the first step and after each, unclipped as in the paper.
        examples: uint8 (`EXAMPLES`, side, side, 3), the first images as fitted.
    """

    dataset: str
    method: str
    index: int
    optimiser: str
    steps: int
    layers: dict[str, float]
    seconds: float
    psnr: NDArray[np.float32]
    examples: NDArray[np.uint8]

    @property
    def weights(self) -> int:
        """Surviving weights (not biases), the axis of the paper."""
        return round(sum(count for name, count in self.layers.items() if name.endswith(".weight")))

    @property
    def biases(self) -> int:
        """Biases: never pruned, adapted too, not counted by the paper."""
        return round(sum(count for name, count in self.layers.items() if name.endswith(".bias")))

    @property
    def mean(self) -> NDArray[np.float64]:
        """(steps + 1,): PSNR, mean over the images."""
        return np.asarray(self.psnr.mean(axis=1, dtype=np.float64))

    @property
    def deviation(self) -> float:
        """Standard deviation of the final PSNR over the images."""
        return float(self.psnr[-1].std(dtype=np.float64))


def protocols(preset: Preset, method: str) -> tuple[Protocol, ...]:
    """How the candidates of a method are evaluated."""
    default = Protocol("adam", preset.adam_steps, preset.adam_lr)
    return (
        (default, Protocol("sgd", preset.inner_steps, preset.inner_lr)) if METHODS[method].sgd else (default,)
    )


def measure(candidate: Candidate, protocol: Protocol, dataset: str, images: Tensor) -> Measurement:
    """Fit a candidate to every image, uint8 (B, side, side, 3); their device is used."""
    side = images.shape[1]
    coords = coordinates(side, side, span="signed", device=images.device)
    targets = images.flatten(1, 2) / 255
    start = time.perf_counter()
    fits: list[Adapted] = []
    for first in range(0, len(targets), 1 if candidate.redraw else _IMAGES_AT_ONCE):
        siren = Siren.sine_init(candidate.siren.layout, first) if candidate.redraw else candidate.siren
        fits.append(
            adapt(
                siren,
                coords,
                targets[first : first + (1 if candidate.redraw else _IMAGES_AT_ONCE)],
                optimiser=protocol.optimiser,
                steps=protocol.steps,
                lr=protocol.lr,
                pruning=candidate.pruning,
            )
        )
    seconds = (time.perf_counter() - start) / len(targets)
    layout = candidate.siren.layout
    alive = torch.cat([fit.mask for fit in fits]).double().mean(dim=0).cpu().numpy()
    with torch.no_grad():
        params = torch.cat([fit.params for fit in fits])[:EXAMPLES]
        pixels = evaluate(layout, params, coords).clamp(0, 1).mul(255).round().to(torch.uint8)
    return Measurement(
        dataset=dataset,
        method=candidate.method,
        index=candidate.index,
        optimiser=protocol.optimiser,
        steps=protocol.steps,
        layers={slot.name: float(alive[slot.slice].sum()) for slot in layout.slots},
        seconds=seconds,
        psnr=np.concatenate([fit.psnr for fit in fits], axis=1),
        examples=pixels.reshape(-1, side, side, 3).cpu().numpy(),
    )


def save_measurement(path: Path, measurement: Measurement, context: dict[str, Any]) -> None:
    """Write a measurement and the ``context`` it was made in (JSON-ready), atomically."""
    facts = asdict(measurement)
    arrays = {name: facts.pop(name) for name in ("psnr", "examples")}
    save_arrays(path, arrays, {"measurement": facts, "context": context})


def load_measurement(path: Path) -> tuple[Measurement, dict[str, Any]]:
    """Read what `save_measurement` wrote.

    Raises:
        FormatError: the file is damaged or holds something else.
    """
    arrays, metadata = load_arrays(path)
    try:
        facts = {**metadata["measurement"], "psnr": arrays["psnr"], "examples": arrays["examples"]}
        return Measurement(**facts), metadata["context"]
    except (KeyError, TypeError) as error:
        raise FormatError(f"{path} does not hold a measurement") from error
