"""Training of the restoration network, on crops of fitted photos.

The encoder, with everything else of the codebook at hand, fits every training photo at random qualities, for
all tunes. The network learns the coding error, original less decoded samples; errors are weighted by the
inverse of the photo's own mean squared error, so that a gain in dB counts the same at every quality.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from inrcodec.codebook import from_tensors, restoration_tensors, without
from inrcodec.decisions.effort import DEFAULT_EFFORT, EFFORTS
from inrcodec.errors import InputError
from inrcodec.signal.restoration import (
    FOLD,
    INPUT_MAX,
    INPUTS,
    KERNELS,
    ONE,
    PLANES,
    SAMPLES,
    TYPICAL_LOG_STEP,
    RestorationNetwork,
    inner,
    radius_of,
    restore,
)
from inrcodec.tile.fixed_point import log_step
from inrcodec.tile.partition import UNIT, CellMap
from inrcodec.training.checkpoint import load_input
from inrcodec.training.data import Split
from inrcodec.training.export import Floats, restoration_floats, restoration_network
from inrcodec.training.fits import FittedPhoto, fitted_photos
from inrcodec.training.flat import Slot, consecutive
from inrcodec.training.task import Export, Metrics, Setting, Start, Tensors
from inrcodec.training.worker import Worker

_GAIN, _UP_GAIN, _LAST_GAIN = 0.5, 0.1, 0.0125
_SQUARE = 2 * FOLD
"""Side of a square of the branch in samples: crops begin at a multiple of it."""
_VALIDATION_FITS = 24


@dataclass(frozen=True)
class Options:
    """The recipe's table ``[restoration]``.

    Attributes:
        codebook: file of a codebook, a result of `contexts`, whose restoration network is replaced.
        head: channels of the layers of the network's head; see `RestorationNetwork`.
        branch: channels of what it looks at in squares, and of the layers there.
        tail: channels of the hidden layers of the tail.
        fits: fits that are learned from; photos are fitted again when all have been.
        begin_with: file of a codebook whose restoration network training begins with; empty for a random one.
        steps: range of quantiser steps (8-bit units), drawn log-uniformly per fit; see `fitted_photos`.
        batch: crops per outer step, over all processes.
        crop: side of the restored part of a crop in samples.
    """

    codebook: str
    head: tuple[int, ...]
    branch: tuple[int, ...]
    tail: tuple[int, ...]
    fits: int
    begin_with: str = ""
    steps: tuple[float, ...] = (12.0, 220.0)
    batch: int = 8
    crop: int = 64

    def __post_init__(self) -> None:
        """Raise InputError for values out of range."""
        if not self.head or len(self.branch) < 2 or len(self.steps) != 2:
            raise InputError("head needs a layer, branch two, and steps two values")
        if min(self.fits, self.batch, *self.head, *self.branch, *self.tail) < 1:
            raise InputError("fits, batch and channels must be positive")
        if self.crop < _SQUARE or self.crop % _SQUARE:
            raise InputError(f"crop must be a positive multiple of {_SQUARE}")

    @property
    def channels(self) -> dict[str, list[tuple[int, int]]]:
        """Inputs and outputs of the layers of each of KERNELS."""
        width = self.head[-1]
        return {
            "head": list(pairwise((INPUTS, *self.head))),
            "down": [(FOLD**2 * width, self.branch[0])],
            "branch": list(pairwise(self.branch)),
            "up": [(self.branch[-1], FOLD**2 * width)],
            "tail": list(pairwise((width, *self.tail, SAMPLES))),
        }


@dataclass(frozen=True, eq=False)
class _Example:
    """A fitted photo in what the network needs of it."""

    original: NDArray[np.int16]
    decoded: NDArray[np.int16]
    cells: CellMap
    step: int

    @classmethod
    def of(cls, photo: FittedPhoto) -> _Example:
        original = np.rint(photo.original).astype(np.int16)
        return cls(original, photo.fit.planes, photo.fit.symbols.cells, photo.quantiser.restoration_step)

    def squared_error(self) -> float:
        """Mean over all samples, in squared quantiser steps."""
        return float(np.square((self.original.astype(np.float64) - self.decoded) / self.step).mean())


@dataclass(frozen=True, eq=False)
class _Crops:
    """Turned crops of examples that lie in a few flat tensors, so that a batch is a gather on any device.

    Attributes:
        samples: (samples, 6) int16 decoded and original planes, example after example, row-major.
        units: (units, 5) int32 owner, size and three last diagonals of cells, likewise.
        facts: (examples, 4) int64 first sample, first unit, height and width in samples.
        scales: (examples, 3) float32 quantiser step, its logarithm as the network sees it, weight of errors.
        margin: positions to either side of a crop whose inputs are given.
        length: positions of a crop per axis.
    """

    samples: Tensor
    units: Tensor
    facts: Tensor
    scales: Tensor
    margin: int
    length: int

    @classmethod
    def of(cls, examples: Sequence[_Example], margin: int, length: int, device: torch.device) -> _Crops:
        sizes = np.array([e.decoded.shape[1:] for e in examples])
        if sizes.min() < length * FOLD:
            raise InputError(f"a photo is smaller than a crop of {length * FOLD}")
        ends = np.cumsum(sizes.prod(1))
        facts = np.stack([ends - sizes.prod(1), (ends - sizes.prod(1)) // UNIT**2, *sizes.T], 1)
        scales = [
            [e.step, (log_step(e.step) - TYPICAL_LOG_STEP) / ONE, 1 / e.squared_error()] for e in examples
        ]

        def flat(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
            return np.concatenate([a.reshape(-1, a.shape[-1] * a.shape[-2]) for a in arrays]).T

        samples = np.concatenate([flat((e.decoded, e.original)) for e in examples])
        units = np.concatenate([flat((*e.cells[:2], e.cells.last_diagonals)) for e in examples])
        return cls(
            torch.from_numpy(samples).to(device),
            torch.from_numpy(units.astype(np.int32)).to(device),
            torch.from_numpy(facts).to(device),
            torch.tensor(scales, dtype=torch.float32, device=device),
            margin,
            length,
        )

    def __call__(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Some crops.

        Args:
            places: (B, 4) int64 example, turn (bit 0 flips rows, 1 columns, 2 transposes before), and the row
                and column of the first square: numbers that are taken modulo how many there are.

        Returns:
            (B, INPUTS, n + 2 margin, n + 2 margin) float32 inputs, one of which is 1; (B, SAMPLES, n, n)
            errors in quantiser steps; (B, 1, 1, 1) weights of these.
        """
        step, log, weight = self.scales[places[:, 0], :, None, None, None].unbind(1)
        samples, cells = self._gathered(places)
        decoded, original = torch.split(samples.float(), PLANES, 1)
        seen = torch.floor((decoded * (2 * ONE) + step) / (2 * step)).clamp(-INPUT_MAX, INPUT_MAX)
        # The first layer ignores the mean; without it, few bits of mantissa are enough.
        seen = pixel_unshuffle((seen - seen.mean((2, 3), keepdim=True)) / ONE, FOLD)
        owner, size, last = torch.split(inner(cells, 1), [1, 1, PLANES], 1)
        around = (
            cells[:, :1, 1:-1, :-2],
            cells[:, :1, 1:-1, 2:],
            cells[:, :1, :-2, 1:-1],
            cells[:, :1, 2:, 1:-1],
        )
        conditions = [*(other != owner for other in around), size == 8, size == 32]
        reaches = torch.ceil(last * (ONE / 2) / size) / ONE
        x = torch.cat([seen, torch.cat(conditions, 1).float(), reaches, log.expand_as(reaches[:, :1])], 1)
        error = inner(original - decoded, self.margin * FOLD) / step
        return x, pixel_unshuffle(error, FOLD), weight

    def _gathered(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Samples (B, 6, ...) of crops with their margin, and cells (B, 5, ...) with one position more."""
        example, turn, *corner = places.unbind(1)
        first, first_unit, *sides = self.facts[example].unbind(1)
        transposed = (turn & 4) > 0
        reach = (self.margin + 1) * FOLD
        offsets = torch.arange(-reach, self.length * FOLD + reach, device=places.device)
        spans = []
        for axis, place in enumerate(corner):
            side = torch.where(transposed, sides[1 - axis], sides[axis])
            begin = place % ((side - self.length * FOLD) // _SQUARE + 1) * _SQUARE
            span = torch.minimum((begin[:, None] + offsets).clamp(min=0), side[:, None] - 1)
            flipped = (turn & 1 << axis)[:, None] > 0
            spans.append(torch.where(flipped, side[:, None] - 1 - span, span))

        def gathered(values: Tensor, start: Tensor, width: Tensor, y: Tensor, x: Tensor) -> Tensor:
            rows, columns = y[:, :, None], x[:, None, :]
            start, width, across = (part[:, None, None] for part in (start, width, transposed))
            index = torch.where(across, rows + columns * width, rows * width + columns)
            return values[index + start].movedim(-1, 1)

        return (
            gathered(self.samples, first, sides[1], *(span[:, FOLD:-FOLD] for span in spans)),
            gathered(self.units, first_unit, sides[1] // UNIT, *(span[:, ::FOLD] // UNIT for span in spans)),
        )


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

        Raises:
            InputError: a photo is smaller than a crop.
        """
        self.options = options
        self.codebook = codebook
        self.metadata = metadata
        self.validation = validation
        self.seed = seed
        self.worker = worker
        self._slots = _slots(options)
        self._begin_with = begin_with
        self._examples = len(training)
        margin = radius_of(*(len(self._slots[part]) for part in ("head", "branch", "tail")))
        self._crops = _Crops.of(training, margin, options.crop // FOLD, worker.device)

    def start(self) -> Start:
        """The network to begin with, or random weights.

        To these, hidden layers add that they pass their inputs on, else training stalls.
        """
        every = [slot for layers in self._slots.values() for layer in layers for slot in layer]
        if self._begin_with:
            floats = restoration_floats(self._begin_with)
            pieces = [part.ravel() for layers in floats.values() for layer in layers for part in layer]
        else:
            rng = np.random.default_rng(self.seed)
            pieces = [
                _drawn(part, number == len(layers) - 1, slot, rng).ravel()
                for part, layers in self._slots.items()
                for number, layer in enumerate(layers)
                for slot in layer
            ]
        return Start.unprunable(np.concatenate(pieces).astype(np.float32), tuple(every[::2]))

    def _layers(self, params: Tensor) -> dict[str, list[tuple[Tensor, Tensor]]]:
        """Weights and biases; those of samples of the first layer sum to zero over every plane.

        That makes the network blind to the mean of its surroundings.
        """
        result = {
            part: [(weight.of(params), bias.of(params)) for weight, bias in layers]
            for part, layers in self._slots.items()
        }
        whole, bias = result["head"][0]
        weights = whole[:, :SAMPLES].reshape(-1, PLANES, FOLD**2, 3, 3)
        weights = weights - weights.mean((2, 3, 4), keepdim=True)
        result["head"][0] = torch.cat([weights.flatten(1, 2), whole[:, SAMPLES:]], 1), bias
        return result

    def batch(self, index: int) -> Tensors:
        """This worker's share of a batch: places, see `_Crops`."""
        rng = np.random.default_rng([self.seed, index])
        count = self.options.batch
        places = np.stack(
            [rng.integers(self._examples, size=count), *rng.integers(1 << 30, size=(3, count))], 1
        )
        return (torch.from_numpy(places[self.worker.share(count)]).to(self.worker.device),)

    def loss(self, params: Tensor, mask: Tensor, batch: Tensors) -> tuple[Tensor, Metrics]:
        """Weighted squared error of crops, as a share of what it is without restoration."""
        del mask
        x, target, scale = self._crops(*batch)
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            params.device.type,
            torch.bfloat16,
            enabled=_fast_bfloat16(params.device),
            # A captured step would go on reading what is cached while it is captured.
            cache_enabled=False,
        ):
            result = _restored(x, self._layers(params))
        loss = (scale * torch.square(target - result.float())).mean()
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
        return restoration_network(
            {
                part: [Floats(*(tensor.double().cpu().numpy() for tensor in layer)) for layer in layers]
                for part, layers in self._layers(params).items()
            }
        )


_Slots = Mapping[str, Sequence[tuple[Slot, Slot]]]
"""Weights and biases of layers, per part of the network."""


def _slots(options: Options) -> _Slots:
    """Where the layers lie in the flat vector."""
    result: dict[str, list[tuple[Slot, Slot]]] = {}
    end = 0
    for (part, layers), side in zip(options.channels.items(), KERNELS.values(), strict=True):
        result[part] = []
        for ins, outs in layers:
            weight, bias = consecutive([("weight", (outs, ins, side, side)), ("bias", (outs,))], end)
            result[part].append((weight, bias))
            end = bias.stop
    return result


def _drawn(part: str, last: bool, slot: Slot, rng: np.random.Generator) -> NDArray[np.float64]:
    """Weights, or biases of zero, to begin with; `last` is said of a part's last layer."""
    if slot.name == "bias":
        return np.zeros(slot.shape)
    gain = _UP_GAIN if part == "up" else _LAST_GAIN if part == "tail" and last else _GAIN
    weight = rng.normal(0, gain * math.sqrt(2 / math.prod(slot.shape[1:])), slot.shape)
    if slot.shape[2] > 1 and slot.shape[1] != INPUTS and gain == _GAIN:
        weight[:, :, 1, 1] += np.eye(slot.shape[0], slot.shape[1])
    return weight


def _restored(x: Tensor, layers: Mapping[str, Sequence[tuple[Tensor, Tensor]]]) -> Tensor:
    """What the network makes of (B, INPUTS, ...) in floats: `signal.restoration` without rounding."""

    def convolved(x: Tensor, layer: tuple[Tensor, Tensor]) -> Tensor:
        weight, bias = layer
        return torch.nn.functional.conv2d(x, weight.contiguous(memory_format=torch.channels_last), bias)

    (down,), (up,) = layers["down"], layers["up"]
    for layer in layers["head"]:
        x = convolved(x, layer).clamp(0, 1)
    y = convolved(pixel_unshuffle(x, FOLD), down).clamp(0, 1)
    for layer in layers["branch"]:
        y = convolved(y, layer).clamp(0, 1)
    x = inner(x, 2 * len(layers["branch"])) + pixel_shuffle(convolved(y, up), FOLD)
    *hidden, last = layers["tail"]
    for layer in hidden:
        x = convolved(x.clamp(0, 1), layer)
    return inner(convolved(x.clamp(0, 1), last), len(layers["tail"]) % 2)


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

    training, validation = examples("train", options.fits), examples("validation", _VALIDATION_FITS)
    return RestorationTask(
        options, tensors, metadata, training, validation, setting.seed, setting.worker, begin_with
    )


def _network_to_begin_with(options: Options) -> RestorationNetwork | None:
    if not options.begin_with:
        return None
    network = from_tensors(*load_input("codebook", options.begin_with)).restoration
    channels = {
        part: [layer.weight.shape[1::-1] for layer in layers] for part, layers in network.parts.items()
    }
    if channels != options.channels:
        raise InputError(f"head, branch and tail are not those of the network of {options.begin_with}")
    return network
