"""FORMAT.md is complete: a decoder that follows it and shares no code gives the same bytes as the library."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from reference_decoder import Codebook, decode, lane_count
from synthetic import write_payload

import inrcodec
from inrcodec.codebook import load_codebook
from inrcodec.container import ENTROPY, FLAT, Container, Weighting, pack, tile_grid
from inrcodec.entropy.payload import lanes
from inrcodec.entropy.sign_hiding import telling
from inrcodec.kernels import NAMES, VARIABLE, compiled
from inrcodec.tile.partition import BLOCK, SIZES, Partition
from inrcodec.tile.symbols import TileSymbols
from inrcodec.tile.transform_types import TRANSFORMS

GREY = skimage.data.camera()[100:124, 220:260]
RGB = skimage.data.astronaut()[80:104, 200:240]


@pytest.fixture(scope="module")
def codebook_bytes():
    return (Path(__file__).parents[1] / "pretrained" / "default.safetensors").read_bytes()


SETS = [name for name in NAMES if name != "native" or compiled()]
"""Kernel sets that this machine has."""


@pytest.fixture
def by_every_kernel(monkeypatch):
    """Decodes a file with every kernel set in turn."""

    def decoded(data):
        for name in SETS:
            monkeypatch.setenv(VARIABLE, name)
            yield inrcodec.decode_picture(data)

    return decoded


def random_tile(rng, blocks, channels, modes, step, density):
    """Integers no encoder would choose: every split, every mode, large values, sparse or dense cells."""
    partition = Partition.from_splits(rng.integers(0, 17, blocks))
    residuals = {}
    for size in SIZES:
        shape = (len(partition.of_size(size)), channels, size, size)
        present = rng.random(shape) < density * rng.random((*shape[:2], 1, 1)) ** 3
        magnitudes = np.minimum(rng.geometric(0.4, shape), 14) + (rng.random(shape) < 0.02) * rng.integers(
            1, 2**18 // step - 14, shape
        )
        residuals[size] = telling(present * magnitudes * rng.choice([-1, 1], shape))
    modes, transforms = (rng.integers(0, count, len(partition.size)) for count in (modes, TRANSFORMS))
    for size in SIZES:
        transforms[partition.of_size(size)] *= residuals[size][:, 0].any((1, 2))
    return TileSymbols(partition, modes, transforms, residuals)


def test_codebook_id(codebook_bytes):
    assert Codebook(codebook_bytes).id == load_codebook().id


def test_lanes():
    for blocks in range(1, 1025):
        assert lane_count(blocks) == lanes(blocks)


@pytest.mark.parametrize(("entropy", "tune"), [("rans", "psnr"), ("rans", "visual"), ("zstd", "psnr")])
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_photos(by_every_kernel, pixels, entropy, tune, codebook_bytes):
    data = inrcodec.encode(pixels, quality=60, entropy=entropy, tune=tune)
    decoded, sections = decode(data, codebook_bytes)
    for picture in by_every_kernel(data):
        assert np.array_equal(decoded, picture.pixels)
    assert not sections


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_and_metadata(by_every_kernel, channels, codebook_bytes):
    rng = np.random.default_rng(channels)
    pixels = rng.integers(0, 256, (9, 13, channels), np.uint8)
    data = inrcodec.encode(inrcodec.Picture(pixels, b"profile", b"II*\0 block", b"<x:xmpmeta/>"))
    decoded, sections = decode(data, codebook_bytes)
    assert np.array_equal(decoded[..., -1], pixels[..., -1])
    for picture in by_every_kernel(data):
        assert np.array_equal(decoded, picture.pixels)
        assert sections == {"icc": picture.icc, "exif": picture.exif, "xmp": picture.xmp}


# Steps of all three classes; two tiles.
@pytest.mark.parametrize(
    ("size", "channels", "step", "density", "weighting"),
    [
        ((128, 96), 1, 200, 1.0, FLAT),
        ((64, 128), 3, 700, 0.6, Weighting(24, 9, 5, 51)),
        ((40, 1030), 1, 1000, 0.02, FLAT),
        ((8, 8), 3, 8192, 1.0, Weighting(255, 255, 15, 255)),
    ],
)
@pytest.mark.parametrize("entropy", ENTROPY)
def test_arbitrary_integers(
    by_every_kernel, size, channels, step, density, weighting, entropy, codebook_bytes
):
    rng = np.random.default_rng(step)
    book = load_codebook()
    height, width = size
    rows, cols = tile_grid(width, height)
    tiles = []
    for row, col in np.ndindex(rows, cols):
        blocks = tuple(-(-min(1024, n - 1024 * i) // BLOCK) for n, i in ((height, row), (width, col)))
        symbols = random_tile(rng, blocks, channels, book.entropy.mode_count, step, density)
        tiles.append(write_payload(symbols, step, book.entropy, entropy))
    data = pack(
        Container(width, height, channels == 1, step, book.id, entropy, tuple(tiles), weighting=weighting)
    )
    decoded, _ = decode(data, codebook_bytes)
    for picture in by_every_kernel(data):
        assert np.array_equal(decoded, picture.pixels)
