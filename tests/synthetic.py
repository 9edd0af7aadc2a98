"""A small codebook and tiles made of integers alone, the same on every machine and for every numpy."""

import hashlib
import zlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from inrcodec.codebook import pack_matrix, serialise
from inrcodec.container import Reader, pack, unpack, write_varint
from inrcodec.entropy import zstd_payload
from inrcodec.entropy.context_network import MAGNITUDES, ROWS
from inrcodec.entropy.payload import read_tile, write_tile
from inrcodec.entropy.rans import PRECISION
from inrcodec.entropy.sign_hiding import telling
from inrcodec.entropy.syntax import DIAGONAL_FEATURES, MAGNITUDE_FEATURES, SPLIT_ROWS, TRANSFORM_FEATURES
from inrcodec.signal.prediction import predicted_harmonics
from inrcodec.signal.restoration import INPUTS, KERNELS, SAMPLES
from inrcodec.tile.partition import SIZES, SPLITS, CellMap, Partition, boundary_size
from inrcodec.tile.symbols import TileSymbols
from inrcodec.tile.transform_types import TRANSFORMS

HIDDEN = 12
MODES = 3
BRANCH = 4
RESTORATION = {
    "head": ([8, 8], (INPUTS, 6), (6, 5)),
    "down": ([8], (20, BRANCH)),
    "branch": ([8, 8], (BRANCH, BRANCH), (BRANCH, BRANCH)),
    "up": ([8], (BRANCH, 20)),
    "tail": ([8, 8, 16], (5, 6), (6, 5), (5, SAMPLES)),
}
"""Shifts of the layers of restoration, and their inputs and outputs."""
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
        "transforms": frequencies("transforms", 27 * MODES, TRANSFORMS),
    }
    for part, (shifts, *channels) in RESTORATION.items():
        tensors[f"restoration.{part}.shifts"] = np.array(shifts, np.int32)
        for layer, (inputs, outputs) in enumerate(channels, 1):
            weight, bias = f"restoration.{part}.weight{layer}", f"restoration.{part}.bias{layer}"
            side = KERNELS[part]
            tensors[weight] = draw(weight, (outputs, inputs, side, side), -60, 60).astype(np.int16)
            tensors[bias] = draw(bias, (outputs,), -9999, 9999)
    for size in SIZES:
        inputs, outputs = boundary_size(size), MODES * len(predicted_harmonics(size))
        shapes = {"1": (HIDDEN, inputs), "2": (HIDDEN, HIDDEN), "3": (outputs, HIDDEN + inputs)}
        for number, shape in shapes.items():
            name = f"prediction.{size}.weight{number}"
            weight = draw(name, shape, -300, 300) * (draw(name + " mask", shape, 0, 3) == 0)
            tensors |= pack_matrix(name, weight)
            tensors[f"prediction.{size}.bias{number}"] = draw(f"{size} bias {number}", shape[:1], -9999, 9999)
        for kind, features, symbols in (
            ("last_diagonals", DIAGONAL_FEATURES + TRANSFORM_FEATURES + MODES, 2 * size),
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


def broken_codebooks():
    """Tensors that do not make a codebook, by what is wrong."""
    tensors = codebook_tensors()
    yield "missing", {n: t for n, t in tensors.items() if n != "modes"}
    yield "missing network", {n: t for n, t in tensors.items() if not n.startswith("prediction.16")}
    for name in (
        "splits",
        "modes",
        "restoration.head.shifts",
        "restoration.head.weight1",
        "restoration.down.weight1",
        "restoration.up.bias1",
        "restoration.tail.weight2",
        "restoration.branch.bias1",
        "last_diagonals.8.tables",
        "magnitudes.32.weight1",
        "prediction.8.bias2",
        "prediction.16.weight1.mask",
        "prediction.16.weight1.survivors",
        "prediction.16.weight1.shape",
    ):
        yield f"short {name}", tensors | {name: tensors[name][:-1]}
        yield f"no axes {name}", tensors | {name: np.array(1, tensors[name].dtype)}
        yield f"floats {name}", tensors | {name: tensors[name].astype(np.float32)}
    yield "distribution", tensors | {"splits": np.ones_like(tensors["splits"])}
    yield "exactness", tensors | {"magnitudes.8.weight2": tensors["magnitudes.8.weight2"] * 60000}
    wide = np.zeros_like(tensors["magnitudes.8.weight1"])
    wide[0, 0] = 1 << 15
    yield "more than 16 bits", tensors | {"magnitudes.8.weight1": wide}
    sums = np.full_like(tensors["prediction.8.bias3"], 2**31 - 1)
    yield "more than 32 bits", tensors | {"prediction.8.bias3": sums}
    for name in ("restoration.head.weight2", "restoration.up.weight1"):
        large = np.full_like(tensors[name], 32000)
        yield f"exactness of {name}", tensors | {name: large}
    for name in ("restoration.branch.weight1", "restoration.down.weight1"):
        lowest = tensors[name].copy()
        lowest.flat[0] = -(1 << 15)
        yield f"a weight of {name}", tensors | {name: lowest}
    for shift in (-1, 25):
        yield f"shift {shift}", tensors | {"restoration.tail.shifts": np.array([8, shift, 16], np.int32)}
    for shape in ([1 << 20, 1 << 20], [-8, -8], [1, 1 << 30]):
        yield f"shape {shape}", tensors | {"prediction.8.weight1.shape": np.array(shape, np.int32)}
    yield (
        "64 bits",
        tensors | {"prediction.8.weight1.shape": tensors["prediction.8.weight1.shape"].astype(np.int64)},
    )
    wrapped = np.full(tensors["splits"].shape, (1 << 64) // 17 + 1, np.uint64)
    wrapped[:, 0] += np.uint64((1 << 14) - int(wrapped[0].sum(dtype=np.uint64)) % (1 << 64) & (1 << 64) - 1)
    assert (wrapped.sum(1, dtype=np.uint64) == 1 << 14).all()
    yield "sums modulo 2^64", tensors | {"splits": wrapped}
    padding = tensors["prediction.8.weight1.mask"].copy()
    padding[-1] |= 1
    yield "padding of a mask", tensors | {"prediction.8.weight1.mask": padding}
    for name in (
        "restoration.up.shifts",
        "restoration.head.bias1",
        "prediction.8.bias1",
        "magnitudes.8.bias2",
    ):
        yield f"column {name}", tensors | {name: tensors[name][:, None]}
    yield "shifts (1, 1)", tensors | {"restoration.up.shifts": np.zeros((1, 1), np.int32)}
    for prefix in ("last_diagonals.16.", "magnitudes.16."):
        # What has no outputs fits what has no inputs.
        hidden = {
            f"{prefix}{part}": tensors[f"{prefix}{part}"][:0]
            for part in ("weight1", "bias1", "weight2", "bias2")
        }
        hidden |= {f"{prefix}weight{n}": tensors[f"{prefix}weight{n}"][:, :0] for n in (2, 3)}
        hidden[f"{prefix}weight2"] = hidden[f"{prefix}weight2"][:0]
        yield f"nothing hidden in {prefix}", tensors | hidden
    for count in (17, 400):
        yield f"{count} layers", tensors | layers(count)
    yield "channels", tensors | broad(257)
    for name, place, value in (
        ("modes", 0, 0),
        ("last_diagonals.8.tables", 3, 16000),
        ("last_diagonals.16.weight2", 5, 1 << 20),
        ("last_diagonals.16.bias3", 0, -(1 << 31)),
        ("prediction.8.bias3", 0, (1 << 31) - 1),
        ("prediction.16.weight2.shape", 0, 1 << 30),
    ):
        changed = tensors[name].copy()
        changed.flat[place] = value
        yield f"a number of {name}", tensors | {name: changed}
    yield "modes of a network", tensors | {"prediction.32.bias3": tensors["prediction.32.bias3"][:-136]}
    yield (
        "length of a mask",
        tensors | {"prediction.8.weight1.mask": np.append(tensors["prediction.8.weight1.mask"], padding[:1])},
    )
    yield "no layers", tensors | {"restoration.branch.shifts": np.zeros(0, np.int32)}
    yield "another tensor", tensors | {"more": np.zeros(1, np.int32)}
    yield (
        "too wide",
        tensors
        | {
            f"last_diagonals.8.{name}": np.zeros(shape, np.int32)
            for name, shape in (
                ("weight1", (513, 25 + MODES)),
                ("bias1", 513),
                ("weight2", (6, 513)),
            )
        },
    )


def broad(channels):
    """Restoration whose branch has so many channels, which do nothing."""
    shapes = {
        "branch.weight1": (channels, BRANCH, 3, 3),
        "branch.weight2": (channels, channels, 3, 3),
        "up.weight1": (20, channels, 1, 1),
    }
    weights = {name: np.zeros(shape, np.int16) for name, shape in shapes.items()}
    biases = {f"branch.bias{number}": np.zeros(channels, np.int32) for number in (1, 2)}
    return {f"restoration.{name}": tensor for name, tensor in (weights | biases).items()}


def layers(count):
    """Restoration whose head, branch and tail have so many layers, which do nothing."""
    result = {}
    for part, first, inner, last in (
        ("head", INPUTS, 5, 5),
        ("branch", BRANCH, BRANCH, BRANCH),
        ("tail", 5, 5, SAMPLES),
    ):
        result[f"restoration.{part}.shifts"] = np.zeros(count, np.int32)
        for layer, (inputs, outputs) in enumerate(pairwise([first, *[inner] * (count - 1), last]), 1):
            result[f"restoration.{part}.weight{layer}"] = np.zeros((outputs, inputs, 3, 3), np.int16)
            result[f"restoration.{part}.bias{layer}"] = np.zeros(outputs, np.int32)
    return result


def cells_of(partition, channels):
    """Cells of planes, residuals of which reach up to all kinds of diagonals."""
    sizes = partition.size[partition.owner]
    last = np.stack([(7 * partition.owner + plane) % (2 * sizes) for plane in range(channels)])
    return CellMap(partition.owner, sizes, last)


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
    transforms = draw(f"{name} transforms", partition.size.shape, 0, TRANSFORMS - 1)
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


def sealed(body):
    """A file with the checksum of its content."""
    return bytes(body) + zlib.crc32(body).to_bytes(4, "little")


def weakened(file, strength):
    """The same file with another strength of restoration."""
    return pack(replace(unpack(file), strength=strength))


def with_extensions(file, extensions):
    """A file with extensions, which no writer of today has."""
    reader = Reader(file[5:])
    flags = reader.varint(1 << 14)
    fixed = pack(replace(unpack(file), sections={}, tiles=(b"",)))
    without_sections = Reader(fixed[5:-4])
    without_sections.varint(1 << 14)
    fields = reader.take(without_sections.left)
    return sealed(file[:5] + write_varint(flags | 256) + fields + extensions + reader.take(reader.left - 4))


def drawing():
    """Text and flat shapes, (96, 160, 3)."""
    image = Image.new("RGB", (160, 96), "white")
    draw = ImageDraw.Draw(image)
    for row in range(4):
        draw.text(
            (6, 6 + 22 * row), "The quick brown fox jumps", fill=(0, 0, 0) if row % 2 else (200, 30, 30)
        )
    draw.ellipse((90, 30, 150, 80), fill=(40, 90, 200))
    return np.asarray(image)
