"""Seeds of the fuzzers: `python tests/fuzz/seeds.py FOLDER` writes two corpora, and a codebook for files."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from synthetic import codebook_bytes, codebook_tensors, tile_symbols, write_payload

from inrcodec.codebook import from_tensors, serialise
from inrcodec.container import FLAT, Container, Weighting, pack

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
        picture = Container(width, height, channels == 1, step, book.id, "rans", (tile,), sections, weighting)
        yield f"{number}.sinr", pack(picture)
    # Two tiles of next to nothing.
    symbols = [tile_symbols("seed", (1, columns), 1, 1, 4000) for columns in (32, 1)]
    tiles = tuple(write_payload(s, 900, book.entropy, "rans") for s in symbols)
    yield "tiles.sinr", pack(Container(1030, 20, True, 900, book.id, "rans", tiles))


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


def main(folder: Path) -> None:
    """Write everything."""
    for name, contents in (("decode", files()), ("codebook", codebooks())):
        corpus = folder / name
        corpus.mkdir(parents=True, exist_ok=True)
        for file, content in contents:
            (corpus / file).write_bytes(content)
    (folder / "codebook.safetensors").write_bytes(codebook_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
