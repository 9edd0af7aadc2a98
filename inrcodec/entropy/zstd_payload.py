"""A tile's integers as one zstd frame, and back: for comparison, and for decoders without a context coder."""

import numpy as np

from inrcodec.container import Reader
from inrcodec.entropy.payload import split_sizes, within_range
from inrcodec.errors import FormatError
from inrcodec.tile.partition import BLOCK, SIZES, SPLITS, Partition
from inrcodec.tile.symbols import TileSymbols
from inrcodec.tile.transform_types import TRANSFORMS
from inrcodec.zstd import compress, decompress


def write_tile(symbols: TileSymbols) -> bytes:
    """Splits, modes and transform types as bytes; residuals, harmonic by harmonic, in the narrowest type."""
    residuals = [np.moveaxis(symbols.residuals[s], 0, -1).ravel() for s in SIZES]
    flat = np.concatenate(residuals)
    width = next(w for w in (1, 2, 4) if np.abs(flat).max(initial=0) < 1 << (8 * w - 1))
    planes = flat.astype(f"<i{width}").view(np.uint8).reshape(-1, width).T
    small = (symbols.partition.splits, symbols.modes, symbols.transforms)
    body = b"".join(numbers.astype(np.uint8).tobytes() for numbers in small)
    return bytes([width]) + compress(body + planes.tobytes(), tells_size=False)


def read_tile(data: bytes, blocks: tuple[int, int], channels: int, step: int, mode_count: int) -> TileSymbols:
    """Inverse of `write_tile`.

    Args:
        data: the bytes.
        blocks: block rows and columns of the tile.
        channels: 1 or 3.
        step: quantiser step in fixed-point units.
        mode_count: number of prediction modes.

    Raises:
        FormatError: the bytes are not a tile of that shape.
    """
    reader = Reader(data)
    width = reader.take(1)[0]
    if width not in (1, 2, 4):
        raise FormatError("a number in the file is out of range")
    count = blocks[0] * blocks[1]
    samples = channels * count * BLOCK * BLOCK
    # The largest body there can be (a block's split, modes and transforms of 16 cells, residuals): no more is
    # ever decompressed, whatever the frame declares.
    largest = count * 33 + samples * width
    body = Reader(decompress(reader.take(reader.left), largest))
    splits = np.frombuffer(body.take(count), np.uint8).astype(np.int64).reshape(blocks)
    if splits.max() >= SPLITS:
        raise FormatError("a coded value is out of range")
    partition = Partition.from_splits(splits)
    modes, transforms = (
        np.frombuffer(body.take(len(partition.size)), np.uint8).astype(np.int64) for _ in range(2)
    )
    if modes.max() >= mode_count or transforms.max() >= TRANSFORMS:
        raise FormatError("a coded value is out of range")
    planes = np.frombuffer(body.take(samples * width), np.uint8).reshape(width, samples)
    if body.left:
        raise FormatError("the tile has bytes left over")
    flat = np.ascontiguousarray(planes.T).view(f"<i{width}")[:, 0].astype(np.int64)
    shapes = {s: (channels, s, s, len(partition.of_size(s))) for s in SIZES}
    residuals = {s: np.moveaxis(v, -1, 0) for s, v in split_sizes(flat, shapes).items()}
    return within_range(TileSymbols(partition, modes, transforms, residuals), step)
