"""A tile's integers as bytes, with either entropy coder. No torch, no floats that decide a symbol."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from inrcodec.container import Reader, write_varint
from inrcodec.entropy.context_network import ESCAPE
from inrcodec.entropy.rans import Decoder, Encoder
from inrcodec.entropy.sign_hiding import hidden_signs
from inrcodec.entropy.syntax import EntropyModel, code_cells, code_magnitudes, code_splits
from inrcodec.errors import FormatError
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.partition import BLOCK, SIZES, SPLITS, Partition
from inrcodec.tile.symbols import PHASES, TileSymbols, cell_extents
from inrcodec.zstd import compress, decompress

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_MAX_LANES_LOG = 12
_BITS_PER_LANE = 12000
"""A lane costs about 17 bits: one per this many bits keeps that below 0.2 %."""


def write_tile(symbols: TileSymbols, step: int, model: EntropyModel, entropy: str) -> bytes:
    """Bytes of a tile's integers.

    Args:
        symbols: the integers.
        step: quantiser step in fixed-point units (a context).
        model: tables and context networks.
        entropy: "rans" or "zstd".

    Raises:
        ValueError: a sign is not what `signs` hides ("rans").
    """
    return _write_zstd(symbols) if entropy == "zstd" else _write_rans(symbols, step, model)


def read_tile(
    data: bytes, blocks: tuple[int, int], channels: int, step: int, model: EntropyModel, entropy: str
) -> TileSymbols:
    """Inverse of `write_tile`.

    Args:
        data: the bytes.
        blocks: block rows and columns of the tile.
        channels: 1 or 3.
        step: quantiser step in fixed-point units.
        model: tables and context networks.
        entropy: "rans" or "zstd".

    Raises:
        FormatError: the bytes are not a tile of that shape.
    """
    if entropy == "zstd":
        symbols = _read_zstd(data, blocks, channels, model)
    else:
        symbols = _read_rans(data, blocks, channels, step, model)
    if any(np.abs(v).max(initial=0) * step > WEIGHT_MAX for v in symbols.values.values()):
        raise FormatError("a coded value is out of range")
    return symbols


def _write_rans(symbols: TileSymbols, step: int, model: EntropyModel) -> bytes:
    partition = symbols.partition
    coder = Encoder()
    code_splits(coder, model, partition.splits.shape, step, partition.splits)
    extents = cell_extents(symbols)
    code_cells(coder, model, partition, extents.shape[1], step, (symbols.modes, symbols.phases, extents))
    clipped = {s: np.minimum(np.abs(v), ESCAPE) for s, v in symbols.values.items()}
    code_magnitudes(coder, model, partition, symbols.modes, symbols.phases, extents, step, clipped)
    plain = _plain_bits(symbols.values)
    lanes_log = max(0, min(_MAX_LANES_LOG, round(np.log2(max(1.0, coder.bits / _BITS_PER_LANE)))))
    stream = coder.finish(1 << lanes_log)
    return bytes([lanes_log]) + write_varint(len(stream)) + stream + plain


def _read_rans(
    data: bytes, blocks: tuple[int, int], channels: int, step: int, model: EntropyModel
) -> TileSymbols:
    reader = Reader(data)
    lanes_log = reader.take(1)[0]
    if lanes_log > _MAX_LANES_LOG:
        raise FormatError("a number in the file is out of range")
    coder = Decoder(reader.take(reader.varint(reader.left)), 1 << lanes_log)
    partition = Partition.from_splits(code_splits(coder, model, blocks, step, None))
    modes, phases, extents = code_cells(coder, model, partition, channels, step, None)
    magnitudes = code_magnitudes(coder, model, partition, modes, phases, extents, step, None)
    coder.finish()
    values = _with_plain_bits(magnitudes, reader.take(reader.left))
    return TileSymbols(partition, modes, phases, values)


def _flat(values: dict[int, IntArray]) -> IntArray:
    return np.concatenate([values[s].ravel() for s in SIZES])


def _plain_bits(values: dict[int, IntArray]) -> bytes:
    """Signs of non-zero values that are not hidden, then every escaped excess in Exp-Golomb code."""
    flat = _flat(values)
    hidden, negative = _hidden_signs({s: np.abs(v) for s, v in values.items()})
    if np.any((flat < 0)[hidden] != negative[hidden]):
        raise ValueError("a hidden sign is not what the magnitudes tell")
    signs = flat[(flat != 0) & ~hidden] < 0
    excess = np.abs(flat[np.abs(flat) >= ESCAPE]) - ESCAPE + 1
    # Excess e >= 1 of n + 1 binary digits: n zeros, then the digits.
    digits = np.floor(np.log2(excess)).astype(np.int64) if len(excess) else excess
    length = 2 * digits + 1
    owner = np.repeat(np.arange(len(excess)), length)
    position = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length)
    shift = length[owner] - 1 - position
    tail = (excess[owner] >> np.minimum(shift, 62)) & 1
    return np.packbits(np.concatenate([signs, tail.astype(bool)])).tobytes()


def _hidden_signs(magnitudes: dict[int, IntArray]) -> tuple[BoolArray, BoolArray]:
    """`hidden_signs` of all sizes, flat."""
    parts = [[mask.ravel() for mask in hidden_signs(magnitudes[s])] for s in SIZES]
    hidden, negative = (np.concatenate(masks) for masks in zip(*parts, strict=True))
    return hidden, negative


def _with_plain_bits(magnitudes: dict[int, IntArray], data: bytes) -> dict[int, IntArray]:
    flat = _flat(magnitudes)
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    hidden, negative = _hidden_signs(magnitudes)
    written = np.flatnonzero((flat != 0) & ~hidden)
    escaped = np.flatnonzero(flat == ESCAPE)
    if len(bits) < len(written):
        raise FormatError("the signs are truncated")
    at = len(written)
    ones = np.flatnonzero(bits[at:]) + at
    for index in escaped.tolist():
        found = np.searchsorted(ones, at)
        zeros = int(ones[found]) - at if found < len(ones) else len(bits)
        end = at + 2 * zeros + 1
        if zeros > 20 or end > len(bits):
            raise FormatError("an escaped value is corrupt")
        value = int.from_bytes(np.packbits(bits[at:end]).tobytes(), "big") >> (-(2 * zeros + 1) % 8)
        flat[index] += value - 1
        at = end
    if len(bits) - at > 7 or bits[at:].any():
        raise FormatError("the tile has bytes left over")
    shapes = {s: v.shape for s, v in magnitudes.items()}
    if len(escaped):
        _, negative = _hidden_signs(_split(flat, shapes))
    negative[written] = bits[: len(written)] == 1
    flat[negative] *= -1
    return _split(flat, shapes)


def _split(flat: IntArray, shapes: Mapping[int, tuple[int, ...]]) -> dict[int, IntArray]:
    sizes = [int(np.prod(shapes[s])) for s in SIZES]
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return {s: part.reshape(shapes[s]) for s, part in zip(SIZES, parts, strict=True)}


def _write_zstd(symbols: TileSymbols) -> bytes:
    """Splits, modes and phases as bytes, values harmonic by harmonic in the narrowest type as byte planes."""
    values = [np.moveaxis(symbols.values[s], 0, -1).ravel() for s in SIZES]
    flat = np.concatenate(values)
    width = next(w for w in (1, 2, 4) if np.abs(flat).max(initial=0) < 1 << (8 * w - 1))
    planes = flat.astype(f"<i{width}").view(np.uint8).reshape(-1, width).T
    small = (symbols.partition.splits, symbols.modes, symbols.phases)
    body = b"".join(numbers.astype(np.uint8).tobytes() for numbers in small)
    return bytes([width]) + compress(body + planes.tobytes(), tells_size=False)


def _read_zstd(data: bytes, blocks: tuple[int, int], channels: int, model: EntropyModel) -> TileSymbols:
    reader = Reader(data)
    width = reader.take(1)[0]
    if width not in (1, 2, 4):
        raise FormatError("a number in the file is out of range")
    count = blocks[0] * blocks[1]
    samples = channels * count * BLOCK * BLOCK
    # The largest body there can be (a block's split, modes and phases of 16 cells, values): no more is ever
    # decompressed, whatever the frame declares.
    largest = count * 33 + samples * width
    body = Reader(decompress(reader.take(reader.left), largest))
    splits = np.frombuffer(body.take(count), np.uint8).astype(np.int64).reshape(blocks)
    if splits.max() >= SPLITS:
        raise FormatError("a coded value is out of range")
    partition = Partition.from_splits(splits)
    modes, phases = (
        np.frombuffer(body.take(len(partition.size)), np.uint8).astype(np.int64) for _ in range(2)
    )
    if modes.max() >= model.mode_count or phases.max() >= PHASES:
        raise FormatError("a coded value is out of range")
    planes = np.frombuffer(body.take(samples * width), np.uint8).reshape(width, samples)
    if body.left:
        raise FormatError("the tile has bytes left over")
    flat = np.ascontiguousarray(planes.T).view(f"<i{width}")[:, 0].astype(np.int64)
    shapes = {s: (channels, s, s, len(partition.of_size(s))) for s in SIZES}
    values = {s: np.moveaxis(v, -1, 0) for s, v in _split(flat, shapes).items()}
    return TileSymbols(partition, modes, phases, values)
