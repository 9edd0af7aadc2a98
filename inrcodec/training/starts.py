"""Meta-training of the prediction networks: conditional initialisations that leave little to code.

A task is one cell: its boundary samples, taken from a reconstruction, and its samples. A network offers one
start, the initial output weights, per prediction mode. The inner loop adapts these weights; the basis is
orthonormal, so its one closed-form inner step is exact and what remains to be coded, the residual, is the
cell's spectrum less the start. The outer loss is a smooth rate-distortion cost of the residual, in bits per
sample, as a soft minimum over the modes (-log2 of their mixture), so that modes specialise. The networks of
all cell sizes lie in one flat vector and are pruned together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.decisions.partitioning import open_loop
from inrcodec.decisions.rate_distortion import EXCHANGE
from inrcodec.errors import InputError
from inrcodec.signal.prediction import predicted_harmonics
from inrcodec.signal.transforms import FEATURE_BITS, cosine_features
from inrcodec.tile.fixed_point import FRACTION
from inrcodec.tile.partition import (
    BLOCK,
    SIZES,
    UNIT,
    Partition,
    boundary_indices,
    boundary_size,
    sample_indices,
)
from inrcodec.training.data import Photos, block_planes, load_photos
from inrcodec.training.flat import Slot, consecutive
from inrcodec.training.siren import Layout, evaluate, layer_inputs
from inrcodec.training.task import Export, Metrics, Setting, Start, Tensors
from inrcodec.training.worker import Worker

IntArray = NDArray[np.int64]

_SCORE_BATCHES = 32
_VALIDATION_BATCHES = 12
_FLIPPED_ROWS, _FLIPPED_COLUMNS, _TRANSPOSED = 1, 2, 4
"""Bits of how a photo is turned: transposed first, then flipped."""


@dataclass(frozen=True)
class Options:
    """The recipe's table ``[starts]``.

    Attributes:
        hidden: width of both sine layers.
        modes: prediction modes: starts that a network offers for a cell.
        steps: quantiser steps (8-bit units) of the reconstructions that boundaries are taken from.
        batch: cells per outer step and size (8, 16, 32), over all processes.
        temperature: of the soft minimum over the modes at the first outer step, in bits; it falls to 1.
        anneal: outer steps until it has fallen.
    """

    hidden: int = 192
    modes: int = 8
    steps: tuple[float, ...] = (20.0, 36.0, 64.0, 112.0)
    batch: tuple[int, ...] = (512, 192, 96)
    temperature: float = 12.0
    anneal: int = 2000

    def __post_init__(self) -> None:
        """Raise InputError for values out of range."""
        if min(self.hidden, self.modes, *self.batch) < 1 or len(self.batch) != len(SIZES):
            raise InputError("hidden, modes and the three batch sizes must be at least 1")


class _RateDistortion(torch.autograd.Function):
    """`rate_distortion` with its derivative written out: half the passes over the largest tensors."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor) -> Tensor:
        squares = weights.square()
        ctx.save_for_backward(weights, squares)
        cost: Tensor = (squares * EXCHANGE).div_(squares * 1.4 + 1).add_((squares * 0.5).add_(1).log2_())
        return cost

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        weights, squares = ctx.saved_tensors
        slope = ((squares * 1.4).add_(1).square_().reciprocal_()).mul_(2 * EXCHANGE)
        slope += (squares * 0.5).add_(1).reciprocal_().mul_(1 / math.log(2))
        result: Tensor = slope.mul_(weights).mul_(gradient)
        return result


def rate_distortion(weights: Tensor) -> Tensor:
    """Smooth cost in bits of residual weights, given in quantiser steps.

    Below half a step it is the distortion of leaving it out, EXCHANGE * t**2 (the exchange rate of bits and
    squared error at which a uniform quantiser of that step is best); far above it grows by two bits per
    doubling, as an Exp-Golomb code does.
    """
    cost: Tensor = _RateDistortion.apply(weights)  # type: ignore[no-untyped-call]
    return cost


@dataclass(frozen=True)
class _Places:
    """Where cells of one size lie.

    Attributes:
        size: samples per side.
        photo: (B,) number of the photo.
        turn: (B,) how that is turned.
        y, x: (B,) row and column in the turned photo, in cells.
    """

    size: int
    photo: IntArray
    turn: IntArray
    y: IntArray
    x: IntArray

    def __getitem__(self, share: slice) -> _Places:
        """Some of them."""
        return _Places(self.size, self.photo[share], self.turn[share], self.y[share], self.x[share])


class _Cells:
    """All training cells of photos: gathers of boundaries (at one quantiser step) and samples."""

    def __init__(self, photos: Photos, steps: tuple[float, ...]) -> None:
        """Quantise every photo at each of the quantiser steps (8-bit units)."""
        planes = [block_planes(photos, number) for number in range(len(photos))]
        self.samples = _joined(planes)
        self.views = [_joined([open_loop(p, s * 2**FRACTION) for p in planes]) for s in steps]
        self._sizes = photos.sizes // BLOCK * BLOCK
        areas = self._sizes.prod(1)
        self._firsts = np.cumsum(areas) - areas
        self._ends = {s: np.cumsum(areas // s**2) for s in SIZES}
        # In a uniform partition of 3 x 3 blocks, the middle one shows what is at hand of a cell's neighbours.
        self._patterns = {s: Partition.uniform((3, 3), s) for s in SIZES}

    def draw(self, rng: np.random.Generator, size: int, count: int, *, turned: bool) -> _Places:
        """Random cells with neighbours above and to the left.

        Args:
            rng: what they depend on.
            size: their size.
            count: how many.
            turned: whether each is taken from its photo flipped and transposed at random.
        """
        ends = self._ends[size]
        photo = np.searchsorted(ends, rng.integers(0, ends[-1], count), side="right")
        turn = rng.integers(0, 8, count) if turned else np.zeros_like(photo)
        y, x = (
            np.maximum(rng.integers(0, 1 << 30, count) % cells, 1)
            for cells in self._turned_sizes(photo, turn) // size
        )
        return _Places(size, photo, turn, y, x)

    def gather(self, places: _Places, view: int) -> tuple[Tensor, Tensor]:
        """Boundary (B, 3, boundary_size), quantised by step number `view`; samples (B, 3, size, size)."""
        boundary, inside = self.indices(places)
        samples = _taken(self.samples, inside).reshape(-1, 3, places.size, places.size)
        return _taken(self.views[view], boundary), samples

    def indices(self, places: _Places) -> tuple[IntArray, IntArray]:
        """Where boundary and samples of cells lie: (B, boundary_size) and (B, size * size)."""
        size, pattern = places.size, self._patterns[places.size]
        per_block, units = BLOCK // size, size // UNIT
        twin_y, twin_x = per_block + places.y % per_block, per_block + places.x % per_block
        twins = pattern.owner[twin_y * units, twin_x * units]
        width = pattern.owner.shape[1] * UNIT
        down, right = (places.y - twin_y) * size, (places.x - twin_x) * size

        def moved(index: IntArray) -> IntArray:
            rows, columns = np.divmod(index, width)
            return self._flat(places, rows + down[:, None], columns + right[:, None])

        return (
            moved(boundary_indices(pattern, twins, size, width)),
            moved(sample_indices(pattern, twins, size, width)),
        )

    def _flat(self, places: _Places, rows: IntArray, columns: IntArray) -> IntArray:
        """Where rows and columns (B, n) of turned photos lie; the last column goes on to the right."""
        photo, turn = places.photo[:, None], places.turn[:, None]
        height, width = self._turned_sizes(places.photo, places.turn)[:, :, None]
        columns = np.minimum(columns, width - 1)
        # Sizes are multiples of what views are quantised by: turning a photo turns its views alike.
        rows = np.where(turn & _FLIPPED_ROWS, height - 1 - rows, rows)
        columns = np.where(turn & _FLIPPED_COLUMNS, width - 1 - columns, columns)
        rows, columns = np.where(turn & _TRANSPOSED, (columns, rows), (rows, columns))
        flat: IntArray = self._firsts[photo] + rows * self._sizes[photo, 1] + columns
        return flat

    def _turned_sizes(self, photo: IntArray, turn: IntArray) -> IntArray:
        """Heights and widths of turned photos: (2, B)."""
        sizes = self._sizes[photo].T
        return np.where(turn & _TRANSPOSED, sizes[::-1], sizes)


def _joined(planes: list[NDArray[np.float32]]) -> Tensor:
    """Samples of all photos, one after the other: (samples, 3) int16."""
    return torch.from_numpy(np.concatenate([p.reshape(3, -1).T for p in planes]).round().astype(np.int16))


def _taken(samples: Tensor, index: NDArray[np.int64]) -> Tensor:
    """Samples (B, n) of `_joined` as (B, 3, n) float32."""
    return samples[torch.from_numpy(index)].float().movedim(2, 1)


@dataclass(frozen=True)
class _Part:
    """Where one size's network lies in the flat vector.

    Attributes:
        layout: shape of the SIREN.
        layers: its weights and biases in turn.
        skip: linear map from the boundary to the output.
        prior: logits of the prediction modes.
    """

    layout: Layout
    layers: tuple[Slot, ...]
    skip: Slot
    prior: Slot

    @classmethod
    def of(cls, layout: Layout, modes: int, start: int) -> _Part:
        shapes = [
            *((slot.name, slot.shape) for slot in layout.slots),
            ("skip", (layout.out_features, layout.in_features)),
            ("prior", (modes,)),
        ]
        *layers, skip, prior = consecutive(shapes, start)
        return cls(layout, tuple(layers), skip, prior)

    @property
    def network(self) -> slice:
        """All layers of the SIREN."""
        return slice(self.layers[0].start, self.skip.start)

    @property
    def size(self) -> int:
        """Length of the part."""
        return self.prior.stop - self.layers[0].start


def _draw(part: _Part, params: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Fill one size's network with random weights and phases; the output's bias and the prior stay."""
    weights, biases = part.layers[::2], part.layers[1::2]
    for layer, gain in enumerate((1.0, 1.5, 0.1)):
        weight, bias = weights[layer], biases[layer]
        params[weight.slice] = rng.normal(0, gain / math.sqrt(weight.shape[1]), weight.size)
        if layer < 2:
            params[bias.slice] = rng.uniform(-math.pi, math.pi, bias.size)
    params[part.skip.slice] = rng.normal(0, 0.01, part.skip.size)


def normalised(boundary: Tensor, step: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs of a prediction network: see `inrcodec.signal.prediction.mean_and_scale`, here in floats.

    Args:
        boundary: (B, 3, boundary_size) fixed-point samples.
        step: quantiser step, fixed-point.

    Returns:
        The samples less their mean, in units of the scale; mean and scale (B, 3, 1).
    """
    mean = boundary.mean(-1, keepdim=True)
    centred = boundary - mean
    scale = centred.abs().mean(-1, keepdim=True) + step / 16
    return centred / scale, mean, scale


class StartsTask:
    """Meta-learning of the prediction networks of all cell sizes.

    The flat vector holds, per size: a SIREN (boundary -> hidden -> hidden -> modes * K), a linear skip from
    the boundary to the output, and the logits of the modes' prior.
    """

    def __init__(self, options: Options, train: Photos, validation: Photos, setting: Setting) -> None:
        """Cut the photos into cells; without photos for validation, those for training serve."""
        self.options = options
        self.worker: Worker = setting.worker
        self.seed = setting.seed
        self.train = _Cells(train, options.steps)
        self.validation = _Cells(validation, options.steps) if len(validation) else self.train
        self.parts: dict[int, _Part] = {}
        end = 0
        for size in SIZES:
            outputs = options.modes * len(predicted_harmonics(size))
            layout = Layout.sines(boundary_size(size), (options.hidden,) * 2, outputs, 1.0)
            self.parts[size] = _Part.of(layout, options.modes, end)
            end += self.parts[size].size
        self.length = end
        device = self.worker.device
        scaled = {size: cosine_features(size) / 2**FEATURE_BITS for size in SIZES}
        self._bases = {
            size: torch.tensor(b, dtype=torch.float32, device=device) for size, b in scaled.items()
        }
        self._low = {size: torch.tensor(predicted_harmonics(size), device=device) for size in SIZES}

    def start(self) -> Start:
        """Random sines around the linear regime, output near zero.

        Starts of high harmonics are small, so their rows begin smaller and learn more slowly.
        """
        params = np.zeros(self.length, np.float32)
        prunable = np.zeros(self.length, np.bool_)
        rates = np.ones(self.length, np.float32)
        rng = np.random.default_rng(self.seed)
        for size, part in self.parts.items():
            _draw(part, params, rng)
            prunable[part.network] = part.layout.select("weight")
            prunable[part.skip.slice] = True
            order = np.add(*np.divmod(predicted_harmonics(size), size))
            decay = np.tile(1 / (1 + order * 8 / size), self.options.modes)
            for target in (params, rates):
                for slot in (*part.layers[-2:], part.skip):
                    # Rows of the output, one per harmonic.
                    target[slot.slice] *= np.repeat(decay, slot.size // len(decay))
        # Rows of the output learn at rates of their own, which an orthogonal update cannot have.
        matrices = tuple(slot for part in self.parts.values() for slot in part.layers[:-2:2])
        return Start(params, np.ones(self.length, np.bool_), prunable, rates, matrices)

    def costs(
        self, params: Tensor, size: int, boundary: Tensor, inside: Tensor, step: float | Tensor
    ) -> Tensor:
        """Cost in bits of every prediction mode, prior included: (B, modes).

        Args:
            params: the part of the flat vector that belongs to the cell size.
            size: cell size.
            boundary: (B, 3, boundary_size) fixed-point samples.
            inside: (B, 3, size, size) fixed-point samples.
            step: quantiser step, fixed-point.
        """
        part = self.parts[size]
        inputs, mean, scale = normalised(boundary, step)
        x = inputs.flatten(0, 1)
        # One split, so that the gradient of the whole vector is put together once.
        network, skip, prior = torch.split(params, [part.layout.size, part.skip.size, part.prior.size])
        predicted = evaluate(part.layout, network, x) + x @ skip.reshape(part.skip.shape).T
        predicted = predicted.reshape(*inputs.shape[:2], self.options.modes, -1)
        predicted = predicted * (scale[..., None] * (size / 8 / step))
        basis, low = self._bases[size], self._low[size]
        spectrum = (basis @ (inside - mean[..., None]) @ basis.T).flatten(2) / step
        fixed = rate_distortion(spectrum).sum((1, 2)) - rate_distortion(spectrum[..., low]).sum((1, 2))
        residual = spectrum[:, :, None, low] - predicted
        cost = rate_distortion(residual).sum((1, 3)) + fixed[:, None]
        bits: Tensor = torch.log_softmax(prior, 0) / math.log(2)
        return cost - bits

    def _split(self, params: Tensor) -> dict[int, Tensor]:
        """The part of the flat vector that belongs to each size."""
        lengths = [part.size for part in self.parts.values()]
        return dict(zip(self.parts, torch.split(params, lengths), strict=True))

    def _cells(
        self, data: _Cells, size: int, stream: int, index: int, *, turned: bool = False
    ) -> tuple[Tensor, Tensor]:
        """This worker's share of a batch of cells: boundary and inside, see `costs`."""
        rng = np.random.default_rng([self.seed, stream, size, index])
        count = self.options.batch[SIZES.index(size)]
        places = data.draw(rng, size, count, turned=turned)[self.worker.share(count)]
        boundary, inside = data.gather(places, index % len(self.options.steps))
        device = self.worker.device
        return boundary.to(device, non_blocking=True), inside.to(device, non_blocking=True)

    def _step(self, index: int) -> float:
        """Quantiser step of a batch, fixed-point."""
        return self.options.steps[index % len(self.options.steps)] * float(2**FRACTION)

    def batch(self, index: int) -> Tensors:
        """Temperature and quantiser step, (2,); boundary and inside of every size, see `costs`."""
        left = max(0.0, 1 - index / max(1, self.options.anneal))
        temperature = 1 + (self.options.temperature - 1) * left
        figures = torch.tensor([temperature, self._step(index)])
        cells = (self._cells(self.train, size, 0, index, turned=True) for size in SIZES)
        return figures.to(self.worker.device, non_blocking=True), *chain.from_iterable(cells)

    def loss(self, params: Tensor, mask: Tensor, batch: Tensors) -> tuple[Tensor, Metrics]:
        """Mean over sizes of the mixture's code length in bits per sample."""
        del mask
        temperature, step = batch[0]
        losses: dict[str, Tensor] = {}
        cells = zip(self._split(params).items(), batch[1::2], batch[2::2], strict=True)
        for (size, part), boundary, inside in cells:
            cost = self.costs(part, size, boundary, inside, step)
            soft = -temperature / math.log(2) * torch.logsumexp(cost * (-math.log(2) / temperature), 1)
            losses[f"bits{size}"] = soft.mean() / (size * size)
        return torch.stack(list(losses.values())).sum(), losses

    def score(self, params: Tensor, mask: Tensor) -> Tensor:
        """|weight| times the root mean square of what it multiplies: its share of the layer's output."""
        del mask
        result = torch.zeros_like(params)
        for size, part in self.parts.items():
            boundaries = (self._cells(self.train, size, 1, index)[0] for index in range(_SCORE_BATCHES))
            seen_inputs = (normalised(b, self._step(index))[0] for index, b in enumerate(boundaries))
            x = torch.cat([inputs.flatten(0, 1) for inputs in seen_inputs])
            seen = (*layer_inputs(part.layout, params[part.network], x), x)
            for slot, values in zip((*part.layers[::2], part.skip), seen, strict=True):
                weights = slot.of(params).abs() * values.square().mean(0).sqrt()
                result[slot.slice] = weights.flatten()
        return result

    def validate(self, params: Tensor, mask: Tensor) -> dict[str, float]:
        """Per size: best mode's cost, and the same relative to starting at the boundary's mean."""
        del mask
        figures: dict[str, float] = {}
        for size, part in self._split(params).items():
            zero = torch.zeros_like(part)
            best = base = 0.0
            for index in range(_VALIDATION_BATCHES):
                boundary, inside = self._cells(self.validation, size, 2, index)
                step = self._step(index)
                best += float(self.costs(part, size, boundary, inside, step).min(1)[0].mean())
                constant = self.costs(zero, size, boundary, inside, step)[:, 0].mean()
                base += float(constant) - math.log2(self.options.modes)
            figures[f"bits{size}"] = best / _VALIDATION_BATCHES / size**2
            figures[f"ratio{size}"] = best / base
        return figures

    def export(self, params: NDArray[np.float32], mask: NDArray[np.bool_]) -> Export:
        """Per size, float arrays weight1 ... bias3 (the skip joined to the last layer) and the prior."""
        tensors: dict[str, NDArray[Any]] = {}
        for size, part in self.parts.items():
            for slot in part.layers:
                layer, kind = slot.name.split(".")
                tensors[f"prediction.{size}.{kind}{int(layer) + 1}"] = slot.of(params)
            joined = np.concatenate([tensors[f"prediction.{size}.weight3"], part.skip.of(params)], axis=1)
            tensors[f"prediction.{size}.weight3"] = joined
            tensors[f"prediction.{size}.prior"] = part.prior.of(params)
        return Export(tensors, {"task": "starts", "density": float(mask.mean())})


def build(options: Options, setting: Setting) -> StartsTask:
    """The task on the photos of the setting's folder."""
    cpu = torch.device("cpu")
    train, validation = (
        load_photos(Path(setting.data), split, cpu, smallest=3 * BLOCK) for split in ("train", "validation")
    )
    return StartsTask(options, train, validation, setting)
