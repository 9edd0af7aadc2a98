"""Codebooks without a part, to measure what it is worth: `python -m inrcodec.bench.variants OUT [ROUNDS]`.

Into OUT go the default codebook without its restoration network (`no-restoration.safetensors`), and with a
price of 14 bits on every transform type but cosines (`no-transforms.safetensors`). With ROUNDS, the folder of
a `starts` run, so do the default codebook with the prediction networks of every round
(`round-00.safetensors`, ...) and, for the recipes that train the rest of a codebook, a starts file with
networks of zeros (`zero-starts.safetensors`).
"""

import sys
from pathlib import Path

import numpy as np

from inrcodec.codebook import (
    available_codebooks,
    codebook_tensors,
    load_codebook,
    restoration_tensors,
    serialise,
    without,
)
from inrcodec.entropy.rans import PRECISION
from inrcodec.signal.restoration import RestorationNetwork
from inrcodec.training.checkpoint import load_arrays, save_arrays
from inrcodec.training.contexts import load_predictors


def main(out: str, rounds: str | None = None) -> None:
    """Writes the codebooks."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    default = load_codebook()
    path = next(book.path for book in available_codebooks() if book.is_default)
    tensors, _ = load_arrays(Path(path))
    entropy = without(("prediction.", "restoration."), tensors)
    nothing = restoration_tensors(RestorationNetwork.identity())
    cosines = np.ones_like(tensors["transforms"])
    cosines[:, 0] += 2**PRECISION - cosines.shape[1]
    variants = {
        "no-restoration": without(("restoration.",), tensors) | nothing,
        "no-transforms": tensors | {"transforms": cosines},
    }
    files = sorted(Path(rounds).glob("round-*.safetensors")) if rounds else []
    for file in files:
        variants[file.stem] = codebook_tensors(load_predictors(file), entropy, default.restoration)
    for name, variant in variants.items():
        data = serialise(variant, {"recipe": name})
        (folder / f"{name}.safetensors").write_bytes(data)
    if files:
        tensors, metadata = load_arrays(files[0])
        zeros = {name: np.zeros_like(tensor) for name, tensor in tensors.items()}
        save_arrays(folder / "zero-starts.safetensors", zeros, metadata)


if __name__ == "__main__":
    main(*sys.argv[1:])
