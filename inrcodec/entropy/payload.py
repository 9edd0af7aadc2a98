"""A tile's integers as rANS-coded bytes, and back. No floats that decide a symbol."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from inrcodec.container import Reader, write_varint
from inrcodec.entropy.context_network import ESCAPE
from inrcodec.entropy.rans import Decoder, Encoder
from inrcodec.entropy.sign_hiding import hidden_signs
from inrcodec.entropy.syntax import (
    Batch,
    EntropyModel,
    Symbols,
    follow,
    walk_cells,
    walk_magnitudes,
    walk_splits,
    walk_tile,
)
from inrcodec.errors import FormatError
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.partition import BLOCK, SIZES, UNIT, Partition
from inrcodec.tile.symbols import TileSymbols

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_LEAST_BLOCKS_OF_LANE = 64
"""A lane costs about 17 bits: a thousandth of what so many blocks of a photo take at a low rate."""
_MOST_ZEROS = 20
"""Before an excess."""
_SIGN_AND_EXCESS_BITS = 1 + 2 * _MOST_ZEROS + 1
"""Most plain bits of a quantised residual."""


def write_tile(symbols: TileSymbols, step: int, model: EntropyModel) -> bytes:
    """Bytes of a tile's integers.

    Args:
        symbols: the integers.
        step: quantiser step in fixed-point units (a context).
        model: tables and context networks.

    Raises:
        ValueError: a sign is not what `sign_hiding` hides.
    """
    coder, known = Encoder(), Symbols.of(symbols)

    def code(batch: Batch) -> IntArray:
        found = known.of_batch(batch)
        coder.encode(*model.rows(batch), found)
        return found

    walk_tile(symbols, step, model.mode_count, code)
    plain = _plain_bits(symbols.residuals)
    stream = coder.finish(lanes(symbols.partition.splits.size))
    return write_varint(len(stream)) + stream + plain


def lanes(blocks: int) -> int:
    """Lanes of the stream of a tile: a power of two.

    A decoder that takes a lane's worth of symbols at a time would be slow with few of them, so their number
    is not left to the file.

    Args:
        blocks: of the tile, at least 1.
    """
    share: int = max(1, blocks // _LEAST_BLOCKS_OF_LANE)
    return 1 << (share.bit_length() - 1)


def read_tile(
    data: bytes, blocks: tuple[int, int], channels: int, step: int, model: EntropyModel
) -> TileSymbols:
    """Inverse of `write_tile`.

    Args:
        data: the bytes.
        blocks: block rows and columns of the tile.
        channels: 1 or 3.
        step: quantiser step in fixed-point units.
        model: tables and context networks.

    Raises:
        FormatError: the bytes are not a tile of that shape.
    """
    reader = Reader(data)
    stream = reader.take(reader.varint(reader.left))
    samples = blocks[0] * blocks[1] * BLOCK * BLOCK * channels
    # A symbol reads a word at most. A block has a split, up to 16 cells of 2 + C symbols, and residuals.
    symbols = blocks[0] * blocks[1] * (1 + (BLOCK // UNIT) ** 2 * (2 + channels)) + samples
    width = lanes(blocks[0] * blocks[1])
    if len(stream) > 4 * width + 2 * symbols or 8 * reader.left > samples * _SIGN_AND_EXCESS_BITS + 7:
        raise FormatError("the tile has bytes left over")
    coder = Decoder(stream, width)

    def code(batch: Batch) -> IntArray:
        return coder.decode(*model.rows(batch))

    modes_of = model.mode_count
    partition = Partition.from_splits(follow(walk_splits(blocks, step), code))
    modes, transforms, last = follow(walk_cells(partition, channels, step, modes_of), code)
    magnitudes = follow(walk_magnitudes(partition, modes, transforms, last, step, modes_of), code)
    coder.finish()
    residuals = _with_plain_bits(magnitudes, reader.take(reader.left))
    return within_range(TileSymbols(partition, modes, transforms, residuals), step)


def within_range(symbols: TileSymbols, step: int) -> TileSymbols:
    """The symbols, if no residual exceeds what reconstruction is exact for.

    Args:
        symbols: the symbols.
        step: quantiser step in fixed-point units.

    Raises:
        FormatError: one does.
    """
    if any(np.abs(v).max(initial=0) * step > WEIGHT_MAX for v in symbols.residuals.values()):
        raise FormatError("a coded value is out of range")
    return symbols


def _flat(residuals: dict[int, IntArray]) -> IntArray:
    """Residuals of all sizes, one after the other."""
    return np.concatenate([residuals[s].ravel() for s in SIZES])


def _plain_bits(residuals: dict[int, IntArray]) -> bytes:
    """Signs of non-zero residuals that are not hidden, then every escaped excess in Exp-Golomb code."""
    flat = _flat(residuals)
    hidden, negative = _hidden_signs({s: np.abs(v) for s, v in residuals.items()})
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
    # Text, because nothing in Python finds a one and reads the digits behind it faster.
    text = (bits[len(written) :] | ord("0")).tobytes()
    at = 0
    for index in escaped.tolist():
        one = text.find(b"1", at)
        end = 2 * one - at + 1
        if not 0 <= one - at <= _MOST_ZEROS or end > len(text):
            raise FormatError("an escaped value is corrupt")
        flat[index] += int(text[one:end], 2) - 1
        at = end
    if len(text) - at > 7 or b"1" in text[at:]:
        raise FormatError("the tile has bytes left over")
    shapes = {s: v.shape for s, v in magnitudes.items()}
    if len(escaped):
        _, negative = _hidden_signs(split_sizes(flat, shapes))
    negative[written] = bits[: len(written)] == 1
    flat[negative] *= -1
    return split_sizes(flat, shapes)


def split_sizes(flat: IntArray, shapes: Mapping[int, tuple[int, ...]]) -> dict[int, IntArray]:
    """What lies one after the other as arrays of given shapes, size by size.

    Args:
        flat: (n,) as many values as the shapes hold, in the order of `SIZES`.
        shapes: per size.
    """
    sizes = [int(np.prod(shapes[s])) for s in SIZES]
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return {s: part.reshape(shapes[s]) for s, part in zip(SIZES, parts, strict=True)}
