"""Training of the entropy model, on fitted photos.

The encoder itself, with the start networks at hand, fits the training photos, each at a random quantiser
step; walking their symbols as a coder would records every context and symbol. The networks are trained on
the code length of the tables they choose, interpolated between rows so that gradients flow; afterwards
networks become integers and the tables are counted anew from the rows the integer networks choose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.codebook import Codebook, codebook_tensors, load_codebook
from inrcodec.encoding.tile import DEFAULT_STEPS
from inrcodec.entropy.context_network import (
    ESCAPE,
    HIDDEN_BITS,
    HIDDEN_MAX,
    MAGNITUDES,
    ROW_BITS,
    ROWS,
    ContextNetwork,
)
from inrcodec.entropy.rans import Tables, normalised
from inrcodec.entropy.syntax import (
    EntropyModel,
    code_cells,
    code_magnitudes,
    code_splits,
    feature_counts,
    table_shapes,
)
from inrcodec.errors import InputError
from inrcodec.signal.prediction import StartNetwork
from inrcodec.signal.restoration import RestorationNetwork
from inrcodec.tile.partition import SIZES, UNIT
from inrcodec.tile.symbols import TileSymbols, cell_extents
from inrcodec.training.checkpoint import load_input
from inrcodec.training.export import quantise_network
from inrcodec.training.fits import fitted_photos
from inrcodec.training.muon import Matrix
from inrcodec.training.task import Export, Metrics, Setting, Start
from inrcodec.training.worker import Worker

FloatArray = NDArray[np.float32]

# One unit of a hidden activation, and of a feature before the first layer.
_UNIT = 64.0
_FEATURE = 32.0
_PRIOR_STRENGTH = 16.0
_CHUNK = 1 << 18
_MATRICES = ("weight1", "bias1", "weight2", "bias2", "weight3", "bias3")


@dataclass(frozen=True)
class Options:
    """The recipe's table ``[contexts]``.

    Attributes:
        starts: file of trained start networks: a result or round file of a `starts` run.
        trained_on: the training data and its licence in words, kept in the codebook.
        rates: codebook whose tables guide the fits; empty to fit with a plain dead zone.
        hidden: widths of the two hidden layers of a context network.
        photos: training photos whose symbols are recorded, at most.
        steps: range of quantiser steps (8-bit units), drawn log-uniformly per photo.
        batch: symbols per outer step and network.
    """

    starts: str
    trained_on: str
    rates: str = ""
    hidden: tuple[int, ...] = (64, 32)
    photos: int = 240
    steps: tuple[float, ...] = (12.0, 220.0)
    batch: int = 4096

    def __post_init__(self) -> None:
        if len(self.hidden) != 2 or len(self.steps) != 2 or min(self.photos, self.batch, *self.hidden) < 1:
            raise InputError("hidden and steps need two values; photos and batch must be positive")


@dataclass
class _Record:
    """Contexts and symbols seen by one network."""

    features: list[NDArray[np.int8]] = field(default_factory=list)
    classes: list[NDArray[np.int8]] = field(default_factory=list)
    symbols: list[NDArray[np.uint8]] = field(default_factory=list)


class _RecordingNetwork(ContextNetwork):
    """Stands in for a context network and keeps what it is asked."""

    def __init__(self, record: _Record, symbols: int) -> None:
        tables = Tables(normalised(np.ones((2 * ROWS, symbols))))
        empty = np.zeros((0, 0), np.float32)
        super().__init__(empty, empty, empty, empty, empty, empty, tables)
        object.__setattr__(self, "record", record)

    record: _Record

    def rows(self, features: FloatArray, table_class: int) -> NDArray[np.int64]:
        """Keeps the features; every row will do."""
        if features.size and np.abs(features).max() > 127:
            raise ValueError("a context feature does not fit 8 bits")
        self.record.features.append(features.astype(np.int8))
        self.record.classes.append(np.full(len(features), table_class, np.int8))
        return np.zeros(len(features), np.int64)


class Recorder:
    """A symbol coder that counts instead of coding.

    Attributes:
        model: an entropy model of uniform tables that the walk can be given.
        counts: of (row, symbol), for the tables of `table_shapes`.
        extents, magnitudes: per size, what the networks saw.
    """

    def __init__(self, modes: int) -> None:
        self.counts = {name: np.zeros(shape) for name, shape in table_shapes(modes).items()}
        self.extents = {s: _Record() for s in SIZES}
        self.magnitudes = {s: _Record() for s in SIZES}
        self.model = EntropyModel(
            **{name: Tables(normalised(np.ones_like(counts))) for name, counts in self.counts.items()},
            extents={s: _RecordingNetwork(self.extents[s], 2 * s) for s in SIZES},
            magnitudes={s: _RecordingNetwork(self.magnitudes[s], MAGNITUDES) for s in SIZES},
        )
        self._homes: dict[int, NDArray[np.float64] | _Record] = {
            id(getattr(self.model, name)): counts for name, counts in self.counts.items()
        }
        for network in (*self.model.extents.values(), *self.model.magnitudes.values()):
            self._homes[id(network.tables)] = network.record  # type: ignore[attr-defined]

    def code(
        self, tables: Tables, rows: NDArray[np.int64], symbols: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """See `inrcodec.entropy.rans.SymbolCoder`."""
        if symbols is None:
            raise ValueError("a recorder needs symbols")
        home = self._homes[id(tables)]
        if isinstance(home, _Record):
            home.symbols.append(symbols.astype(np.uint8))
        else:
            np.add.at(home, (rows, symbols), 1)
        return symbols

    def record(self, symbols: TileSymbols, step: int) -> None:
        """Walks a tile."""
        extents = cell_extents(symbols)
        clipped = {s: np.minimum(np.abs(v), ESCAPE) for s, v in symbols.values.items()}
        partition = symbols.partition
        code_splits(self, self.model, partition.splits.shape, step, partition.splits)
        modes, phases = symbols.modes, symbols.phases
        code_cells(self, self.model, partition, extents.shape[1], step, (modes, phases, extents))
        code_magnitudes(self, self.model, partition, modes, phases, extents, step, clipped)


@dataclass(frozen=True)
class _Part:
    """One network: its name, its data, and where its parameters lie in the flat vector."""

    name: str
    features: Tensor
    classes: Tensor
    symbols: Tensor
    alphabet: int
    shapes: tuple[tuple[int, ...], ...]
    slices: tuple[slice, ...]


class ContextsTask:
    """Training of all context networks side by side."""

    def __init__(
        self,
        options: Options,
        starts: dict[int, StartNetwork],
        recorder: Recorder,
        seed: int,
        worker: Worker,
    ) -> None:
        self.options = options
        self.starts = starts
        self.recorder = recorder
        self.seed = seed
        self.worker = worker
        self.parts = list(self._layout())

    def _layout(self) -> Iterator[_Part]:
        h1, h2 = self.options.hidden
        end = 0
        for kind, inputs in feature_counts(self.starts[UNIT].modes).items():
            for size, record in getattr(self.recorder, kind).items():
                alphabet = 2 * size if kind == "extents" else MAGNITUDES
                tables = (2 * ROWS, alphabet)
                shapes = ((h1, inputs), (h1,), (h2, h1), (h2,), (1, h2), (1,), tables)
                cuts = np.cumsum([end, *(math.prod(shape) for shape in shapes)])
                slices = tuple(slice(int(a), int(b)) for a, b in pairwise(cuts))
                end = int(cuts[-1])
                yield _Part(
                    f"{kind}.{size}",
                    torch.from_numpy(np.concatenate(record.features)),
                    torch.from_numpy(np.concatenate(record.classes)).long(),
                    torch.from_numpy(np.concatenate(record.symbols)).long(),
                    alphabet,
                    shapes,
                    slices,
                )

    def start(self) -> Start:
        """Random hidden layers; tables that grow from all zeros to broad with the row."""
        rng = np.random.default_rng(self.seed)
        pieces = []
        for part in self.parts:
            for shape in part.shapes[:-1]:
                deviation = 1 / math.sqrt(shape[1]) if len(shape) == 2 else 0.0
                pieces.append(rng.normal(0, 1, shape).ravel() * deviation)
            pieces[-1] += ROWS / 3
            symbol = np.arange(part.alphabet, dtype=np.float64)
            row = np.arange(ROWS, dtype=np.float64)[:, None]
            if part.name.startswith("magnitudes"):
                mean = 0.01 * 2 ** (row / 7)
                logits = symbol * np.log(mean / (1 + mean))
            else:
                centre, width = row / (ROWS - 1) * part.alphabet, 0.08 * part.alphabet
                logits = -0.5 * ((symbol - centre) / width) ** 2
            pieces.append(np.tile(logits, (2, 1)).ravel())
        params = np.concatenate(pieces).astype(np.float32)
        hidden = tuple(Matrix(part.slices[i], part.shapes[i][0]) for part in self.parts for i in (0, 2))
        return Start.unprunable(params, hidden)

    def _bits(self, part: _Part, params: Tensor, index: Tensor) -> Tensor:
        """Mean code length of some of a network's symbols."""
        w1, b1, w2, b2, w3, b3, logits = (
            params[s].reshape(shape) for s, shape in zip(part.slices, part.shapes, strict=True)
        )
        largest = HIDDEN_MAX / _UNIT
        x = part.features[index].to(params.dtype) / _FEATURE
        x = (x @ w1.T + b1).clamp(0, largest)
        x = (x @ w2.T + b2).clamp(0, largest)
        # Rows far apart are many: a gain keeps the output weights near one.
        row = (8 * (x @ w3.T)[:, 0] + b3).clamp(0, ROWS - 1.001)
        low = row.floor().long()
        share = (row - low)[:, None]
        base = part.classes[index] * ROWS + low
        mixed = logits[base] * (1 - share) + logits[base + 1] * share
        symbols = part.symbols[index]
        return torch.nn.functional.cross_entropy(mixed, symbols) / math.log(2)

    def loss(self, params: Tensor, mask: Tensor, batch_index: int) -> tuple[Tensor, Metrics]:
        """Sum over networks of the mean code length in bits per symbol."""
        del mask
        losses: dict[str, Tensor] = {}
        for number, part in enumerate(self.parts):
            rng = np.random.default_rng([self.seed, number, batch_index])
            share = self.worker.share(self.options.batch)
            index = torch.from_numpy(rng.integers(0, len(part.symbols), self.options.batch)[share])
            losses[part.name] = self._bits(part, params, index)
        return torch.stack(list(losses.values())).sum(), dict(losses)

    def score(self, params: Tensor, mask: Tensor) -> Tensor:
        """Nothing is pruned here."""
        del mask
        return params.abs()

    def validate(self, params: Tensor, mask: Tensor) -> dict[str, float]:
        """Code length in bits per symbol of the integer networks with recounted tables, on all data."""
        tensors = self.export(params.cpu().numpy(), mask.cpu().numpy()).tensors
        figures = {}
        for part in self.parts:
            network = _integer_network(part, params.cpu().numpy())
            rows = _rows(network, part)
            bits = Tables(tensors[f"{part.name}.tables"]).bits
            figures[part.name] = float(bits[rows, part.symbols.numpy()].mean())
        return figures

    def export(self, params: NDArray[np.float32], mask: NDArray[np.bool_]) -> Export:
        """A codebook without restoration; its tables are counted from the rows of the integer networks."""
        del mask
        tensors: dict[str, NDArray[Any]] = {
            name: _tables(counts, counts.sum(0, keepdims=True))
            for name, counts in self.recorder.counts.items()
        }
        for part in self.parts:
            network = _integer_network(part, params)
            for name in _MATRICES:
                tensors[f"{part.name}.{name}"] = getattr(network, name).astype(np.int32)
            counts = np.zeros((2 * ROWS, part.alphabet))
            np.add.at(counts, (_rows(network, part), part.symbols.numpy()), 1)
            logits = params[part.slices[-1]].reshape(part.shapes[-1])
            prior = np.exp(logits - logits.max(1, keepdims=True))
            tensors[f"{part.name}.tables"] = _tables(counts, prior)
        metadata = {"trained_on": self.options.trained_on}
        return Export(codebook_tensors(self.starts, tensors, RestorationNetwork.identity()), metadata)


def _tables(counts: NDArray[np.floating[Any]], prior: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    """Frequencies of counts, with a few symbols' worth of prior mixed in."""
    share = (prior + 1e-3 * prior.sum(1, keepdims=True)) / prior.sum(1, keepdims=True)
    return normalised(counts + _PRIOR_STRENGTH * share).astype(np.uint16)


def _integer_network(part: _Part, params: NDArray[np.float32]) -> ContextNetwork:
    """The network in the integer arithmetic of `inrcodec.entropy.context_network`."""
    w1, b1, w2, b2, w3, b3 = (
        params[s].reshape(shape).astype(np.float64)
        for s, shape in zip(part.slices[:-1], part.shapes[:-1], strict=True)
    )
    first, second, last = _UNIT * 2 ** HIDDEN_BITS[0], 2.0 ** HIDDEN_BITS[1], 2.0**ROW_BITS
    integers = (
        w1 * first / _FEATURE, b1 * first, w2 * second, b2 * second * _UNIT, w3 * 8 * last / _UNIT, b3 * last,
    )  # fmt: skip
    unused = Tables(normalised(np.ones((1, 2))))
    rounded: list[FloatArray] = [np.rint(m).astype(np.float32) for m in integers]
    return ContextNetwork(**dict(zip(_MATRICES, rounded, strict=True)), tables=unused)


def _rows(network: ContextNetwork, part: _Part) -> NDArray[np.int64]:
    features = part.features.numpy()
    pieces = [
        network.rows(features[i : i + _CHUNK].astype(np.float32), 0) for i in range(0, len(features), _CHUNK)
    ]
    rows: NDArray[np.int64] = np.concatenate(pieces) + part.classes.numpy() * ROWS
    return rows


def build(options: Options, setting: Setting) -> ContextsTask:
    """Fits the photos of the setting's folder and records their symbols."""
    starts = load_starts(options.starts)
    entropy = load_codebook(options.rates).entropy if options.rates else untrained_model(starts[8].modes)
    codebook = Codebook(b"", starts, entropy, RestorationNetwork.identity(), {})
    recorder = Recorder(starts[8].modes)
    tuned = DEFAULT_STEPS if options.rates else 0
    for photo in fitted_photos(setting, "train", codebook, options.photos, options.steps, tuned):
        recorder.record(photo.fit.symbols, photo.step)
    return ContextsTask(options, starts, recorder, setting.seed, setting.worker)


def load_starts(path: str | Path) -> dict[int, StartNetwork]:
    """Start networks of a result or round file of a `starts` run.

    Raises:
        InputError: the file cannot be read, or has no network for a cell size.
    """
    tensors, _ = load_input("starts file", path)
    return {size: quantise_network(size, _parameters(tensors, size)) for size in SIZES}


def _parameters(tensors: Mapping[str, NDArray[Any]], size: int) -> dict[str, NDArray[np.float32]]:
    """Arrays weight1 ... bias3 of one size in a file of start networks."""
    prefix = f"starts.{size}."
    found = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    if not found:
        raise InputError(f"the starts file has no network for cells of {size} samples")
    return found


def untrained_model(modes: int) -> EntropyModel:
    """Uniform tables and constant rows: enough for fits that do not ask for rates."""
    recorder = Recorder(modes)
    return recorder.model
