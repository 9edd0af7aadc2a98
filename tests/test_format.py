"""FORMAT.md is complete: a decoder that follows it and shares no code gives the same bytes as the library."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from reference_decoder import Codebook, decode
from synthetic import telling

import inrcodec
from inrcodec.codebook import load_codebook
from inrcodec.codec import decode_picture
from inrcodec.container import ENTROPY, Container, pack, tile_grid
from inrcodec.entropy.payload import write_tile
from inrcodec.tile.partition import BLOCK, SIZES, Partition
from inrcodec.tile.symbols import TileSymbols

GREY = skimage.data.camera()[100:124, 220:260]
RGB = skimage.data.astronaut()[80:104, 200:240]


@pytest.fixture(scope="module")
def codebook_bytes():
    return (Path(__file__).parents[1] / "pretrained" / "default.safetensors").read_bytes()


def random_tile(rng, blocks, channels, modes, step, density):
    """Integers no encoder would choose: every split, every mode, large values, sparse or dense cells."""
    partition = Partition.from_splits(rng.integers(0, 17, blocks))
    values = {}
    for size in SIZES:
        shape = (len(partition.of_size(size)), channels, size, size)
        present = rng.random(shape) < density * rng.random((*shape[:2], 1, 1)) ** 3
        magnitudes = np.minimum(rng.geometric(0.4, shape), 14) + (rng.random(shape) < 0.02) * rng.integers(
            1, 2**18 // step - 14, shape
        )
        values[size] = telling(present * magnitudes * rng.choice([-1, 1], shape))
    modes, phases = (rng.integers(0, count, len(partition.size)) for count in (modes, 9))
    for size in SIZES:
        phases[partition.of_size(size)] *= values[size][:, 0].any((1, 2))
    return TileSymbols(partition, modes, phases, values)


def test_codebook_id(codebook_bytes):
    assert Codebook(codebook_bytes).id == load_codebook().id


@pytest.mark.parametrize("entropy", ENTROPY)
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_photos(pixels, entropy, codebook_bytes):
    data = inrcodec.encode(pixels, quality=60, entropy=entropy)
    decoded, sections = decode(data, codebook_bytes)
    expected = inrcodec.decode(data, device="cpu")
    assert np.array_equal(decoded.reshape(expected.shape), expected)
    assert not sections


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_and_metadata(channels, codebook_bytes):
    rng = np.random.default_rng(channels)
    pixels = rng.integers(0, 256, (9, 13, channels), np.uint8)
    data = inrcodec.encode(pixels, icc=b"profile", exif=b"II*\0 block")
    decoded, sections = decode(data, codebook_bytes)
    picture = decode_picture(data, device="cpu")
    assert np.array_equal(decoded, picture.pixels)
    assert np.array_equal(decoded[..., -1], pixels[..., -1])
    assert sections == {"icc": picture.icc, "exif": picture.exif}


# Steps of all three classes; enough symbols for several lanes; two tiles.
@pytest.mark.parametrize(
    ("size", "channels", "step", "density"),
    [((128, 96), 1, 200, 1.0), ((64, 128), 3, 700, 0.6), ((40, 1030), 1, 1000, 0.02), ((8, 8), 3, 8192, 1.0)],
)
@pytest.mark.parametrize("entropy", ENTROPY)
def test_arbitrary_integers(size, channels, step, density, entropy, codebook_bytes):
    rng = np.random.default_rng(step)
    book = load_codebook()
    height, width = size
    rows, cols = tile_grid(width, height)
    tiles = []
    for row, col in np.ndindex(rows, cols):
        blocks = tuple(-(-min(1024, n - 1024 * i) // BLOCK) for n, i in ((height, row), (width, col)))
        symbols = random_tile(rng, blocks, channels, book.starts[8].modes, step, density)
        tiles.append(write_tile(symbols, step, book.entropy, entropy))
    data = pack(Container(width, height, channels == 1, step, book.id, entropy, tuple(tiles)))
    decoded, _ = decode(data, codebook_bytes)
    expected = inrcodec.decode(data, device="cpu")
    assert np.array_equal(decoded.reshape(expected.shape), expected)
    if entropy == "rans" and density == 1.0 and height > 8:
        assert tiles[0][0] > 0, "the test should use more than one lane"
