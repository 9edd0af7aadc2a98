"""The torch kernels divide exactly on every device, and do not depend on the number of threads."""

import math

import numpy as np
import pytest
import torch
from synthetic import tile_symbols

from inrcodec.codebook import load_codebook
from inrcodec.encoding.tile import fit_tile
from inrcodec.kernels import select
from inrcodec.kernels.torch import TorchKernels
from inrcodec.signal.color import to_planes
from inrcodec.signal.quantiser import Quantiser
from inrcodec.tile.partition import SIZES, boundary_size

NUMPY, TORCH = (select("cpu", name) for name in ("numpy", "torch"))


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
def test_predictions_divide_by_no_number_but_powers_of_two(synthetic_codebook, size):
    network = synthetic_codebook.predictors[size]
    # Deviations that are whole numbers, where the least error shows.
    samples = np.arange(3000.0).reshape(1000, 3, 1) * (-1) ** np.arange(boundary_size(size))
    expected = network.predict(samples, 300)
    assert isinstance(TORCH, TorchKernels)
    with ReciprocalDivision() as division:
        found = TORCH.predictors({size: network})[size].predict(samples, 300)
        assert np.array_equal(found.mean, expected.mean)
        assert np.array_equal(found.slope, expected.slope)
        assert np.array_equal(found.every, expected.every)
    assert division.inexact == []


def test_a_tile_is_coded_and_decoded_without_inexact_division(photo):
    book = load_codebook()
    planes = to_planes(photo[:64, 64:160])
    with ReciprocalDivision() as division:
        fit = fit_tile(planes, Quantiser(400), book, TORCH)
        box = 0, 0, *planes.shape[1:]
        restored = TORCH.restore(book.restoration, fit.planes, fit.symbols.cells, 400, 11, box)
    assert division.inexact == []
    assert np.array_equal(fit.planes, NUMPY.reconstruct(fit.symbols, Quantiser(400), book.predictors))
    expected = NUMPY.restore(book.restoration, fit.planes, fit.symbols.cells, 400, 11, box)
    assert np.array_equal(restored, expected)


def test_threads_do_not_matter(synthetic_codebook):
    book = synthetic_codebook
    symbols = tile_symbols("threads", (2, 3), 3)
    expected = NUMPY.reconstruct(symbols, Quantiser(320), book.predictors)
    threads = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            assert np.array_equal(TORCH.reconstruct(symbols, Quantiser(320), book.predictors), expected)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same_planes(photo):
    book, cuda = load_codebook(), select("cuda")
    fit = fit_tile(to_planes(photo), Quantiser(300), book, cuda)
    assert np.array_equal(fit.planes, NUMPY.reconstruct(fit.symbols, Quantiser(300), book.predictors))
    box, cells = (0, 0, *fit.planes.shape[1:]), fit.symbols.cells
    restored = cuda.restore(book.restoration, fit.planes, cells, 300, 15, box)
    assert np.array_equal(restored, NUMPY.restore(book.restoration, fit.planes, cells, 300, 15, box))
