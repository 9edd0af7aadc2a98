"""Native-grid reconstruction: exact integers, whatever the file says and wherever it runs."""

import math

import numpy as np
import pytest
from synthetic import draw

from inrcodec.signal.prediction import predicted_harmonics
from inrcodec.signal.reconstruction import Canvas
from inrcodec.signal.transforms import FEATURE_BITS, axis_features, cosine_features
from inrcodec.tile.fixed_point import SAMPLE_MAX, WEIGHT_MAX
from inrcodec.tile.partition import SIZES, Group, Partition
from inrcodec.tile.transform_types import AXIS_TRANSFORMS, TRANSFORMS
from inrcodec.training.siren import Siren, evaluate, features


class Given:
    """A prediction of given weights (N, C, K) and means (N, C, 1)."""

    def __init__(self, mean, weights):
        self.mean, self._weights = mean, weights

    def chosen(self, modes):
        return self._weights


def draw_cells(canvas, cells, size, mean, weights, residual, transforms):
    """Draws cells whose weights (N, C, size, size) are given, as far as they can be predicted."""
    predicted = weights.reshape(*weights.shape[:2], -1)[..., predicted_harmonics(size)]
    group, modes = Group(size, cells, cells), np.zeros_like(cells)
    flat = residual.reshape(*residual.shape[:2], -1)
    canvas.draw(group, Given(mean, predicted), modes, flat, transforms)


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


LENGTHS = sorted({size * eighths // 8 for size in SIZES for eighths in (2, 3, 4, 5, 8)})


@pytest.mark.parametrize("length", LENGTHS)
def test_waves_are_far_from_rounding_ties(length):
    scale = 2**FEATURE_BITS
    for j in range(length):
        for i in range(length):
            cosine = (
                scale
                * math.sqrt((2 if j else 1) / length)
                * math.cos(math.pi * j * (2 * i + 1) / (2 * length))
            )
            turn = math.pi * (2 * j + 1) * (i + 1) / (2 * length + 1)
            sine = scale * math.sqrt(4 / (2 * length + 1)) * math.sin(turn)
            for value in (cosine, sine):
                assert abs(value - math.floor(value) - 0.5) > 7e-4


@pytest.mark.parametrize("size", SIZES)
def test_transforms_are_orthonormal_and_list_their_waves_by_frequency(size):
    tables = axis_features(size)
    assert len(tables) == AXIS_TRANSFORMS
    assert np.array_equal(tables[0], cosine_features(size))
    for table in tables:
        assert np.abs(table @ table.T / 4**FEATURE_BITS - np.eye(size)).max() < 1e-3
        # A wave of frequency f changes its sign f times per sample, and more where its piece ends.
        changes = [np.count_nonzero(np.diff(np.sign(row[row != 0]))) / np.count_nonzero(row) for row in table]
        assert np.corrcoef(changes, np.arange(size))[0, 1] > 0.95
    # A sine rises from a border where nothing is left of a prediction.
    assert tables[1][0, 0] < tables[1][0, -1] / 3


def test_transforms_end_waves_where_their_pieces_end():
    begins = {
        axis: sorted({int(np.flatnonzero(row)[0]) for row in table})
        for axis, table in enumerate(axis_features(32))
    }
    assert begins == {0: [0], 1: [0], 2: [0, 16], 3: [0, 8, 24], 4: [0, 12], 5: [0, 20]}


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
    draw_cells(canvas, np.array([0]), size, mean, weights, np.zeros_like(weights), np.array([0]))
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
        one = np.array([0])
        draw_cells(canvas, one, size, np.zeros((1, 1, 1)), nothing, weights[None, None], one)
        assert canvas.image()[0, sample, sample] == SAMPLE_MAX


def test_transform_types_choose_the_waves_of_either_axis():
    """Vertical and horizontal, for predictions that are cosines all the same."""
    size = 8
    tables = axis_features(size)
    predicted, residual = draw("phases", (2, TRANSFORMS, 1, size, size), -5000, 5000).astype(np.float64)
    partition = Partition.from_splits(np.full((1, 3), 16))
    cells = np.arange(TRANSFORMS)
    canvas = Canvas(partition, 1)
    draw_cells(canvas, cells, size, np.zeros((TRANSFORMS, 1, 1)), predicted, residual, cells)
    image = canvas.image()[0]
    for cell in range(TRANSFORMS):
        vertical, horizontal = tables[cell // AXIS_TRANSFORMS], tables[cell % AXIS_TRANSFORMS]
        z = tables[0].T @ predicted[cell, 0] @ tables[0] + vertical.T @ residual[cell, 0] @ horizontal
        y, x = 8 * partition.row[cell], 8 * partition.col[cell]
        expected = np.clip(np.floor((z + 2**23) / 2**24), -SAMPLE_MAX, SAMPLE_MAX)
        assert np.array_equal(image[y : y + 8, x : x + 8], expected)
