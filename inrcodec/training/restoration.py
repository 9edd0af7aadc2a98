"""Training of the restoration network, on crops of fitted photos.

The encoder, with everything else of the codebook at hand, fits every training photo at a random quality and
for one of the tunes. The network learns the coding error, original less decoded samples; errors are weighted
by the inverse of the photo's own mean squared error, so that a gain in dB counts the same at every quality.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.codebook import from_tensors, restoration_tensors, without
from inrcodec.decisions.effort import DEFAULT_EFFORT, EFFORTS
from inrcodec.errors import InputError
from inrcodec.signal.restoration import (
    FOLD,
    INPUTS,
    ONE,
    PLANES,
    SAMPLES,
    RestorationNetwork,
    inputs,
    restore,
)
from inrcodec.tile.partition import CellMap
from inrcodec.training.checkpoint import load_input
from inrcodec.training.data import Split
from inrcodec.training.export import restoration_floats, restoration_network
from inrcodec.training.fits import FittedPhoto, fitted_photos
from inrcodec.training.flat import consecutive
from inrcodec.training.task import Export, Metrics, Setting, Start, Tensors
from inrcodec.training.worker import Worker

FloatArray = NDArray[np.float64]

_GAIN, _LAST_GAIN = 0.5, 0.0125
_VALIDATION_PHOTOS = 24


@dataclass(frozen=True)
class Options:
    """The recipe's table ``[restoration]``.

    Attributes:
        codebook: file of a codebook, a result of `contexts`, whose restoration network is replaced.
        hidden: channels of the hidden layers.
        photos: training photos that are fitted, at most.
        begin_with: file of a codebook whose restoration network training begins with; empty for a random one.
        steps: range of quantiser steps (8-bit units), drawn log-uniformly per photo; see `fitted_photos`.
        batch: crops per outer step, over all processes.
        crop: side of the restored part of a crop in samples.
    """

    codebook: str
    hidden: tuple[int, ...]
    photos: int
    begin_with: str = ""
    steps: tuple[float, ...] = (12.0, 220.0)
    batch: int = 8
    crop: int = 64

    def __post_init__(self) -> None:
        """Raise InputError for values out of range."""
        if not self.hidden or len(self.steps) != 2 or min(self.photos, self.batch, *self.hidden) < 1:
            raise InputError("hidden needs a value and steps two; photos and batch must be positive")
        if self.crop < FOLD or self.crop % FOLD:
            raise InputError(f"crop must be a positive multiple of {FOLD}")


@dataclass(frozen=True, eq=False)
class _Example:
    """A fitted photo, possibly flipped or transposed, in what the network needs of it."""

    original: NDArray[np.int16]
    decoded: NDArray[np.int16]
    cells: CellMap
    step: int

    @classmethod
    def of(cls, photo: FittedPhoto) -> _Example:
        original = np.rint(photo.original).astype(np.int16)
        cells = photo.fit.symbols.partition.map
        return cls(original, photo.fit.planes, cells, photo.quantiser.restoration_step)

    def squared_error(self) -> float:
        """Mean over all samples, in squared quantiser steps."""
        return float(np.square((self.original.astype(np.float64) - self.decoded) / self.step).mean())

    def turned(self, way: int) -> _Example:
        """One of the eight ways to flip and transpose."""

        def turn(array: NDArray[Any]) -> NDArray[Any]:
            array = array[..., ::-1, :] if way & 1 else array
            array = array[..., ::-1] if way & 2 else array
            return array.swapaxes(-1, -2) if way & 4 else array

        cells = CellMap(*map(turn, self.cells))
        return _Example(turn(self.original), turn(self.decoded), cells, self.step)


class RestorationTask:
    """Training of a restoration network; the rest of the codebook stays as it is."""

    def __init__(
        self,
        options: Options,
        codebook: dict[str, NDArray[Any]],
        metadata: dict[str, Any],
        training: list[_Example],
        validation: list[_Example],
        seed: int,
        worker: Worker,
        begin_with: RestorationNetwork | None = None,
    ) -> None:
        """Lay out the network.

        Args:
            options: the recipe's.
            codebook: tensors of the codebook.
            metadata: its description.
            training: what is learned from.
            validation: what is held out.
            seed: of the initialisation and the batches.
            worker: this process.
            begin_with: network of the options' layers that training begins with; None for a random one.
        """
        self.options = options
        self.codebook = codebook
        self.metadata = metadata
        self.training = training
        self.validation = validation
        self.seed = seed
        self.worker = worker
        self._scales = [1 / example.squared_error() for example in training]
        channels = (INPUTS, *options.hidden, SAMPLES)
        shapes = [s for a, b in pairwise(channels) for s in (("weight", (b, a, 3, 3)), ("bias", (b,)))]
        self._slots = consecutive(shapes)
        self._begin_with = begin_with

    def start(self) -> Start:
        """The network to begin with, or random weights.

        To these, hidden layers add that they pass their inputs on, else training stalls.
        """
        if self._begin_with:
            layers = [layer.ravel() for layer in restoration_floats(self._begin_with)]
            return Start.unprunable(np.concatenate(layers).astype(np.float32), self._slots[::2])
        rng = np.random.default_rng(self.seed)
        pieces = []
        last = len(self._slots) - 2
        for number, slot in enumerate(self._slots):
            weight = slot.name == "weight"
            gain = _LAST_GAIN if number == last else _GAIN
            deviation = gain * math.sqrt(2 / math.prod(slot.shape[1:])) if weight else 0.0
            piece = rng.normal(0, 1, slot.shape) * deviation
            if weight and 0 < number < last:
                piece[:, :, 1, 1] += np.eye(slot.shape[0], slot.shape[1])
            pieces.append(piece.ravel())
        params = np.concatenate(pieces).astype(np.float32)
        return Start.unprunable(params, self._slots[::2])

    def _layers(self, params: Tensor) -> list[Tensor]:
        """Weights and biases in turn; those of samples of the first layer sum to zero over every plane.

        That makes the network blind to the mean of its surroundings.
        """
        layers = [slot.of(params) for slot in self._slots]
        weights = layers[0][:, :SAMPLES].reshape(-1, PLANES, FOLD**2, 3, 3)
        weights = weights - weights.mean((2, 3, 4), keepdim=True)
        layers[0] = torch.cat([weights.flatten(1, 2), layers[0][:, SAMPLES:]], 1)
        return layers

    def _crop(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
        """Inputs (INPUTS, n + 2 radius, ...), targets (SAMPLES, n, n) in quantiser steps, and the weight."""
        number = int(rng.integers(len(self.training)))
        example = self.training[number].turned(int(rng.integers(8)))
        radius, length = len(self._slots) // 2, self.options.crop // FOLD
        spans = []
        for samples in example.decoded.shape[1:]:
            begin = rng.integers(0, max(0, samples // FOLD - length) + 1)
            spans.append(np.arange(begin - radius, begin + length + radius))
        x = inputs(example.decoded, example.cells, example.step, *spans)
        # The first layer ignores the mean; without it, few bits of mantissa are enough.
        means = x[:SAMPLES].reshape(PLANES, -1).mean(1)
        x[:SAMPLES] -= np.repeat(means, FOLD**2)[:, None, None]
        top, left = (int(span[radius]) * FOLD for span in spans)
        place = np.s_[:, top : top + self.options.crop, left : left + self.options.crop]
        error = example.original[place].astype(np.float32) - example.decoded[place].astype(np.float32)
        target = error / np.float32(example.step)
        folded = target.reshape(PLANES, length, FOLD, length, FOLD).transpose(0, 2, 4, 1, 3)
        return x / np.float32(ONE), folded.reshape(SAMPLES, length, length), self._scales[number]

    def batch(self, index: int) -> Tensors:
        """Inputs, targets and weights of crops."""
        share = self.worker.share(self.options.batch)
        crops = [
            self._crop(np.random.default_rng([self.seed, index, number]))
            for number in range(share.start, share.stop)
        ]
        xs, targets, scales = zip(*crops, strict=True)
        device = self.worker.device
        x, target = (torch.from_numpy(np.stack(part)).to(device, non_blocking=True) for part in (xs, targets))
        return x, target, torch.tensor(scales).to(device, non_blocking=True)[:, None, None, None]

    def loss(self, params: Tensor, mask: Tensor, batch: Tensors) -> tuple[Tensor, Metrics]:
        """Weighted squared error of crops, as a share of what it is without restoration."""
        del mask
        x, target, scale = batch
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(params.device.type, torch.bfloat16, enabled=_fast_bfloat16(params.device)):
            layers = self._layers(params)
            for number, (weight, bias) in enumerate(zip(layers[::2], layers[1::2], strict=True)):
                # Nothing is clamped after the last layer.
                x = x if number == 0 else x.clamp(0, 1)
                x = torch.nn.functional.conv2d(x, weight.contiguous(memory_format=torch.channels_last), bias)
        loss = (scale * torch.square(target - x.float())).mean()
        return loss, {"unrestored": (scale * torch.square(target)).mean()}

    def score(self, params: Tensor, mask: Tensor) -> Tensor:
        """Nothing is pruned here."""
        del mask
        return params.abs()

    def validate(self, params: Tensor, mask: Tensor) -> dict[str, float]:
        """Gain in dB over all planes of the integer network, mean of held-out photos."""
        del mask
        network = self._network(params)
        gains = []
        for example in self.validation:
            restored = restore(network, example.decoded, example.cells, example.step)
            before, after = (
                np.square(example.original.astype(np.float64) - p).mean() for p in (example.decoded, restored)
            )
            gains.append(10 * math.log10(before / after))
        return {"gain_db": float(np.mean(gains)) if gains else math.nan}

    def export(self, params: NDArray[np.float32], mask: NDArray[np.bool_]) -> Export:
        """The codebook with this restoration network."""
        del mask
        network = self._network(torch.from_numpy(params))
        tensors = without(("restoration.",), self.codebook) | restoration_tensors(network)
        return Export(tensors, {"trained_on": self.metadata.get("trained_on", ""), "codebook": self.metadata})

    def _network(self, params: Tensor) -> RestorationNetwork:
        """The network in integers, every layer as fine as sums below 2**24 allow."""
        layers = [layer.double().cpu().numpy() for layer in self._layers(params)]
        return restoration_network(layers[::2], layers[1::2])


def _fast_bfloat16(device: torch.device) -> bool:
    """Whether convolutions are faster in bf16 than float32; without AVX-512, they take ten times as long."""
    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def build(options: Options, setting: Setting) -> RestorationTask:
    """Fits the photos of the setting's folder.

    Raises:
        InputError: a codebook cannot be read, or the network to begin with is of another shape.
        FormatError: one is incomplete.
    """
    tensors, metadata = load_input("codebook", options.codebook)
    codebook = from_tensors(tensors, metadata)
    begin_with = _network_to_begin_with(options)

    def examples(split: Split, count: int) -> list[_Example]:
        photos = fitted_photos(setting, split, codebook, count, options.steps, EFFORTS[DEFAULT_EFFORT])
        found = [_Example.of(photo) for photo in photos]
        return [example for example in found if example.squared_error() > 0]

    training, validation = examples("train", options.photos), examples("validation", _VALIDATION_PHOTOS)
    return RestorationTask(
        options, tensors, metadata, training, validation, setting.seed, setting.worker, begin_with
    )


def _network_to_begin_with(options: Options) -> RestorationNetwork | None:
    if not options.begin_with:
        return None
    network = from_tensors(*load_input("codebook", options.begin_with)).restoration
    if tuple(len(bias) for bias in network.biases[:-1]) != options.hidden:
        raise InputError(f"hidden is not that of the restoration network of {options.begin_with}")
    return network
