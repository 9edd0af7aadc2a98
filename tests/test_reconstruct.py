"""Native-grid reconstruction: exact integers, whatever the file says and wherever it runs."""

import hashlib
import math

import numpy as np
import pytest
import torch
from synthetic import tile_symbols

import inrcodec
from inrcodec.bitstream import Container, pack
from inrcodec.cells import SIZES, Partition
from inrcodec.reconstruct import FEATURE_BITS, SAMPLE_MAX, Canvas, cosine_features, reconstruct
from inrcodec.siren import Siren, evaluate, features
from inrcodec.starts import WEIGHT_MAX
from inrcodec.tilestream import write_tile

STEP = 320


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.mark.parametrize("size", SIZES)
def test_cosine_table_is_far_from_rounding_ties(size):
    scale = [math.sqrt((2 if k else 1) / size) * 2**FEATURE_BITS for k in range(size)]
    exact = [
        [scale[k] * math.cos(math.pi * k * (2 * i + 1) / (2 * size)) for i in range(size)]
        for k in range(size)
    ]
    assert cosine_features(size).tolist() == [[round(value) for value in row] for row in exact]
    # Values that are integers by construction are not ties.
    assert min(abs(v - math.floor(v) - 0.5) for row in exact for v in row) > 1e-4


@pytest.mark.parametrize("size", [8, 16])
def test_features_are_those_of_the_harmonic_siren(size):
    siren = Siren.harmonic(size)
    grid = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid(grid, grid, indexing="ij")
    samples = np.stack([x.ravel(), y.ravel()], axis=1)
    seen = features(siren.layout, siren.params.astype(np.float64), samples)
    # Output k * size + l of the network is the wave (k along x) times (l along y).
    table = cosine_features(size) / 2**FEATURE_BITS
    product = np.einsum("kx,ly->yxkl", table, table).reshape(size * size, -1)
    assert np.abs(seen - product).max() < 2**-11


def test_a_cell_is_what_the_harmonic_siren_says():
    size = 16
    weights = np.zeros((1, 3, size, size))
    weights[0, :, :4, :5] = np.random.default_rng(2).integers(-900, 900, (3, 4, 5))
    canvas = Canvas(Partition.from_splits(np.array([[1]])), 3)
    mean = np.array([10.0, -20.0, 30.0]).reshape(1, 3, 1)
    canvas.draw(np.array([0]), size, mean, weights)
    siren = Siren.harmonic(size)
    # The flat order of the network is horizontal harmonic first.
    output = np.moveaxis(weights[0], 1, 2).reshape(3, -1)
    full = siren.params.astype(np.float64)
    full[siren.layout.slot("2.weight").slice] = output.ravel()
    grid = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid(grid, grid, indexing="ij")
    values = evaluate(siren.layout, full, np.stack([x.ravel(), y.ravel()], axis=1))
    expected = values.T.reshape(3, size, size) + mean[0, :, :, None]
    assert np.abs(canvas.image()[:, :size, :size] - expected).max() < 1.5


@pytest.mark.parametrize("channels", [1, 3])
def test_numpy_and_torch_reconstruct_the_same(synthetic_codebook, channels):
    symbols = tile_symbols(f"twin {channels}", (2, 3), channels)
    planes = reconstruct(symbols, STEP, synthetic_codebook)
    assert planes.shape == (channels, 64, 96)
    assert np.array_equal(planes, np.floor(planes))
    threads = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            theirs = reconstruct(symbols, STEP, synthetic_codebook, torch, "cpu")
            assert np.array_equal(theirs.numpy(), planes)
    finally:
        torch.set_num_threads(threads)


def test_hostile_values_stay_bounded_and_exact(synthetic_codebook):
    """The largest differences a file can hold: every sum must still be an exact integer."""
    step = 16
    symbols = tile_symbols("hostile", (2, 2), 3, WEIGHT_MAX // step, 1)
    for value in symbols.values.values():
        value[value > 0] = WEIGHT_MAX // step
        value[value < 0] = -(WEIGHT_MAX // step)
    planes = reconstruct(symbols, step, synthetic_codebook)
    assert np.abs(planes).max() <= SAMPLE_MAX
    assert np.abs(planes).max() > 4000
    theirs = reconstruct(symbols, step, synthetic_codebook, torch, "cpu")
    assert np.array_equal(theirs.numpy(), planes)


@pytest.mark.parametrize("size", SIZES)
def test_the_largest_weights_sum_exactly(size):
    """Python integers as the witness, for the worst signs there are."""
    table = cosine_features(size)
    for sample in (0, size // 2, size - 1):
        signs = np.sign(np.outer(table[:, sample], table[:, sample]))
        weights = signs * 2.0 * WEIGHT_MAX
        canvas = Canvas(Partition.from_splits(np.array([[{32: 0, 16: 1, 8: 16}[size]]])), 1)
        exact = table.T @ weights @ table
        witness = [[int(v) for v in row] for row in table.tolist()]
        total = sum(
            int(weights[k, m]) * witness[k][sample] * witness[m][sample]
            for k in range(size)
            for m in range(size)
        )
        assert exact[sample, sample] == total < 2**53
        canvas.draw(np.array([0]), size, np.zeros((1, 1, 1)), weights[None, None])
        assert canvas.image()[0, sample, sample] == SAMPLE_MAX


GOLDEN = {
    1: (
        "afa1809a0062eb8f5159f3dffd690490c6ea60ae6c8888d8a04b8f60c8ad6aae",
        "4bf94ea0d06e6a5edfed16902fcc5e0387690df9100709ebacc30947aa8146a5",
        "30c287186273eeeca709d779433dbe6d50537337c452488974d1f95ee1f289bf",
    ),
    3: (
        "581cb178e8dbc33ef621e6d82695f93b7a91065d943efa97b0718fcf9552733c",
        "79328bc4275a610637dfb09c1676fbcc293ec9123dcd69350e0fec4a9653649d",
        "b978847c031247025edb97beddee00b5c42161f1e35e0c91eb8dc79b58059e91",
    ),
}
"""Per number of channels, SHA-256 of the planes (int16) before and after joining, and of the pixels."""
GOLDEN_FILES = {
    1: "3ecee353f78989f53c8bbea985a940a7ba9df3a478266f1ff864ee435b7d2440",
    3: "837cf5a4536657d022aba7453b2f79d881c56c0450746355112a6cdea22ef04f",
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("entropy", ["rans", "zstd"])
def test_golden_hashes(synthetic_codebook, synthetic_path, channels, entropy):
    """Pinned: a change of any of these numbers is a change of the format."""
    symbols = tile_symbols(f"golden {channels}", (3, 2), channels)
    planes = reconstruct(symbols, STEP, synthetic_codebook)
    smooth = synthetic_codebook.joins.smooth(planes, symbols.partition, STEP)
    tile = write_tile(symbols, STEP, synthetic_codebook.entropy, entropy)
    grey = channels == 1
    data = pack(Container(61, 90, grey, STEP, synthetic_codebook.id, entropy, (tile,)))
    pixels = inrcodec.decode(data, codebook=synthetic_path, device="cpu")
    assert pixels.shape == ((90, 61) if grey else (90, 61, 3))
    assert len(np.unique(pixels)) > 100
    assert (sha(planes.astype("<i2")), sha(smooth.astype("<i2")), sha(pixels)) == GOLDEN[channels]
    if entropy == "rans":
        assert sha(np.frombuffer(data, np.uint8)) == GOLDEN_FILES[channels]
