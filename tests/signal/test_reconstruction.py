"""Native-grid reconstruction: exact integers, whatever the file says and wherever it runs."""

import hashlib
import math

import numpy as np
import pytest
import torch
from synthetic import draw, tile_symbols

import inrcodec
from inrcodec.container import Container, pack
from inrcodec.entropy.payload import write_tile
from inrcodec.signal.reconstruction import SAMPLE_MAX, Canvas, reconstruct
from inrcodec.signal.transforms import FEATURE_BITS, axis_features, cosine_features
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.partition import SIZES, Partition
from inrcodec.training.siren import Siren, evaluate, features

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


@pytest.mark.parametrize("size", SIZES)
def test_sine_tables_are_orthonormal_mirrored_and_far_from_rounding_ties(size):
    length = 2 * size + 1
    exact = [
        [
            2**FEATURE_BITS * math.sqrt(4 / length) * math.sin(math.pi * (2 * k + 1) * (i + 1) / length)
            for i in range(size)
        ]
        for k in range(size)
    ]
    assert min(abs(v - math.floor(v) - 0.5) for row in exact for v in row) > 1e-2
    tables = axis_features(size)
    assert np.array_equal(tables[0], cosine_features(size))
    assert tables[1].tolist() == [[round(value) for value in row] for row in exact]
    assert np.array_equal(tables[2], tables[1][:, ::-1])
    for table in tables:
        assert np.abs(table @ table.T / 4**FEATURE_BITS - np.eye(size)).max() < 1e-3
    # The first rises from a border where nothing is left of a prediction.
    assert tables[1][0, 0] < tables[1][0, -1] / 3


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
    canvas.draw(np.array([0]), size, mean, weights, np.zeros_like(weights), np.array([0]))
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
        nothing = np.zeros((1, 1, size, size))
        canvas.draw(np.array([0]), size, np.zeros((1, 1, 1)), weights[None, None], nothing, np.array([0]))
        assert canvas.image()[0, sample, sample] == SAMPLE_MAX


GOLDEN = {
    1: (
        "9b9bee597c2a11b321b9d493ec063f7a912e4d3fe1445a750a56d6d40559dd2d",
        "5987d2dc59e1e696e0736fef10371b45a40975d715fc8ee3b6bdc9293229c67a",
        "f610fae6ed40a9fe74c2b834b50de23ffc36b10d7e46c059befd1961f31e8f83",
    ),
    3: (
        "58828745391bc0668c46001c7c7cf71ac01a9129347454959ae3727d72a7f73d",
        "1367c5284fb63f8b89135fecd35d099f3d0c45196f7f5df26832caf55b270f42",
        "924b577643514722a4dca7d71ae965779fb4ab987340d4d85bd2fcd9faec8a2f",
    ),
}
"""Per number of channels, SHA-256 of the planes (int16) before and after restoration, and of the pixels."""
GOLDEN_FILES = {
    1: "09ebbeca329e46f2cc86a74bb55b2e126ddf8c41c5c243fcf8426deea904bdd4",
    3: "6b8667e89a23238f0e125460adae09fbbe579a985069076a388fd00d6eab3177",
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("entropy", ["rans", "zstd"])
def test_golden_hashes(synthetic_codebook, synthetic_path, channels, entropy):
    """Pinned: a change of any of these numbers is a change of the format."""
    symbols = tile_symbols(f"golden {channels}", (3, 2), channels)
    planes = reconstruct(symbols, STEP, synthetic_codebook)
    cells = symbols.partition
    restored = synthetic_codebook.restoration.restore(planes, cells.owner, cells.size[cells.owner], STEP)
    tile = write_tile(symbols, STEP, synthetic_codebook.entropy, entropy)
    grey = channels == 1
    data = pack(Container(61, 90, grey, STEP, synthetic_codebook.id, entropy, (tile,)))
    pixels = inrcodec.decode(data, codebook=synthetic_path, device="cpu")
    assert pixels.shape == ((90, 61) if grey else (90, 61, 3))
    assert len(np.unique(pixels)) > 100
    assert (sha(planes.astype("<i2")), sha(restored.astype("<i2")), sha(pixels)) == GOLDEN[channels]
    if entropy == "rans":
        assert sha(np.frombuffer(data, np.uint8)) == GOLDEN_FILES[channels]


def test_phases_choose_the_waves_of_either_axis():
    """Vertical and horizontal phases, for starts that are cosines all the same."""
    size = 8
    tables = axis_features(size)
    starts, differences = draw("phases", (2, 9, 1, size, size), -5000, 5000).astype(np.float64)
    partition = Partition.from_splits(np.full((1, 3), 16))
    cells = np.arange(9)
    canvas = Canvas(partition, 1)
    canvas.draw(cells, size, np.zeros((9, 1, 1)), starts, differences, cells)
    image = canvas.image()[0]
    for cell in range(9):
        z = tables[0].T @ starts[cell, 0] @ tables[0]
        z += tables[cell // 3].T @ differences[cell, 0] @ tables[cell % 3]
        y, x = 8 * partition.row[cell], 8 * partition.col[cell]
        expected = np.clip(np.floor((z + 2**23) / 2**24), -SAMPLE_MAX, SAMPLE_MAX)
        assert np.array_equal(image[y : y + 8, x : x + 8], expected)
