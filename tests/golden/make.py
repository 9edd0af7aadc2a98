"""Makes golden files that are missing: one per feature of the format, and the hash of its pixels.

    python tests/golden/make.py

A file that is there is never made again: decoders are tested by what earlier encoders wrote. `pixels.sha256`
has a line for each, the SHA-256 of its pixels (rows, columns, channels), uint8, at the picture's own size.
The photos are scikit-image's `astronaut` (NASA, public domain) and `camera` (CC0).
"""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from skimage import data

sys.path.insert(0, str(Path(__file__).parents[1]))

from synthetic import draw, drawing, tile_symbols, weakened, with_extensions, write_payload

import inrcodec
from inrcodec.codebook import load_codebook
from inrcodec.container import FLAT, Container, Weighting, pack, write_varint
from inrcodec.tile.partition import BLOCK

FOLDER = Path(__file__).parent
HASHES = FOLDER / "pixels.sha256"


def of_integers(name, blocks, channels, step, largest, *, sparsity=12, entropy="rans", weighting=FLAT):
    """A picture of integers that no encoder would choose: all splits, modes and types, large residuals."""
    book = load_codebook()
    symbols = tile_symbols(name, blocks, channels, largest, sparsity)
    modes = draw(f"{name} all modes", symbols.modes.shape, 0, book.entropy.mode_count - 1)
    tile = write_payload(replace(symbols, modes=modes), step, book.entropy, entropy)
    height, width = (count * BLOCK - 3 for count in blocks)
    grey = channels == 1
    return pack(Container(width, height, grey, step, book.id, entropy, (tile,), weighting=weighting))


def files():
    """Every golden file: its name, and a function that gives its content."""
    photo, camera = data.astronaut(), data.camera()
    face, eye = photo[80:125, 190:251], camera[100:177, 220:273]
    alpha = draw("alpha", (*face.shape[:2], 1), 0, 255).astype(np.uint8)
    slope = np.linspace(0, 255, 80).astype(np.uint8)
    encode = inrcodec.encode
    return {
        "rgb": lambda: encode(face),
        "grey": lambda: encode(eye),
        "quality-1": lambda: encode(face, quality=1),
        "quality-12": lambda: encode(photo[40:136, 180:300], quality=12),
        "quality-100": lambda: encode(face, quality=100),
        "grey-quality-100": lambda: encode(eye[:40, :40], quality=100),
        "effort-9": lambda: encode(face, quality=35, effort=9),
        "visual": lambda: encode(face, tune="visual"),
        "weighted": lambda: encode(face, quality=60, tune=Weighting(24, 9, 5, 51)),
        "activity": lambda: encode(eye, tune=Weighting(0, 0, 15, 64)),
        "pixel": lambda: encode(photo[:1, :1]),
        "grey-pixel": lambda: encode(camera[:1, :1]),
        "row": lambda: encode(photo[100:101, :70]),
        "column": lambda: encode(photo[:70, 100:101]),
        "block": lambda: encode(photo[100:132, 200:232]),
        "alpha": lambda: encode(np.dstack([face, alpha])),
        "grey-alpha": lambda: encode(np.dstack([eye[:45, :53], alpha[:, :53]])),
        "metadata": lambda: encode(
            inrcodec.Picture(face[:9, :13], b"profile", b"II*\0 block", b"<x:xmpmeta/>")
        ),
        "all-sections": lambda: encode(
            inrcodec.Picture(np.dstack([face, alpha])[:9, :13], b"profile", b"MM\0* block", b"<x:xmpmeta/>")
        ),
        "zstd": lambda: encode(face, entropy="zstd"),
        "grey-zstd": lambda: encode(eye, entropy="zstd", tune="visual"),
        "tiles-across": lambda: encode(np.tile(photo[180:200], (1, 3, 1))[:, :1041], quality=5),
        "tiles-down": lambda: encode(np.tile(camera[:, 180:200], (3, 1))[:1041], quality=5),
        "unrestored": lambda: weakened(encode(face), 0),
        "weakened": lambda: weakened(encode(face), 5),
        "extensions": lambda: with_extensions(encode(face), b"\1\3abc" + write_varint(65535) + b"\0\0"),
        "flat": lambda: encode(np.full((40, 70, 3), (20, 200, 90), np.uint8)),
        "slope": lambda: encode(np.repeat(np.add.outer(slope[:50] // 2, slope // 2)[..., None], 3, 2)),
        "drawing": lambda: encode(drawing(), quality=75),
        "integers": lambda: of_integers("integers", (2, 3), 3, 700, 40),
        "grey-integers": lambda: of_integers("grey integers", (3, 2), 1, 390, 60, sparsity=5),
        "finest-step": lambda: of_integers("finest", (1, 2), 3, 1, 200_000),
        "coarsest-step": lambda: of_integers("coarsest", (2, 1), 3, 8192, 32),
        "steepest-weighting": lambda: of_integers(
            "steepest", (2, 2), 3, 300, 800, weighting=Weighting(255, 255, 15, 255)
        ),
        "zstd-integers": lambda: of_integers("zstd", (2, 2), 3, 3, 80_000, entropy="zstd"),
        "two-lanes": lambda: of_integers("lanes", (8, 16), 1, 500, 3, sparsity=2000),
    }


def main():
    """Make what is missing."""
    known = HASHES.read_text().splitlines() if HASHES.exists() else []
    for name, make in files().items():
        path = FOLDER / f"{name}.sinr"
        if not path.exists():
            path.write_bytes(make())
            pixels = inrcodec.decode(path.read_bytes())
            known.append(f"{hashlib.sha256(pixels.tobytes()).hexdigest()}  {path.name}")
    HASHES.write_text("\n".join(sorted(known, key=lambda line: line.split()[1])) + "\n")


if __name__ == "__main__":
    main()
