"""A small codebook and tiles made of integers alone, the same on every machine and for every numpy."""

import hashlib
from dataclasses import replace

import numpy as np

from inrcodec.codebook import pack_matrix, serialise
from inrcodec.entropy import zstd_payload
from inrcodec.entropy.context_network import MAGNITUDES, ROWS
from inrcodec.entropy.payload import read_tile, write_tile
from inrcodec.entropy.rans import PRECISION
from inrcodec.entropy.sign_hiding import hidden_signs
from inrcodec.entropy.syntax import DIAGONAL_FEATURES, MAGNITUDE_FEATURES, SPLIT_ROWS, TRANSFORM_FEATURES
from inrcodec.signal.prediction import predicted_harmonics
from inrcodec.signal.restoration import INPUTS, SAMPLES
from inrcodec.tile.partition import SIZES, SPLITS, Partition, boundary_size
from inrcodec.tile.symbols import TRANSFORMS, TileSymbols

HIDDEN = 12
MODES = 3
METADATA = {"recipe": {"name": "synthetic"}, "trained_on": "nothing"}


def draw(name, shape, low, high):
    """Integers in [low, high] that depend on the name only."""
    count = int(np.prod(shape))
    digest = hashlib.shake_128(name.encode()).digest(4 * count)
    numbers = np.frombuffer(digest, "<u4").astype(np.int64)
    return (low + numbers % (high - low + 1)).reshape(shape)


def frequencies(name, rows, symbols):
    """Frequency tables in which small symbols are likely."""
    total = 1 << PRECISION
    raw = draw(name, (rows, symbols), 1, 1000) // (1 + np.arange(symbols)) + 1
    result = 1 + raw * (total - symbols) // raw.sum(1, keepdims=True)
    result[:, 0] += total - result.sum(1)
    return result.astype(np.uint16)


def codebook_tensors():
    """Tensors of the codebook file."""
    tensors = {
        "splits": frequencies("splits", SPLIT_ROWS, SPLITS),
        "modes": frequencies("modes", 9 * (MODES + 1) ** 2, MODES),
        "phases": frequencies("phases", 27 * MODES, TRANSFORMS),
        "restoration.shifts": np.array([8, 8, 16], np.int32),
    }
    for layer, (inputs, outputs) in enumerate(((INPUTS, 6), (6, 5), (5, SAMPLES)), 1):
        weight, bias = f"restoration.weight{layer}", f"restoration.bias{layer}"
        tensors[weight] = draw(weight, (outputs, inputs, 3, 3), -60, 60).astype(np.int16)
        tensors[bias] = draw(bias, (outputs,), -9999, 9999)
    for size in SIZES:
        inputs, outputs = boundary_size(size), MODES * len(predicted_harmonics(size))
        shapes = {"1": (HIDDEN, inputs), "2": (HIDDEN, HIDDEN), "3": (outputs, HIDDEN + inputs)}
        for number, shape in shapes.items():
            name = f"starts.{size}.weight{number}"
            weight = draw(name, shape, -300, 300) * (draw(name + " mask", shape, 0, 3) == 0)
            tensors |= pack_matrix(name, weight)
            tensors[f"starts.{size}.bias{number}"] = draw(f"{size} bias {number}", shape[:1], -9999, 9999)
        for kind, features, symbols in (
            ("extents", DIAGONAL_FEATURES + TRANSFORM_FEATURES + MODES, 2 * size),
            ("magnitudes", MAGNITUDE_FEATURES + TRANSFORM_FEATURES + MODES, MAGNITUDES),
        ):
            prefix = f"{kind}.{size}."
            for number, shape in {"1": (8, features), "2": (6, 8), "3": (1, 6)}.items():
                weight = draw(f"{prefix}weight{number}", shape, -40, 60)
                tensors[f"{prefix}weight{number}"] = weight.astype(np.int32)
                tensors[f"{prefix}bias{number}"] = draw(f"{prefix}bias{number}", shape[:1], 0, 4000)
            tensors[f"{prefix}tables"] = frequencies(f"{prefix}tables", 2 * ROWS, symbols)
    return {
        name: tensor.astype(np.int32) if tensor.dtype == np.int64 else tensor
        for name, tensor in tensors.items()
    }


def codebook_bytes():
    """The codebook file."""
    return serialise(codebook_tensors(), METADATA)


def telling(residuals):
    """Residuals (n, C, size, size) with the signs that their magnitudes hide."""
    hidden, negative = hidden_signs(np.abs(residuals))
    return np.where(hidden, np.where(negative, -1, 1) * np.abs(residuals), residuals)


def tile_symbols(name, blocks, channels, largest=40, sparsity=12):
    """Integers of a tile: one value in `sparsity` may be other than zero."""
    partition = Partition.from_splits(draw(f"{name} splits", blocks, 0, SPLITS - 1))
    residuals = {}
    for size in SIZES:
        shape = (len(partition.of_size(size)), channels, size, size)
        value = draw(f"{name} values {size}", shape, -largest, largest)
        kept = draw(f"{name} kept {size}", shape, 1, sparsity) == 1
        last = draw(f"{name} reach {size}", (*shape[:2], 1, 1), 0, 2 * size)
        order = np.add.outer(np.arange(size), np.arange(size))
        residuals[size] = telling(value * (kept & (order < last)))
    modes = draw(f"{name} modes", partition.size.shape, 0, MODES - 1)
    transforms = draw(f"{name} phases", partition.size.shape, 0, TRANSFORMS - 1)
    symbols = TileSymbols(partition, modes, transforms, residuals)
    # A cell without luma has no transform type.
    return replace(symbols, transforms=transforms * (symbols.last_diagonals[:, 0] > 0))


def write_payload(symbols, step, model, entropy):
    """Bytes of a tile with either entropy coder."""
    return zstd_payload.write_tile(symbols) if entropy == "zstd" else write_tile(symbols, step, model)


def read_payload(data, blocks, channels, step, model, entropy):
    """Inverse of `write_payload`."""
    if entropy == "zstd":
        return zstd_payload.read_tile(data, blocks, channels, step, model.mode_count)
    return read_tile(data, blocks, channels, step, model)
