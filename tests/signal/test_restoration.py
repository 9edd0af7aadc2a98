"""The restoration network: what it sees, how far it sees, and its arithmetic."""

import numpy as np
import pytest
import torch
from synthetic import cells_of, draw

from inrcodec.codebook import load_codebook
from inrcodec.signal.restoration import (
    FOLD,
    HIDDEN_MAX,
    INPUT_BOUNDS,
    INPUT_MAX,
    INPUTS,
    ONE,
    SAMPLES,
    Layer,
    RestorationNetwork,
    inputs,
    largest_sum,
    restore,
)
from inrcodec.tile.fixed_point import SAMPLE_MAX, log_step
from inrcodec.tile.partition import Partition

STEP = 160
PARTITION = Partition.from_splits(np.array([[0, 16], [5, 1]]))


def planes_of(partition, channels=3, largest=3000):
    rows, cols = partition.owner.shape
    return draw("planes", (channels, 8 * rows, 8 * cols), -largest, largest).astype(np.int16)


def restored(network, planes, partition=PARTITION, step=STEP):
    return restore(network, planes, cells_of(partition, len(planes)), step)


def inputs_of(planes, rows, cols, partition=PARTITION, step=STEP):
    return inputs(planes, cells_of(partition, len(planes)), step, np.array(rows), np.array(cols))


def test_the_identity_changes_nothing():
    planes = planes_of(PARTITION)
    result = restored(RestorationNetwork.identity(), planes)
    assert result is not planes
    assert np.array_equal(result, planes)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("splits", [[[0, 16], [5, 1]], [[0], [16], [5], [1], [0]]], ids=["square", "strips"])
def test_it_is_a_network_of_convolutions(synthetic_codebook, channels, splits):
    """The witness: torch in float64, on inputs that are continued beyond the edges."""
    partition = Partition.from_splits(np.array(splits))
    network, planes = synthetic_codebook.restoration, planes_of(partition, channels, 700)
    before = planes.copy()
    result = restored(network, planes, partition)
    assert np.array_equal(planes, before)

    radius = network.radius
    assert radius == 2 + 2 * (2 + 2)
    rows, cols = (range(-radius, length // FOLD + radius) for length in planes.shape[1:])

    def sums(x, layer):
        weight, bias = (torch.from_numpy(part).double() for part in (layer.weight, layer.bias))
        return torch.nn.functional.conv2d(x, weight, bias)

    def activations(x, layer):
        x = (sums(x, layer) / 2**layer.shift).floor().clamp(0, HIDDEN_MAX)
        assert 0.1 < (x % HIDDEN_MAX > 0).double().mean() < 0.95
        return x

    x = torch.from_numpy(inputs_of(planes, rows, cols, partition).astype(np.float64))[None]
    for layer in network.head:
        x = activations(x, layer)
    y = activations(torch.nn.functional.pixel_unshuffle(x, 2), network.down)
    for layer in network.branch:
        y = activations(y, layer)
    added = torch.nn.functional.pixel_shuffle((sums(y, network.up) / 2**network.up.shift).floor(), 2)
    assert (added != 0).double().mean() > 0.2
    x = (x[..., 4:-4, 4:-4] + added).clamp(0, HIDDEN_MAX)
    *hidden, last = network.tail
    for layer in hidden:
        x = activations(x, layer)
    # Three layers need three of the four positions that two squares of the branch have.
    x = sums(x, last)[..., 1:-1, 1:-1]
    correction = torch.nn.functional.pixel_shuffle(torch.floor(x * STEP / 2**last.shift + 0.5), FOLD)
    expected = np.clip(planes + correction[0, :channels].numpy(), -SAMPLE_MAX, SAMPLE_MAX)
    assert np.array_equal(result, expected)
    assert (result != planes).mean() > 0.5


def test_samples_are_seen_in_units_of_the_step():
    planes = np.zeros((3, 64, 64), np.int64)
    planes[1, 2:4, 6:8] = [[STEP, -STEP], [STEP // 2 + 4, 9000 * STEP]]
    x = inputs_of(planes, [1], [3])[:, 0, 0]
    assert x[:SAMPLES].tolist() == [0] * 4 + [ONE, -ONE, 8, INPUT_MAX] + [0] * 4
    # 4.5 sixteenths are rounded up.
    planes[0, 2, 6] = 45
    assert inputs_of(planes, [1], [3])[0, 0, 0] == 5
    assert x[-1] == log_step(STEP) - 40
    assert (np.abs(inputs_of(planes * 99, range(32), range(32))) <= INPUT_BOUNDS[:, None, None]).all()


def test_cells_are_seen():
    # In the upper half one cell of 32 and sixteen of 8.
    x = inputs_of(np.zeros((1, 64, 64)), range(32), range(32))[SAMPLES:-1]
    left, right, above, below, small, large = x[:6] > 0
    assert set(np.unique(x[:6])) == {0, ONE}
    edges = np.zeros((32, 32), bool)
    edges[:, 16] = True
    edges[:16, 20::4] = True
    assert np.array_equal(left[:16], edges[:16])
    assert np.array_equal(right[:, :-1], left[:, 1:])
    assert np.array_equal(below[:-1], above[1:])
    # The edges of a tile are no borders: nothing is known beyond them.
    assert not any(edge.any() for edge in (left[:, 0], right[:, -1], above[0], below[-1]))
    sizes = PARTITION.size[np.repeat(np.repeat(PARTITION.owner, 4, 0), 4, 1)]
    assert np.array_equal(small, sizes == 8)
    assert np.array_equal(large, sizes == 32)
    assert not x[7:].any()  # Chroma of grey.


def test_how_far_residuals_reach_is_seen():
    """In parts of the cell's diagonals, rounded up."""
    cells = cells_of(PARTITION, 3)
    x = inputs_of(np.zeros((3, 64, 64)), range(32), range(32))[SAMPLES + 6 : -1]
    share = np.ceil(ONE * cells.last_diagonals / (2 * cells.size))
    assert np.array_equal(x, share.repeat(4, 1).repeat(4, 2))
    assert x.max() == ONE
    assert np.array_equal(x == 0, cells.last_diagonals.repeat(4, 1).repeat(4, 2) == 0)


def test_beyond_the_edges_the_nearest_position_goes_on():
    planes = planes_of(PARTITION)
    x = inputs_of(planes, range(-2, 34), range(-3, 35))
    samples = np.pad(planes, ((0, 0), (4, 4), (6, 6)), mode="edge")
    scaled = np.clip(np.floor((32.0 * samples + STEP) / (2 * STEP)), -INPUT_MAX, INPUT_MAX)
    for plane in range(3):
        for dy, dx in np.ndindex(2, 2):
            assert np.array_equal(x[4 * plane + 2 * dy + dx], scaled[plane, dy::2, dx::2])
    sizes = slice(SAMPLES + 4, -1)
    assert np.array_equal(x[sizes], np.pad(x[sizes, 2:-2, 3:-3], ((0, 0), (2, 2), (3, 3)), mode="edge"))


def test_a_sample_matters_within_the_radius(synthetic_codebook):
    """Of a network that passes on whatever is not zero."""
    network = synthetic_codebook.restoration
    passing = {
        part: [Layer(np.full_like(layer.weight, 20), 0 * layer.bias, 0) for layer in layers]
        for part, layers in network.parts.items()
    }
    passing["head"][0].weight[:, SAMPLES:] = 0
    planes = np.zeros((3, 64, 64), np.int16)
    planes[0, 31, 24] = 700
    changed = restored(RestorationNetwork.of(passing), planes) != planes
    where = np.argwhere(changed.any(0)) // FOLD - [15, 12]
    # Squares of the branch begin at even positions.
    assert where.min(0).tolist() == [-network.radius, 1 - network.radius]
    assert where.max(0).tolist() == [network.radius - 1, network.radius]


def test_grey_is_a_picture_without_chroma(synthetic_codebook):
    planes = planes_of(PARTITION)
    planes[1:] = 0
    cells = cells_of(PARTITION, 3)
    cells.last_diagonals[1:] = 0
    network = synthetic_codebook.restoration
    assert np.array_equal(restored(network, planes[:1])[0], restore(network, planes, cells, STEP)[0])


@pytest.mark.parametrize("value", [SAMPLE_MAX, -SAMPLE_MAX])
def test_results_stay_in_range(synthetic_codebook, value):
    planes = np.where(planes_of(PARTITION) > 0, np.int16(value), np.int16(-value))
    result = restored(synthetic_codebook.restoration, planes, step=8192)
    assert np.abs(result).max() == SAMPLE_MAX
    assert np.array_equal(result, np.floor(result))


def test_the_bound_of_sums_is_reached(synthetic_codebook):
    first, second, *_ = synthetic_codebook.restoration.head
    weight, bias = first.weight.astype(np.int64), first.bias.astype(np.int64)
    extreme = np.sign(weight) * INPUT_BOUNDS[:, None, None].astype(np.int64)
    sums = (weight * extreme).sum((1, 2, 3)) * np.where(bias < 0, -1, 1) + bias
    assert largest_sum(first, first=True) == np.abs(sums).max()
    weight, bias = second.weight.astype(np.int64), second.bias.astype(np.int64)
    expected = (HIDDEN_MAX * np.abs(weight).sum((1, 2, 3)) + np.abs(bias)).max()
    assert largest_sum(second, first=False) == expected < 2**24


def test_the_shipped_network_does_not_depend_on_brightness():
    """The first layer's weights of every plane sum to zero."""
    weight = load_codebook().restoration.head[0].weight
    assert weight.shape[1] == INPUTS
    assert not weight[:, :SAMPLES].reshape(len(weight), 3, -1).sum(2).any()


def test_blas_gets_its_threads_back(synthetic_codebook, blas_threads):
    restored(synthetic_codebook.restoration, planes_of(PARTITION))
    assert blas_threads() == {2}
