"""What the worst files cost: `python -m inrcodec.bench.hostile [--side SAMPLES]`.

Makes files that are as dear to decode as the format lets them be, checksum and all, and files that must be
refused, and decodes each in fresh processes of one thread, with every kernel set. The table says what became
of it, seconds of processor time, and how much the resident memory of the process grew; per megapixel that is
decoded, too. The first row is an ordinary photo to compare with.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage import data

import inrcodec
from inrcodec.bench.memory import peak_mib
from inrcodec.codebook import Codebook, load_codebook
from inrcodec.container import TILE, Container, pack, tile_grid, write_varint
from inrcodec.entropy import payload, zstd_payload
from inrcodec.entropy.sign_hiding import telling
from inrcodec.errors import InrCodecError
from inrcodec.kernels import VARIABLE, compiled, select
from inrcodec.runtime.threads import ONE_THREAD
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.partition import BLOCK, SIZES, SPLITS, Partition
from inrcodec.tile.symbols import TileSymbols
from inrcodec.tile.transform_types import TRANSFORMS

IntArray = npt.NDArray[np.int64]
_STEP = 16


@dataclass(frozen=True)
class Case:
    """A file, and how it is decoded.

    Attributes:
        name: what is bad about it.
        content: the file.
        size: (width, height) of the output instead of its own.
    """

    name: str
    content: bytes
    size: tuple[int, int] | None = None


def cases(side: int) -> Iterator[Case]:
    """Files, most of them of one tile.

    Args:
        side: of pictures in pixels, a multiple of `BLOCK` and at most `TILE`.
    """
    book, rng = load_codebook(), np.random.default_rng(0)
    photo = data.astronaut()  # type: ignore[no-untyped-call]
    photo = np.tile(photo, (2, 2, 1))[:side, :side]
    yield Case("an ordinary photo at quality 90", inrcodec.encode(photo, quality=90))

    def noise(shape: tuple[int, ...]) -> IntArray:
        return rng.integers(-4, 5, shape)

    def corners(shape: tuple[int, ...]) -> IntArray:
        """Zeros that are coded, up to the last harmonic."""
        values = np.zeros(shape, np.int64)
        values[..., -1, -1] = 1
        return values

    def escapes(shape: tuple[int, ...]) -> IntArray:
        return rng.integers(15, WEIGHT_MAX // _STEP, shape)

    yield Case("every weight coded, nearly all 0", _tile_file(book, side, 0, corners))
    yield Case("noise in every weight", _tile_file(book, side, 0, noise))
    yield Case("noise in every weight, smallest cells", _tile_file(book, side, SPLITS - 1, noise))
    yield Case("every weight escaped", _tile_file(book, side, 0, escapes))
    yield Case("every weight escaped, zstd", _tile_file(book, side, SPLITS - 1, escapes, "zstd"))
    yield Case("a row of 1 x 32 tiles", _strip_file(book, side))
    yield Case("nothing in 16 times as many pixels", large := _flat_file(book, 4 * side))
    for size in ((4 * side, 1), (1, 1)):
        yield Case(f"the same at {size[0]} x {size[1]}", large, size)
    tile = payload.write_tile(
        _symbols(book, (1, 1), 0, lambda shape: np.zeros(shape, np.int64)), _STEP, book.entropy
    )
    yield Case("32 MiB of plain bits that no tile needs", _file(book, 1, 1, tile + b"\xff" * (32 << 20)))
    words = write_varint(64 << 20) + b"\0\0\1\0" * (16 << 20)
    yield Case("64 MiB of words that no tile needs", _file(book, 1, 1, words))
    body = _file(book, 1, 1, tile)[:10] + b"\x80" * (10 << 20)
    yield Case("a width that does not end", body + zlib.crc32(body).to_bytes(4, "little"))


def _symbols(
    book: Codebook, blocks: tuple[int, int], split: int, residuals: Callable[[tuple[int, ...]], IntArray]
) -> TileSymbols:
    """A tile all of whose blocks are cut alike; modes and transform types at random."""
    rng = np.random.default_rng(1)
    partition = Partition.from_splits(np.full(blocks, split))
    values = {}
    for size in SIZES:
        values[size] = telling(residuals((len(partition.of_size(size)), 3, size, size)))
    cells = partition.size.shape
    modes, transforms = rng.integers(0, book.entropy.mode_count, cells), rng.integers(0, TRANSFORMS, cells)
    symbols = TileSymbols(partition, modes, transforms, values)
    transforms *= symbols.last_diagonals[:, 0] > 0
    return symbols


def _file(book: Codebook, width: int, height: int, *tiles: bytes, entropy: str = "rans") -> bytes:
    return pack(Container(width, height, False, _STEP, book.id, entropy, tiles))


def _tile_file(
    book: Codebook,
    side: int,
    split: int,
    residuals: Callable[[tuple[int, ...]], IntArray],
    entropy: str = "rans",
) -> bytes:
    symbols = _symbols(book, (side // BLOCK, side // BLOCK), split, residuals)
    if entropy == "zstd":
        return _file(book, side, side, zstd_payload.write_tile(symbols), entropy=entropy)
    return _file(book, side, side, select("cpu").write_tile(symbols, _STEP, book.entropy))


def _strip_file(book: Codebook, side: int) -> bytes:
    """A picture of one row: 31 of 32 samples that are decoded are not shown."""
    corner = _symbols(book, (1, side // BLOCK), 0, lambda shape: np.full(shape, 20))
    tile = select("cpu").write_tile(corner, _STEP, book.entropy)
    width = 32 * TILE if side == TILE else side
    return _file(book, width, 1, *[tile] * tile_grid(width, 1)[1])


def _flat_file(book: Codebook, side: int) -> bytes:
    length = min(side, TILE)
    symbols = _symbols(book, (length // BLOCK, length // BLOCK), 0, lambda shape: np.zeros(shape, np.int64))
    tile = select("cpu").write_tile(symbols, _STEP, book.entropy)
    return _file(book, side, side, *[tile] * (side // length) ** 2)


def _measured(case: Case, kernels: str) -> dict[str, Any]:
    """What `_child` prints."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "hostile.sinr"
        path.write_bytes(case.content)
        command = [
            sys.executable,
            "-m",
            "inrcodec.bench.hostile",
            "--child",
            str(path),
            json.dumps(case.size),
        ]
        environment = os.environ | ONE_THREAD | {VARIABLE: kernels}
        child = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)  # noqa: S603
    found: dict[str, Any] = json.loads(child.stdout)
    return found


def _child(path: Path, size: tuple[int, int] | None) -> None:
    """Decodes a file, and prints as JSON how that went."""
    inrcodec.decode(inrcodec.encode(np.zeros((40, 40, 3), np.uint8)), size=(9, 9))
    content = path.read_bytes()
    before, begin = peak_mib(), time.process_time()
    try:
        inrcodec.decode(content, size=size)
        outcome = "decoded"
    except InrCodecError as error:
        outcome = f"refused: {error}"
    seconds = time.process_time() - begin
    print(json.dumps({"outcome": outcome, "seconds": seconds, "mib": peak_mib() - before}))


def _decoded_megapixels(content: bytes) -> float:
    """What is decoded of a file, padding included; 0 if it cannot be told."""
    try:
        info = inrcodec.inspect(content)
    except InrCodecError:
        return 0
    return float(np.prod([-(-length // BLOCK) * BLOCK for length in (info.width, info.height)])) / 1e6


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m inrcodec.bench.hostile")
    parser.add_argument("--side", type=int, default=TILE, help="of pictures of one tile, in samples")
    parser.add_argument("--child", nargs=2, metavar=("FILE", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        path, size = arguments.child
        _child(Path(path), json.loads(size))
        return
    print("| file | kB | kernels | s | MiB | s per megapixel | MiB per megapixel | |")
    print("|---|---:|---|---:|---:|---:|---:|---|")
    for case in cases(arguments.side // BLOCK * BLOCK):
        megapixels = _decoded_megapixels(case.content)
        for kernels in (["native"] if compiled() else []) + ["numpy"]:
            found = _measured(case, kernels)
            costs = [found["seconds"], found["mib"]]
            shares = [f"{cost / megapixels:.1f}" if found["outcome"] == "decoded" else "" for cost in costs]
            cells = (
                case.name,
                f"{len(case.content) / 1000:.1f}",
                kernels,
                f"{costs[0]:.2f}",
                f"{costs[1]:.0f}",
                *shares,
                found["outcome"],
            )
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
