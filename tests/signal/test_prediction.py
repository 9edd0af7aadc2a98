"""Start networks: integer tables that no libm can change, and the same numbers in numpy and torch."""

import math

import numpy as np
import pytest
import torch
from synthetic import draw

from inrcodec.signal.prediction import (
    INPUT_MAX,
    OUTPUT_BITS,
    REACH,
    SINE_ONE,
    SINE_TABLE,
    TURN,
    predicted_harmonics,
)
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.partition import SIZES, boundary_size
from inrcodec.training.export import quantise_network
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
        assert len(k) == REACH * (REACH + 1) // 2
        assert (k + m).max() == REACH - 1


@pytest.mark.parametrize("size", SIZES)
def test_numpy_and_torch_agree_bit_for_bit_with_any_number_of_threads(synthetic_codebook, size):
    network = synthetic_codebook.starts[size]
    samples = boundaries(size)
    mean, scale, features = network.look(samples, STEP)
    starts = network.starts(features, scale)
    assert starts.shape == (5, 3, network.modes, len(predicted_harmonics(size)))
    assert np.array_equal(starts, np.floor(starts))
    assert np.abs(starts).max() <= WEIGHT_MAX
    twin = network.to(torch, "cpu")
    threads = torch.get_num_threads()
    try:
        for count in (1, 4):
            torch.set_num_threads(count)
            found = twin.look(torch.from_numpy(samples), STEP, torch)
            for theirs, ours in zip(found, (mean, scale, features), strict=True):
                assert np.array_equal(theirs.numpy(), ours)
            assert np.array_equal(twin.starts(found[2], found[1], torch).numpy(), starts)
    finally:
        torch.set_num_threads(threads)


class ReciprocalDivision(torch.overrides.TorchFunctionMode):
    """Divides by a number as torch does on CUDA: by multiplying with its reciprocal.

    Attributes:
        inexact: the numbers divided by that are no powers of two.
    """

    def __init__(self):
        super().__init__()
        self.inexact = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        divisions = (torch.Tensor.__truediv__, torch.Tensor.div, torch.div, torch.true_divide)
        if function in divisions and not isinstance(args[1], torch.Tensor):
            if math.frexp(args[1])[0] != 0.5:
                self.inexact.append(args[1])
            return torch.mul(args[0], 1 / args[1])
        return function(*args, **(kwargs or {}))


def test_division_by_a_number_is_not_exact_on_every_device():
    total = torch.arange(1, 1000, dtype=torch.float64) * 196
    with ReciprocalDivision() as division:
        assert torch.equal(torch.floor(total / 4), torch.floor(total * 0.25))
        assert not division.inexact
        assert not torch.equal(torch.floor(total / 196), torch.floor(total / torch.full_like(total, 196)))
    assert division.inexact == [196]


@pytest.mark.parametrize("size", SIZES)
def test_torch_starts_divide_by_no_number_but_powers_of_two(synthetic_codebook, size):
    network = synthetic_codebook.starts[size]
    # Deviations that are whole numbers, where the least error shows.
    samples = np.arange(3000.0).reshape(1000, 3, 1) * (-1) ** np.arange(boundary_size(size))
    mean, scale, features = network.look(samples, STEP)
    with ReciprocalDivision() as division:
        twin = network.to(torch, "cpu")
        found = twin.look(torch.from_numpy(samples), STEP, torch)
        starts = twin.starts(found[2], found[1], torch)
    assert division.inexact == []
    for theirs, ours in zip(found, (mean, scale, features), strict=True):
        assert np.array_equal(theirs.numpy(), ours)
    assert np.array_equal(starts.numpy(), network.starts(features, scale))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("xp", [np, torch])
def test_mode_starts_are_the_starts_of_that_mode(synthetic_codebook, size, xp):
    network = synthetic_codebook.starts[size]
    samples = boundaries(size)
    if xp is torch:
        network, samples = network.to(torch, "cpu"), torch.from_numpy(samples)
    _, scale, features = network.look(samples, STEP, xp)
    modes = np.array([2, 0, 1, 2, 0])
    every = np.asarray(network.starts(features, scale, xp))
    chosen = np.asarray(network.mode_starts(features, scale, modes, xp))
    assert np.array_equal(chosen, every[np.arange(5), :, modes])


def test_cells_do_not_see_each_other(synthetic_codebook):
    network = synthetic_codebook.starts[8]
    samples = boundaries(8)
    _, scale, features = network.look(samples, STEP)
    _, scale3, features3 = network.look(samples[3:4], STEP)
    assert np.array_equal(network.starts(features, scale)[3:4], network.starts(features3, scale3))


def test_mean_scale_and_input_range(synthetic_codebook):
    network = synthetic_codebook.starts[8]
    samples = np.zeros((1, 1, boundary_size(8)))
    samples[0, 0, :26] = 100
    mean, scale = network.mean_and_scale(samples, 160)
    assert (mean.item(), scale.item()) == (50, 50 + 10)
    assert network.mean_and_scale(samples * 0, 1)[1].item() == 1
    samples[0, 0, 1:] = 0
    samples[0, 0, 0] = 8191
    _, _, features = network.look(samples, 1)
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
    network = quantise_network(size, parts)
    samples = boundaries(size, 20, 900)[2:]
    mean, scale, features = network.look(samples, STEP)
    got = network.starts(features, scale)
    x = (samples - mean) / scale
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
    assert quantise_network(size, parts).modes == 1
    with pytest.raises(ValueError, match="16 bits"):
        quantise_network(size, parts | {"weight3": np.full((64, 56), 9, np.float32)})
    with pytest.raises(ValueError, match="cell size"):
        quantise_network(16, parts)
