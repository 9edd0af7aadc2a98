"""Codebooks without a part, to measure what it is worth: `python -m inrcodec.bench.variants ROUNDS OUT`.

ROUNDS is the folder of a `starts` run. Into OUT go the default codebook without its join filters
(`no-joins.safetensors`) and with the start networks of every round (`round-00.safetensors`, ...); and, for
the two recipes that train the rest of a codebook, a starts file with networks of zeros
(`zero-starts.safetensors`).
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from inrcodec.codebook import Array, available_codebooks, codebook_tensors, load_codebook, serialise
from inrcodec.joins import JoinFilter
from inrcodec.metatrain.checkpoint import load_arrays, save_arrays
from inrcodec.metatrain.contexts import load_starts


def _entropy_tensors(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """A codebook's tensors but those of the start networks and the joins."""
    return {name: t for name, t in tensors.items() if not name.startswith("starts.") and name != "joins"}


def main(rounds: str, out: str) -> None:
    """Writes the codebooks."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    default = load_codebook()
    path = next(book.path for book in available_codebooks() if book.is_default)
    entropy = _entropy_tensors(load_arrays(Path(path))[0])
    nothing = JoinFilter(np.zeros_like(default.joins.filters))
    variants = {"no-joins": (default.starts, nothing)}
    files = sorted(Path(rounds).glob("round-*.safetensors"))
    variants |= {path.stem: (load_starts(path), default.joins) for path in files}
    for name, (starts, joins) in variants.items():
        data = serialise(codebook_tensors(starts, entropy, joins), {"recipe": name})
        (folder / f"{name}.safetensors").write_bytes(data)
    tensors, metadata = load_arrays(files[0])
    zeros = {name: np.zeros_like(tensor) for name, tensor in tensors.items()}
    save_arrays(folder / "zero-starts.safetensors", zeros, metadata)


if __name__ == "__main__":
    main(*sys.argv[1:])
