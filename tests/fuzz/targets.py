"""Fuzz targets for Python: each takes any bytes, and lets nothing through but what the library promises.

`python tests/fuzz/targets.py TARGET CORPUS [options of libFuzzer]` fuzzes one of them with Atheris; `run.py`
does so for all. Seeds are those of `seeds.py`.
"""

import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

if __name__ == "__main__":
    import atheris

    instrumented = atheris.instrument_imports(include=["inrcodec"])
else:
    instrumented = nullcontext()

with instrumented:
    import inrcodec
    import inrcodec.pictures.files
    from inrcodec.codebook import from_tensors, load_codebook
    from inrcodec.container import unpack
    from inrcodec.entropy import payload, zstd_payload
    from inrcodec.errors import InrCodecError

from synthetic import MODES, codebook_tensors, tile_symbols

STEP = 160
BLOCKS = (1, 1)
CHANNELS = 3

Target = Callable[[bytes], object]


@cache
def model():
    """Entropy model of the synthetic codebook."""
    return from_tensors(codebook_tensors(), {}).entropy


@cache
def stream():
    """A tile without its plain bits, of which it needs many."""
    symbols = tile_symbols("plain bits", BLOCKS, CHANNELS, 400, 4)
    tile = payload.write_tile(symbols, STEP, model())
    length, shift, at = 0, 0, 0
    while True:
        length |= (tile[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if tile[at - 1] < 128:
            return tile[: at + length]


def container(data: bytes) -> object:
    """The sections of a file, with the checksum of what it holds."""
    return unpack(data + zlib.crc32(data).to_bytes(4, "little"))


def rans_tile(data: bytes) -> object:
    """A tile of one block."""
    return payload.read_tile(data, BLOCKS, CHANNELS, STEP, model())


def zstd_tile(data: bytes) -> object:
    """Likewise, of the other variant."""
    return zstd_payload.read_tile(data, BLOCKS, CHANNELS, STEP, MODES)


def plain_bits(data: bytes) -> object:
    """Signs and excesses behind a stream that is well."""
    return rans_tile(stream() + data)


def codebook(data: bytes) -> object:
    """A codebook file."""
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        return load_codebook(file.name)


def picture(data: bytes) -> object:
    """A picture of any format."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return inrcodec.read_picture(data)


TARGETS: dict[str, Target] = {
    target.__name__: target for target in (container, rans_tile, zstd_tile, plain_bits, codebook, picture)
}


def accepts(target: Target, data: bytes) -> bool:
    """Whether a target takes some bytes for what it reads; anything but a clear refusal is an error."""
    try:
        target(data)
    except InrCodecError:
        return False
    return True


if __name__ == "__main__":
    name, *options = sys.argv[1:]
    fuzzed = TARGETS[name]
    # What is made once is not made within the first run.
    model(), stream()
    atheris.Setup([sys.argv[0], *options], lambda data: accepts(fuzzed, data))
    atheris.Fuzz()
