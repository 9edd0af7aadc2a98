"""Training of the entropy model, on fitted photos.

The encoder itself, with the prediction networks at hand, fits the training photos, each at a random quality
and for one of the tunes; walking their symbols as a coder would records every context and symbol. The
networks are trained on the code length of the tables they choose, interpolated between rows so that gradients
flow; afterwards networks become integers and the tables are counted anew from the rows the integer networks
choose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.codebook import Codebook, codebook_tensors, from_tensors, load_codebook
from inrcodec.decisions.effort import DEFAULT_EFFORT, EFFORTS
from inrcodec.entropy.context_network import HIDDEN_MAX, MAGNITUDES, ROWS, ContextNetwork
from inrcodec.entropy.rans import Tables, normalised
from inrcodec.entropy.syntax import (
    Batch,
    EntropyModel,
    Symbols,
    feature_counts,
    table_shapes,
    walk_tile,
)
from inrcodec.errors import InputError
from inrcodec.signal.prediction import PredictionNetwork
from inrcodec.signal.restoration import RestorationNetwork
from inrcodec.tile.partition import SIZES, UNIT
from inrcodec.tile.symbols import TileSymbols
from inrcodec.training.checkpoint import load_input
from inrcodec.training.export import CONTEXT_FEATURE, CONTEXT_UNIT, context_network, prediction_network
from inrcodec.training.fits import fitted_photos
from inrcodec.training.flat import Slot, consecutive
from inrcodec.training.task import Export, Metrics, Setting, Start, Tensors
from inrcodec.training.worker import Worker

FloatArray = NDArray[np.float32]

_PRIOR_STRENGTH = 16.0
_CHUNK = 1 << 18
_MATRICES = ("weight1", "bias1", "weight2", "bias2", "weight3", "bias3")


@dataclass(frozen=True)
class Options:
    """The recipe's table ``[contexts]``.

    Attributes:
        starts: file of trained prediction networks: a result or round file of a `starts` run, or a codebook.
        trained_on: the training data and its licence in words, kept in the codebook.
        rates: codebook whose tables guide the fits; empty to fit with a plain dead zone.
        hidden: widths of the two hidden layers of a context network.
        fits: fits whose symbols are recorded; photos are fitted again when all have been.
        steps: range of quantiser steps (8-bit units), drawn log-uniformly per fit; see `fitted_photos`.
        batch: symbols per outer step and network.
    """

    starts: str
    trained_on: str
    rates: str = ""
    hidden: tuple[int, ...] = (64, 32)
    fits: int = 240
    steps: tuple[float, ...] = (12.0, 220.0)
    batch: int = 4096

    def __post_init__(self) -> None:
        """Raise InputError for values out of range."""
        if len(self.hidden) != 2 or len(self.steps) != 2 or min(self.fits, self.batch, *self.hidden) < 1:
            raise InputError("hidden and steps need two values; fits and batch must be positive")


@dataclass
class _Record:
    """Contexts and symbols seen by one network."""

    features: list[NDArray[np.int8]] = field(default_factory=list)
    classes: list[NDArray[np.int8]] = field(default_factory=list)
    symbols: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, batch: Batch, symbols: NDArray[np.int64]) -> None:
        """Keeps the contexts of a batch and its symbols."""
        if batch.contexts.size and np.abs(batch.contexts).max() > 127:
            raise ValueError("a context feature does not fit 8 bits")
        self.features.append(batch.contexts.astype(np.int8))
        self.classes.append(np.full(len(symbols), batch.table_class, np.int8))
        self.symbols.append(symbols.astype(np.uint8))


class Recorder:
    """Counts the symbols of tiles instead of coding them.

    Attributes:
        counts: of (row, symbol), for the tables of `table_shapes`.
        seen: per context network, by element and cell size, what it would have been asked.
    """

    def __init__(self, modes: int) -> None:
        """Start from nothing; `modes` are the prediction modes."""
        self._modes = modes
        self.counts = {element: np.zeros(shape) for element, shape in table_shapes(modes).items()}
        self.seen = {element: {s: _Record() for s in SIZES} for element in feature_counts(modes)}

    def record(self, symbols: TileSymbols, step: int) -> None:
        """Walks a tile that was coded at a quantiser step.

        Raises:
            ValueError: a feature does not fit 8 bits.
        """
        known = Symbols.of(symbols)

        def code(batch: Batch) -> NDArray[np.int64]:
            found = known.of_batch(batch)
            if batch.element in self.seen:
                self.seen[batch.element][batch.size].add(batch, found)
            else:
                np.add.at(self.counts[batch.element], (batch.contexts, found), 1)
            return found

        walk_tile(symbols, step, self._modes, code)


@dataclass(frozen=True)
class _Part:
    """One network: its name, its data, and where its parameters lie in the flat vector."""

    name: str
    features: Tensor
    classes: Tensor
    symbols: Tensor
    alphabet: int
    matrices: tuple[Slot, ...]
    tables: Slot


class ContextsTask:
    """Training of all context networks side by side."""

    def __init__(
        self,
        options: Options,
        predictors: dict[int, PredictionNetwork],
        recorder: Recorder,
        seed: int,
        worker: Worker,
    ) -> None:
        """Lay out the networks for what was recorded.

        Args:
            options: the recipe's.
            predictors: prediction network of every cell size, for the codebook.
            recorder: what the symbols were.
            seed: of the initialisation and the batches.
            worker: this process.
        """
        self.options = options
        self.predictors = predictors
        self.recorder = recorder
        self.seed = seed
        self.worker = worker
        self.parts = list(self._layout())

    def _layout(self) -> Iterator[_Part]:
        h1, h2 = self.options.hidden
        end = 0
        for element, inputs in feature_counts(self.predictors[UNIT].modes).items():
            for size, record in self.recorder.seen[element].items():
                alphabet = 2 * size if element == "last_diagonals" else MAGNITUDES
                shapes = ((h1, inputs), (h1,), (h2, h1), (h2,), (1, h2), (1,), (2 * ROWS, alphabet))
                names = (*_MATRICES, "tables")
                *matrices, tables = consecutive(zip(names, shapes, strict=True), end)
                end = tables.stop
                features, classes, symbols = (
                    torch.from_numpy(np.concatenate(arrays)).to(self.worker.device)
                    for arrays in (record.features, record.classes, record.symbols)
                )
                yield _Part(
                    f"{element}.{size}",
                    features,
                    classes.long(),
                    symbols.long(),
                    alphabet,
                    tuple(matrices),
                    tables,
                )

    def start(self) -> Start:
        """Random hidden layers; tables that grow from all zeros to broad with the row."""
        rng = np.random.default_rng(self.seed)
        pieces = []
        for part in self.parts:
            for slot in part.matrices:
                deviation = 1 / math.sqrt(slot.shape[1]) if len(slot.shape) == 2 else 0.0
                pieces.append(rng.normal(0, 1, slot.size) * deviation)
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
        hidden = tuple(part.matrices[i] for part in self.parts for i in (0, 2))
        return Start.unprunable(params, hidden)

    def _bits(self, part: _Part, params: Tensor, index: Tensor) -> Tensor:
        """Mean code length of some of a network's symbols."""
        w1, b1, w2, b2, w3, b3, logits = (slot.of(params) for slot in (*part.matrices, part.tables))
        largest = HIDDEN_MAX / CONTEXT_UNIT
        x = part.features[index].to(params.dtype) / CONTEXT_FEATURE
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

    def batch(self, index: int) -> Tensors:
        """Numbers of symbols, int64 (networks, B)."""
        count = self.options.batch
        rngs = [np.random.default_rng([self.seed, number, index]) for number in range(len(self.parts))]
        drawn = [rng.integers(0, len(p.symbols), count) for rng, p in zip(rngs, self.parts, strict=True)]
        share = np.stack(drawn)[:, self.worker.share(count)]
        return (torch.from_numpy(share).to(self.worker.device, non_blocking=True),)

    def loss(self, params: Tensor, mask: Tensor, batch: Tensors) -> tuple[Tensor, Metrics]:
        """Sum over networks of the mean code length in bits per symbol."""
        del mask
        (drawn,) = batch
        losses = {p.name: self._bits(p, params, index) for p, index in zip(self.parts, drawn, strict=True)}
        return torch.stack(list(losses.values())).sum(), losses

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
            figures[part.name] = float(bits[rows, part.symbols.cpu().numpy()].mean())
        return figures

    def export(self, params: NDArray[np.float32], mask: NDArray[np.bool_]) -> Export:
        """A codebook without restoration; its tables are counted from the rows of the integer networks."""
        del mask
        tensors: dict[str, NDArray[Any]] = {
            element: _tables(counts, counts.sum(0, keepdims=True))
            for element, counts in self.recorder.counts.items()
        }
        for part in self.parts:
            network = _integer_network(part, params)
            for name in _MATRICES:
                tensors[f"{part.name}.{name}"] = getattr(network, name).astype(np.int32)
            counts = np.zeros((2 * ROWS, part.alphabet))
            np.add.at(counts, (_rows(network, part), part.symbols.cpu().numpy()), 1)
            logits = part.tables.of(params)
            prior = np.exp(logits - logits.max(1, keepdims=True))
            tensors[f"{part.name}.tables"] = _tables(counts, prior)
        metadata = {"trained_on": self.options.trained_on}
        return Export(codebook_tensors(self.predictors, tensors, RestorationNetwork.identity()), metadata)


def _tables(counts: NDArray[np.floating[Any]], prior: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    """Frequencies of counts, with a few symbols' worth of prior mixed in."""
    share = (prior + 1e-3 * prior.sum(1, keepdims=True)) / prior.sum(1, keepdims=True)
    return normalised(counts + _PRIOR_STRENGTH * share).astype(np.uint16)


def _integer_network(part: _Part, params: NDArray[np.float32]) -> ContextNetwork:
    """The integer network of a part of the flat vector, but for its tables."""
    return context_network([slot.of(params) for slot in part.matrices])


def _rows(network: ContextNetwork, part: _Part) -> NDArray[np.int64]:
    features = part.features.cpu().numpy()
    pieces = [
        network.rows(features[i : i + _CHUNK].astype(np.float32), 0) for i in range(0, len(features), _CHUNK)
    ]
    rows: NDArray[np.int64] = np.concatenate(pieces) + part.classes.cpu().numpy() * ROWS
    return rows


def build(options: Options, setting: Setting) -> ContextsTask:
    """Fits the photos of the setting's folder and records their symbols."""
    predictors = load_predictors(options.starts)
    modes = predictors[UNIT].modes
    entropy = load_codebook(options.rates).entropy if options.rates else _untrained_model(modes)
    codebook = Codebook(b"", predictors, entropy, RestorationNetwork.identity(), {})
    recorder = Recorder(modes)
    effort = EFFORTS[DEFAULT_EFFORT if options.rates else 1]
    for photo in fitted_photos(setting, "train", codebook, options.fits, options.steps, effort):
        recorder.record(photo.fit.symbols, photo.quantiser.step)
    return ContextsTask(options, predictors, recorder, setting.seed, setting.worker)


def load_predictors(path: str | Path) -> dict[int, PredictionNetwork]:
    """Prediction networks of a result or round file of a `starts` run, or of a codebook.

    Raises:
        InputError: the file cannot be read, or has no network for a cell size.
        FormatError: it is a codebook, and incomplete.
    """
    tensors, metadata = load_input("starts file", path)
    if "splits" in tensors:
        return from_tensors(tensors, metadata).predictors
    return {size: prediction_network(size, _parameters(tensors, size)) for size in SIZES}


def _parameters(tensors: Mapping[str, NDArray[Any]], size: int) -> dict[str, NDArray[np.float32]]:
    """Arrays weight1 ... bias3 of one size in a file of a `starts` run."""
    prefix = f"prediction.{size}."
    found = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    if not found:
        raise InputError(f"the starts file has no network for cells of {size} samples")
    return found


def _untrained_model(modes: int) -> EntropyModel:
    """Uniform tables, and context networks that always choose the same."""
    tables = {e: Tables(normalised(np.ones(shape))) for e, shape in table_shapes(modes).items()}

    def network(inputs: int, symbols: int) -> ContextNetwork:
        first, weight, bias = (np.zeros(shape, np.float32) for shape in ((1, inputs), (1, 1), (1,)))
        tables = Tables(normalised(np.ones((2 * ROWS, symbols))))
        return ContextNetwork(first, bias, weight, bias, weight, bias, tables)

    inputs = feature_counts(modes)
    return EntropyModel(
        tables["splits"],
        tables["modes"],
        tables["transforms"],
        {size: network(inputs["last_diagonals"], 2 * size) for size in SIZES},
        {size: network(inputs["magnitudes"], MAGNITUDES) for size in SIZES},
    )
