"""The encoder of a tile: what it believes is what a decoder sees, and fine-tuning pays."""

import numpy as np
import pytest
from skimage import data
from synthetic import draw

from inrcodec.codebook import load_codebook
from inrcodec.decisions.effort import EFFORTS
from inrcodec.decisions.partitioning import open_loop, spectra
from inrcodec.decisions.rate_distortion import EXCHANGE, dead_zone, weight_cost
from inrcodec.decisions.rdoq import PLAIN_BITS, Rate
from inrcodec.encoding.tile import fit_tile
from inrcodec.entropy.context_network import ESCAPE
from inrcodec.entropy.payload import read_tile, write_tile
from inrcodec.entropy.syntax import magnitude_rows
from inrcodec.kernels import select
from inrcodec.signal.color import to_planes
from inrcodec.signal.quantiser import Quantiser
from inrcodec.signal.reconstruction import reconstruct
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.partition import BLOCK, SIZES, Partition

KERNELS = select()


@pytest.fixture(scope="module")
def trained():
    """The shipped codebook."""
    return load_codebook()


@pytest.mark.parametrize("effort", [1, 5, 8])
@pytest.mark.parametrize("channels", [1, 3])
def test_closed_loop_is_what_the_decoder_reconstructs(trained, photo, effort, channels):
    planes = to_planes(photo[:64, 64:160, :channels])
    fit = fit_tile(planes, Quantiser(400), trained, KERNELS, EFFORTS[effort])
    assert fit.planes.shape == planes.shape
    assert np.array_equal(fit.planes, reconstruct(fit.symbols, Quantiser(400), trained.predictors))
    # It is a picture of the photo, not something else.
    assert np.abs(fit.planes - planes).mean() < 150


def test_any_codebook_gives_a_readable_tile(synthetic_codebook, photo):
    """Predictions far from the picture: residuals must still fit what a file may hold."""
    planes = to_planes(photo[:64, :64])
    for step in (16, 700):
        fit = fit_tile(planes, Quantiser(step), synthetic_codebook, KERNELS)
        largest = max(np.abs(v).max(initial=0) for v in fit.symbols.residuals.values())
        assert largest * step <= WEIGHT_MAX
        data = write_tile(fit.symbols, step, synthetic_codebook.entropy)
        found = read_tile(data, (2, 2), 3, step, synthetic_codebook.entropy)
        assert np.array_equal(reconstruct(found, Quantiser(step), synthetic_codebook.predictors), fit.planes)


def test_extreme_pictures_give_readable_tiles(trained):
    noise = draw("noise", (64, 64, 3), 0, 1).astype(np.uint8) * 255
    checker = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[:, :, None].repeat(3, 2)
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, 32:] = 255
    for pixels in (noise, checker, halves, np.full((64, 64, 3), 255, np.uint8)):
        planes = to_planes(pixels)
        fit = fit_tile(planes, Quantiser(16), trained, KERNELS)
        data = write_tile(fit.symbols, 16, trained.entropy)
        found = read_tile(data, (2, 2), 3, 16, trained.entropy)
        assert np.array_equal(reconstruct(found, Quantiser(16), trained.predictors), fit.planes)
        assert np.abs(fit.planes - planes).mean() < 16


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_a_pass_with_a_rate_pays(trained, name):
    planes = to_planes(getattr(data, name)()[64:192, 128:288])
    for step in (300, 900):
        costs = []
        for effort in (1, 5):
            fit = fit_tile(planes, Quantiser(step), trained, KERNELS, EFFORTS[effort])
            bits = 8 * len(write_tile(fit.symbols, step, trained.entropy))
            costs.append(bits + EXCHANGE * ((fit.planes - planes) ** 2).sum() / step**2)
        assert costs[1] < costs[0]


def test_flat_parts_get_large_cells_and_busy_ones_small(trained, photo):
    flat = fit_tile(np.full((3, 64, 64), 100, np.float32), Quantiser(500), trained, KERNELS)
    assert (flat.symbols.partition.size == BLOCK).all()
    planes = to_planes(photo[:64, :128])
    fine = fit_tile(planes, Quantiser(100), trained, KERNELS).symbols.partition
    coarse = fit_tile(planes, Quantiser(3000), trained, KERNELS).symbols.partition
    assert len(fine.size) > len(coarse.size)


@pytest.mark.parametrize("size", SIZES)
def test_spectra_are_least_squares_weights(size):
    planes = draw("planes", (3, 32, 64), -2000, 2000).astype(np.float32)
    partition = Partition.from_splits(np.full((1, 2), {32: 0, 16: 1, 8: 16}[size]))
    cells = partition.of_size(size)
    weights = spectra(planes, partition, cells, size)
    assert weights.shape == (len(cells), 3, size, size)
    # The basis is orthonormal: squared error is the same in weights and in samples.
    energy = (planes.astype(np.float64) ** 2).sum()
    assert (weights.astype(np.float64) ** 2).sum() == pytest.approx(energy, rel=1e-3)
    first = planes[:, :size, :size].mean((1, 2)) * size
    assert np.abs(weights[0, :, 0, 0] - first).max() < 2


def test_open_loop_is_coarse_and_close(photo):
    planes = to_planes(photo[:64, :64])
    errors = [np.abs(open_loop(planes, step) - planes).mean() for step in (16, 300, 3000)]
    assert errors[0] < 8
    assert errors[0] < errors[1] < errors[2]


def test_weight_cost():
    weights = np.array([0, 0.1, 1, 10, 100], np.float32)
    cost = weight_cost(weights)
    assert cost[0] == 0
    assert cost[1] == pytest.approx(EXCHANGE * 0.01, rel=0.1)
    assert (np.diff(cost) > 0).all()
    # One bit per doubling of a large weight, twice that in log2 of its square.
    assert cost[4] - cost[3] == pytest.approx(2 * np.log2(10), abs=0.2)


def test_without_a_rate_quantisation_is_rounding_with_a_dead_zone():
    partition = Partition.uniform((1, 2), 16)
    weights = np.random.default_rng(1).normal(0, 3, (8, 3, 256)).astype(np.float32)
    weights[np.abs(np.abs(weights) % 1 - 0.64) < 1e-4] = 0.3  # too close to the threshold to tell
    rate = Rate.plain(partition, 3, 4)
    quantised, cost = rate.of_cells(16, np.arange(8)).quantise(np.arange(8), slice(0, 3), weights)
    assert np.array_equal(quantised, dead_zone(weights, 0.36))
    bits = PLAIN_BITS * np.minimum(np.abs(quantised), ESCAPE) + EXCHANGE * (weights - quantised) ** 2
    assert np.allclose(cost, bits.sum((1, 2)), rtol=1e-4)


def test_the_real_rate_knows_every_value_and_mode(trained, photo):
    planes = to_planes(photo[:64, :96])
    fit = fit_tile(planes, Quantiser(500), trained, KERNELS)
    rows = magnitude_rows(fit.symbols, 500, trained.entropy)
    rate = Rate.of(fit.symbols, rows, 500, trained.entropy)
    for size in SIZES:
        count = len(fit.symbols.partition.of_size(size))
        assert rate.modes[size].shape == (count, trained.predictors[size].modes)
        assert rate.rows[size].shape == (count, 3, size * size)
        assert rate.rows[size].min(initial=0) >= 0
        assert rate.rows[size].max(initial=0) < len(rate.bits[size])
        # What a sign costs is part of every magnitude but zero.
        assert (rate.bits[size][:, 1:] > 1).all()
        assert (rate.modes[size] > 0).all()
        assert (rate.transforms[size] > 0).all()
    found = rows[8][fit.symbols.residuals[8] != 0]
    assert found.size
    assert (found >= 0).all()
