"""Seeds of the fuzzers: `python tests/fuzz/seeds.py FOLDER` writes a corpus per target, and a codebook."""

import contextlib
import io
import sys
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

sys.path.insert(0, str(Path(__file__).parents[1]))

import targets
from synthetic import codebook_bytes, codebook_tensors, draw, tile_symbols, write_payload

from inrcodec.codebook import from_tensors, restoration_tensors, serialise, without
from inrcodec.container import FLAT, Container, Weighting, pack
from inrcodec.entropy import payload
from inrcodec.signal.restoration import RestorationNetwork

WEIGHTED = Weighting(24, 12, 5, 51)


def files():
    """Small pictures of every kind."""
    book = from_tensors(codebook_tensors(), {})
    for number, (step, weighting, channels) in enumerate(
        (step, weighting, channels)
        for step in (16, 400, 8192)
        for weighting in (FLAT, WEIGHTED)
        for channels in (1, 3)
    ):
        width, height = (70, 40) if number % 2 else (9, 33)
        blocks = -(-height // 32), -(-width // 32)
        symbols = tile_symbols(f"seed {number}", blocks, channels, 40 if step < 8192 else 20)
        tile = write_payload(symbols, step, book.entropy, "rans")
        sections = {"alpha": b"a", "icc": b"bc"} if number == 3 else {}
        picture = Container(
            width, height, channels == 1, step, book.id, "rans", (tile,), sections, weighting, 16 - number
        )
        yield f"{number}.sinr", pack(picture)
    # Two tiles of next to nothing.
    symbols = [tile_symbols("seed", (1, columns), 1, 1, 4000) for columns in (32, 1)]
    tiles = tuple(write_payload(s, 900, book.entropy, "rans") for s in symbols)
    yield "tiles.sinr", pack(Container(1030, 20, True, 900, book.id, "rans", tiles))


def quick_codebook():
    """The synthetic codebook with as little restoration as there may be: what it does depends on no input."""
    tensors = without(("restoration.",), codebook_tensors())
    return serialise(tensors | restoration_tensors(RestorationNetwork.identity()), {})


def codebooks():
    """The synthetic codebook, and one with as little as possible in it."""
    yield "synthetic.safetensors", codebook_bytes()
    small = codebook_tensors()
    for name, tensor in small.items():
        if name.endswith("survivors"):
            small[name] = tensor[:0]
        if name.endswith("mask"):
            small[name] = np.zeros_like(tensor)
    yield "pruned.safetensors", serialise(small, {})
    yield "metadata.safetensors", serialise(small, {"more": '"\\'})


def containers():
    """Files without their checksum, which the target adds."""
    for name, content in files():
        yield name, content[:-4]


def tiles(entropy):
    """Tiles of one block."""
    book = from_tensors(codebook_tensors(), {})
    for number, (largest, sparsity) in enumerate(((1, 4000), (40, 30), (400, 3))):
        symbols = tile_symbols(f"tile {number}", targets.BLOCKS, targets.CHANNELS, largest, sparsity)
        yield f"{number}.tile", write_payload(symbols, targets.STEP, book.entropy, entropy)


def plain_bits():
    """What follows the stream of the target."""
    symbols = tile_symbols("plain bits", targets.BLOCKS, targets.CHANNELS, 400, 4)
    tile = payload.write_tile(symbols, targets.STEP, targets.model())
    yield "0.bits", tile[len(targets.stream()) :]


def pictures():
    """Small pictures of many formats, some with metadata."""
    rgb = Image.fromarray(draw("picture", (7, 9, 3), 0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for suffix in ("png", "jpg", "gif", "bmp", "ppm", "webp", "tiff", "avif", "jp2", "tga"):
        for mode in ("RGB", "L", "P", "RGBA"):
            out = io.BytesIO()
            with contextlib.suppress(OSError, ValueError):  # Not every format has every mode.
                rgb.convert(mode).save(out, Image.registered_extensions()[f".{suffix}"], exif=exif)
                yield f"{mode}.{suffix}", out.getvalue()


CORPORA = {
    "native/decode": files,
    "native/container": files,
    "native/tile": lambda: ((name, b"\1" + tile) for name, tile in tiles("rans")),
    "native/codebook": codebooks,
    "python/container": containers,
    "python/rans_tile": lambda: tiles("rans"),
    "python/zstd_tile": lambda: tiles("zstd"),
    "python/plain_bits": plain_bits,
    "python/codebook": codebooks,
    "python/picture": pictures,
}
"""By target."""


def main(folder: Path) -> None:
    """Write everything."""
    for name, contents in CORPORA.items():
        corpus = folder / name
        corpus.mkdir(parents=True, exist_ok=True)
        for file, content in contents():
            (corpus / file).write_bytes(content)
    (folder / "codebook.safetensors").write_bytes(quick_codebook())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
