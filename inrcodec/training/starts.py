"""Meta-training of the start networks: conditional initialisations that leave little to code.

A task is one cell: its boundary samples, taken from a reconstruction, and its samples. The inner loop
adapts the output weights; the basis is orthonormal, so its one closed-form step is exact and what remains
to be coded is the cell's spectrum minus the start. The outer loss is a smooth rate-distortion cost of that
difference, in bits per sample, as a soft minimum over the modes (-log2 of their mixture), so that modes
specialise. The networks of all cell sizes lie in one flat vector and are pruned together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.decisions.partitioning import open_loop
from inrcodec.decisions.quantizer import EXCHANGE
from inrcodec.errors import InputError
from inrcodec.signal.color import to_planes
from inrcodec.signal.prediction import predicted_harmonics
from inrcodec.signal.transforms import FEATURE_BITS, cosine_features
from inrcodec.tile.fixed_point import FRACTION
from inrcodec.tile.partition import (
    BLOCK,
    SIZES,
    Partition,
    boundary_indices,
    boundary_size,
    sample_indices,
    uniform_splits,
)
from inrcodec.training.data import Photos, load_photos
from inrcodec.training.muon import Matrix
from inrcodec.training.siren import Layout, evaluate, features
from inrcodec.training.task import Export, Metrics, Setting, Start
from inrcodec.training.worker import Worker

_SCORE_BATCHES = 32
_VALIDATION_BATCHES = 12
_FLIPPED_ROWS, _FLIPPED_COLUMNS, _TRANSPOSED = 1, 2, 4
"""Bits of how a photo is turned: transposed first, then flipped."""


@dataclass(frozen=True)
class Options:
    """The recipe's table ``[starts]``.

    Attributes:
        hidden: width of both sine layers.
        modes: starts that a network offers for a cell.
        steps: quantiser steps (8-bit units) of the reconstructions that boundaries are taken from.
        batch: cells per outer step and size (8, 16, 32), over all processes.
        temperature: of the soft minimum over the modes at the first step, in bits; it falls to 1.
        anneal: outer steps until it has fallen.
    """

    hidden: int = 192
    modes: int = 8
    steps: tuple[float, ...] = (20.0, 36.0, 64.0, 112.0)
    batch: tuple[int, ...] = (512, 192, 96)
    temperature: float = 12.0
    anneal: int = 2000

    def __post_init__(self) -> None:
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
    """Smooth cost in bits of weight differences, given in quantiser steps.

    Below half a step it is the distortion of leaving it out, EXCHANGE * t**2 (the exchange rate of bits and
    squared error at which a uniform quantiser of that step is best); far above it grows by two bits per
    doubling, as an Exp-Golomb code does.
    """
    cost: Tensor = _RateDistortion.apply(weights)  # type: ignore[no-untyped-call]
    return cost


class _Cells:
    """All training cells of photos: gathers of boundaries (at one quantiser step) and samples."""

    def __init__(self, photos: Photos, steps: tuple[float, ...]) -> None:
        sizes = photos.sizes // BLOCK * BLOCK
        planes = []
        for start, full, cut in zip(photos.starts, photos.sizes, sizes, strict=True):
            pixels = photos.pixels[start : start + full.prod()].numpy().reshape(*full, 3)
            planes.append(to_planes(pixels[: cut[0], : cut[1]]))
        self.samples = _joined(planes)
        self.views = [_joined([open_loop(p, s * 2**FRACTION) for p in planes]) for s in steps]
        self._starts = np.concatenate([[0], np.cumsum(sizes.prod(1))])[:-1]
        self._sizes = sizes
        # A uniform partition of one block row by three tells every cell's availability pattern.
        self._first = {s: np.cumsum((sizes // s).prod(1)) for s in SIZES}
        self._patterns = {s: Partition.from_splits(uniform_splits((3, 3), s)) for s in SIZES}

    def draw(
        self, rng: np.random.Generator, size: int, count: int, share: slice, view: int, turned: bool
    ) -> tuple[Tensor, Tensor]:
        """Random cells: boundary (B, 3, boundary_size) and samples (B, 3, size, size), float32.

        Args:
            rng: what they depend on.
            size: their size.
            count: how many, over all processes.
            share: which of them.
            view: number of the quantiser step.
            turned: whether each is taken from its photo flipped and transposed at random.
        """
        ends = self._first[size]
        flat = rng.integers(0, ends[-1], count)[share]
        photo = np.searchsorted(ends, flat, side="right")
        turns = rng.integers(0, 8, count)[share] if turned else np.zeros_like(photo)
        height, width = self._turned_sizes(photo, turns) // size
        y = np.maximum(rng.integers(0, 1 << 30, count)[share] % height, min(1, height.min() - 1))
        x = np.maximum(rng.integers(0, 1 << 30, count)[share] % width, min(1, width.min() - 1))
        boundary, samples = self._indices(photo, turns, y, x, size)
        inside = _taken(self.samples, samples)
        return _taken(self.views[view], boundary), inside.reshape(len(flat), 3, size, size)

    def _turned_sizes(self, photo: NDArray[np.int64], turns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Heights and widths of turned photos: (2, B)."""
        sizes = self._sizes[photo].T
        return np.where(turns & _TRANSPOSED, sizes[::-1], sizes)

    def _indices(
        self,
        photo: NDArray[np.int64],
        turns: NDArray[np.int64],
        y: NDArray[np.int64],
        x: NDArray[np.int64],
        size: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Flat indices of the boundary and the samples of cell (y, x) of each turned photo."""
        per_block = BLOCK // size
        pattern = self._patterns[size]
        height, width = self._turned_sizes(photo, turns)[:, :, None]
        # The cell's twin in the middle block of the pattern has the same neighbours at hand.
        twin_y, twin_x = per_block + y % per_block, per_block + x % per_block
        twins = pattern.owner[twin_y * (size // 8), twin_x * (size // 8)]
        stride = pattern.owner.shape[1] * 8
        origin = pattern.row[twins, None] * 8 * stride + pattern.col[twins, None] * 8
        turn = turns[:, None]

        def move(index: NDArray[np.int64]) -> NDArray[np.int64]:
            # Rows and columns relative to the cell; the shift by 8 keeps samples left of it in their row.
            dy, dx = np.divmod(index - origin + 8 * stride + 8, stride)
            dy, dx = dy - 8, dx - 8
            rows = y[:, None] * size + dy
            columns = np.clip(x[:, None] * size + dx, 0, width - 1)
            # Sizes are multiples of what views are quantised by: turning a photo turns its views alike.
            rows = np.where(turn & _FLIPPED_ROWS, height - 1 - rows, rows)
            columns = np.where(turn & _FLIPPED_COLUMNS, width - 1 - columns, columns)
            rows, columns = np.where(turn & _TRANSPOSED, (columns, rows), (rows, columns))
            moved: NDArray[np.int64] = (
                self._starts[photo, None] + rows * self._sizes[photo, 1, None] + columns
            )
            return moved

        return move(boundary_indices(pattern, twins, size, stride)), move(
            sample_indices(pattern, twins, size, stride)
        )


def _joined(planes: list[NDArray[np.float32]]) -> Tensor:
    """Samples of all photos, one after the other: (samples, 3) int16."""
    return torch.from_numpy(np.concatenate([p.reshape(3, -1).T for p in planes]).round().astype(np.int16))


def _taken(samples: Tensor, index: NDArray[np.int64]) -> Tensor:
    """Samples (B, n) of `_joined` as (B, 3, n) float32."""
    return samples[torch.from_numpy(index)].float().movedim(2, 1)


@dataclass(frozen=True)
class _Part:
    """Where one size's network lies in the flat vector."""

    size: int
    layout: Layout
    network: slice
    skip: slice
    prior: slice


class StartsTask:
    """Meta-learning of the start networks of all cell sizes.

    The flat vector holds, per size: a SIREN (boundary -> hidden -> hidden -> modes * K), a linear skip from
    the boundary to the output, and the logits of the modes' prior.
    """

    def __init__(self, options: Options, train: Photos, validation: Photos, setting: Setting) -> None:
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
            lengths = (layout.size, outputs * boundary_size(size), options.modes)
            cuts = np.cumsum([end, *lengths])
            pieces = [slice(int(a), int(b)) for a, b in pairwise(cuts)]
            self.parts[size] = _Part(size, layout, *pieces)
            end = int(cuts[-1])
        self.length = end

    def start(self) -> Start:
        """Random sines around the linear regime, output near zero.

        Starts of high harmonics are small, so their rows begin smaller and learn more slowly.
        """
        params = np.zeros(self.length, np.float32)
        prunable = np.zeros(self.length, np.bool_)
        rates = np.ones(self.length, np.float32)
        matrices = []
        rng = np.random.default_rng(self.seed)
        for size, part in self.parts.items():
            order = np.add(*np.divmod(predicted_harmonics(size), size))
            decay = np.tile(1 / (1 + order * 8 / size), self.options.modes)[:, None]
            view = params[part.network]
            for slot, gain in zip(part.layout.slots, (1.0, 0, 1.5, 0, 0.1, 0), strict=True):
                if slot.name.endswith("weight"):
                    deviation = gain / math.sqrt(slot.shape[1])
                    view[slot.slice] = rng.normal(0, deviation, math.prod(slot.shape))
                elif slot.name != "2.bias":
                    view[slot.slice] = rng.uniform(-math.pi, math.pi, math.prod(slot.shape))
            for slot in part.layout.slots:
                # Rows of the output learn at rates of their own, which an orthogonal step cannot have.
                if slot.name in ("0.weight", "1.weight"):
                    first = part.network.start + slot.slice.start
                    matrices.append(Matrix(slice(first, first + math.prod(slot.shape)), slot.shape[0]))
            params[part.skip] = rng.normal(0, 0.01, part.skip.stop - part.skip.start)
            prunable[part.network] = part.layout.select("weight")
            prunable[part.skip] = True
            output, bias = part.layout.slots[-2:]
            columns = boundary_size(size)
            for target in (params, rates):
                target[part.network][output.slice] *= np.repeat(decay, output.shape[1])
                target[part.network][bias.slice] *= decay[:, 0]
                target[part.skip] *= np.repeat(decay, columns)
        return Start(params, np.ones(self.length, np.bool_), prunable, rates, tuple(matrices))

    def costs(self, params: Tensor, size: int, boundary: Tensor, inside: Tensor, step: float) -> Tensor:
        """Cost in bits of every mode, prior included: (B, modes).

        Args:
            params: the part of the flat vector that belongs to the cell size.
            size: cell size.
            boundary: (B, 3, boundary_size) fixed-point samples.
            inside: (B, 3, size, size) fixed-point samples.
            step: quantiser step, fixed-point.
        """
        part = self.parts[size]
        mean = boundary.mean(-1, keepdim=True)
        centred = boundary - mean
        scale = centred.abs().mean(-1, keepdim=True) + step / 16
        x = (centred / scale).reshape(-1, boundary.shape[-1])
        # One split, so that the gradient of the whole vector is put together once.
        lengths = [s.stop - s.start for s in (part.network, part.skip, part.prior)]
        network, skip, prior = torch.split(params, lengths)
        starts = evaluate(part.layout, network, x) + x @ skip.reshape(-1, boundary.shape[-1]).T
        starts = starts.reshape(len(boundary), 3, self.options.modes, -1) * (
            scale[..., None] * (size / 8 / step)
        )
        basis = torch.as_tensor(cosine_features(size) / 2**FEATURE_BITS, dtype=torch.float32)
        spectrum = (basis @ (inside - mean[..., None]) @ basis.T).flatten(2) / step
        low = torch.from_numpy(predicted_harmonics(size))
        fixed = rate_distortion(spectrum).sum((1, 2)) - rate_distortion(spectrum[..., low]).sum((1, 2))
        cost = rate_distortion(spectrum[:, :, None, low] - starts).sum((1, 3)) + fixed[:, None]
        bits: Tensor = torch.log_softmax(prior, 0) / math.log(2)
        return cost - bits

    def _split(self, params: Tensor) -> dict[int, Tensor]:
        """The part of the flat vector that belongs to each size."""
        lengths = [part.prior.stop - part.network.start for part in self.parts.values()]
        return dict(zip(self.parts, torch.split(params, lengths), strict=True))

    def _batch(
        self, data: _Cells, size: int, stream: int, index: int, turned: bool = False
    ) -> tuple[Tensor, Tensor, float]:
        rng = np.random.default_rng([self.seed, stream, size, index])
        view = index % len(self.options.steps)
        count = self.options.batch[SIZES.index(size)]
        boundary, inside = data.draw(rng, size, count, self.worker.share(count), view, turned)
        device = self.worker.device
        return boundary.to(device), inside.to(device), self.options.steps[view] * 2**FRACTION

    def loss(self, params: Tensor, mask: Tensor, batch_index: int) -> tuple[Tensor, Metrics]:
        """Mean over sizes of the mixture's code length in bits per sample."""
        del mask
        left = max(0.0, 1 - batch_index / max(1, self.options.anneal))
        temperature = 1 + (self.options.temperature - 1) * left
        losses: dict[str, Tensor] = {}
        for size, part in self._split(params).items():
            cost = self.costs(part, size, *self._batch(self.train, size, 0, batch_index, turned=True))
            soft = -temperature / math.log(2) * torch.logsumexp(cost * (-math.log(2) / temperature), 1)
            losses[f"bits{size}"] = soft.mean() / (size * size)
        return torch.stack(list(losses.values())).sum(), dict(losses)

    def score(self, params: Tensor, mask: Tensor) -> Tensor:
        """|weight| times the root mean square of what it multiplies: its share of the layer's output."""
        del mask
        result = torch.zeros_like(params)
        for size, part in self.parts.items():
            inputs = []
            for index in range(_SCORE_BATCHES):
                boundary, _, step = self._batch(self.train, size, 1, index)
                centred = boundary - boundary.mean(-1, keepdim=True)
                x = centred / (centred.abs().mean(-1, keepdim=True) + step / 16)
                inputs.append(x.reshape(-1, x.shape[-1]))
            x = torch.cat(inputs)
            network = params[part.network]
            first = Layout.sines(x.shape[1], part.layout.widths[:1], 1, 1.0)
            hidden = features(
                first, torch.cat([network[: first.slots[2].start], x.new_zeros(first.widths[0] + 1)]), x
            )
            seen = [x, hidden, features(part.layout, network, x)]
            view = result[part.network]
            for values, slot in zip(seen, part.layout.slots[::2], strict=True):
                size_rms = values.square().mean(0).sqrt()
                view[slot.slice] = (network[slot.slice].reshape(slot.shape).abs() * size_rms).flatten()
            skip = params[part.skip].reshape(-1, x.shape[1]).abs()
            result[part.skip] = (skip * x.square().mean(0).sqrt()).flatten()
        return result

    def validate(self, params: Tensor, mask: Tensor) -> dict[str, float]:
        """Per size: best mode's cost, and the same relative to starting at the boundary's mean."""
        del mask
        figures: dict[str, float] = {}
        for size, part in self._split(params).items():
            zero = torch.zeros_like(part)
            best = base = 0.0
            for index in range(_VALIDATION_BATCHES):
                boundary, inside, step = self._batch(self.validation, size, 2, index)
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
            network, skip = params[part.network], params[part.skip].reshape(-1, boundary_size(size))
            for slot in part.layout.slots:
                layer, kind = slot.name.split(".")
                tensors[f"starts.{size}.{kind}{int(layer) + 1}"] = network[slot.slice].reshape(slot.shape)
            joined = np.concatenate([tensors[f"starts.{size}.weight3"], skip], axis=1)
            tensors[f"starts.{size}.weight3"] = joined
            tensors[f"starts.{size}.prior"] = params[part.prior]
        return Export(tensors, {"task": "starts", "density": float(mask.mean())})


def build(options: Options, setting: Setting) -> StartsTask:
    """The task on the photos of the setting's folder."""
    cpu = torch.device("cpu")
    train, validation = (
        load_photos(Path(setting.data), split, cpu, smallest=3 * BLOCK) for split in ("train", "validation")
    )
    return StartsTask(options, train, validation, setting)
