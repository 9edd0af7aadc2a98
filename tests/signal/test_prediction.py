"""Prediction networks: integer tables that no libm can change, and weights within bounds."""

import math

import numpy as np
import pytest
from synthetic import draw

from inrcodec.signal.prediction import (
    INPUT_MAX,
    OUTPUT_BITS,
    PREDICTED_DIAGONALS,
    SINE_ONE,
    SINE_TABLE,
    TURN,
    mean_and_deviation,
    predicted_harmonics,
)
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.partition import SIZES, boundary_size
from inrcodec.training.export import prediction_network
from inrcodec.training.siren import Layout, evaluate

STEP = 300


def boundaries(size, count=5, largest=3500):
    """Boundary samples, one cell flat and one with the largest samples there can be."""
    samples = draw(f"boundary {size}", (count, 3, boundary_size(size)), -largest, largest).astype(np.float64)
    samples[0] = 17
    samples[1] = np.where(samples[1] > 0, 8191, -8191)
    return samples


def test_sine_table_is_far_from_rounding_ties():
    exact = [SINE_ONE * math.sin(2 * math.pi * i / TURN) for i in range(TURN)]
    assert SINE_TABLE.tolist() == [round(value) for value in exact]
    assert min(abs(value - math.floor(value) - 0.5) for value in exact) > 1e-4


def test_predicted_harmonics():
    assert len(predicted_harmonics(8)) == 64
    for size in (16, 32):
        k, m = np.divmod(predicted_harmonics(size), size)
        assert len(k) == PREDICTED_DIAGONALS * (PREDICTED_DIAGONALS + 1) // 2
        assert (k + m).max() == PREDICTED_DIAGONALS - 1


@pytest.mark.parametrize("size", SIZES)
def test_weights_are_bounded_integers(synthetic_codebook, size):
    network = synthetic_codebook.predictors[size]
    weights = network.predict(boundaries(size), STEP).every
    assert weights.shape == (5, 3, network.modes, len(predicted_harmonics(size)))
    assert np.array_equal(weights, np.floor(weights))
    assert np.abs(weights).max() <= WEIGHT_MAX


@pytest.mark.parametrize("size", SIZES)
def test_the_weights_of_chosen_modes_are_among_those_of_every_mode(synthetic_codebook, size):
    network = synthetic_codebook.predictors[size]
    modes = np.array([2, 0, 1, 2, 0])
    alone = network.predict(boundaries(size), STEP).chosen(modes)
    prediction = network.predict(boundaries(size), STEP)
    assert np.array_equal(alone, prediction.every[np.arange(5), :, modes])
    assert np.array_equal(alone, prediction.chosen(modes))


def test_cells_do_not_see_each_other(synthetic_codebook):
    network = synthetic_codebook.predictors[8]
    samples = boundaries(8)
    together, alone = (network.predict(s, STEP).every for s in (samples, samples[3:4]))
    assert np.array_equal(together[3:4], alone)


def test_mean_scale_and_input_range(synthetic_codebook):
    network = synthetic_codebook.predictors[8]
    samples = np.zeros((1, 1, boundary_size(8)))
    samples[0, 0, :26] = 100
    mean, deviation = mean_and_deviation(samples)
    scale = network.predict(samples, 160).scale
    assert (mean.item(), scale.item()) == (50, 50 + 10)
    assert deviation.item() == 50
    assert network.predict(samples * 0, 1).scale.item() == 1
    samples[0, 0, 1:] = 0
    samples[0, 0, 0] = 8191
    features = network.predict(samples, 1).features
    assert np.abs(features[..., -boundary_size(8) :]).max() <= INPUT_MAX * 4


def test_integer_network_follows_the_float_network():
    size, hidden, modes = 8, 16, 2
    outputs = modes * len(predicted_harmonics(size))
    inputs = boundary_size(size)
    rng = np.random.default_rng(5)
    layout = Layout.sines(inputs, (hidden, hidden), outputs, 1.0)
    params = (rng.normal(0, 0.15, layout.size)).astype(np.float32)
    skip = rng.normal(0, 0.05, (outputs, inputs)).astype(np.float32)
    parts = {}
    for slot in layout.slots:
        layer, kind = slot.name.split(".")
        parts[f"{kind}{int(layer) + 1}"] = params[slot.slice].reshape(slot.shape)
    parts["weight3"] = np.concatenate([parts["weight3"], skip], axis=1)
    network = prediction_network(size, parts)
    samples = boundaries(size, 20, 900)[2:]
    prediction = network.predict(samples, STEP)
    got, scale = prediction.every, prediction.scale
    x = (samples - prediction.mean) / scale
    expected = (evaluate(layout, params, x) + x @ skip.T) * scale
    expected = expected.reshape(got.shape)
    # Relative to the scale: inputs are rounded to 1/64, sines to 1/256, weights to 2**-12.
    assert np.abs(got - expected).max() / scale.max() < 0.03
    assert OUTPUT_BITS == 12


def test_weights_that_do_not_fit_are_refused():
    size = 8
    shapes = {"weight1": (4, 52), "bias1": (4,), "weight2": (4, 4), "bias2": (4,)}
    shapes |= {"weight3": (64, 56), "bias3": (64,)}
    parts = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    assert prediction_network(size, parts).modes == 1
    with pytest.raises(ValueError, match="16 bits"):
        prediction_network(size, parts | {"weight3": np.full((64, 56), 9, np.float32)})
    with pytest.raises(ValueError, match="cell size"):
        prediction_network(16, parts)
