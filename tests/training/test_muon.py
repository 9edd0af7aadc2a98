"""Muon: singular values near one, and the steps of PyTorch's own optimiser."""

import pytest
import torch

from inrcodec.training.flat import Slot
from inrcodec.training.muon import muon_step, orthogonalise


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (12, 12)])
def test_orthogonalise_keeps_singular_vectors(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    short = min(shape)
    left = torch.linalg.qr(torch.randn(shape[0], short, generator=generator))[0]
    right = torch.linalg.qr(torch.randn(shape[1], short, generator=generator))[0]
    matrix = left * torch.linspace(0.5, 4, short) @ right.T
    inner = left.T @ orthogonalise(matrix) @ right
    assert ((inner.diagonal() > 0.6) & (inner.diagonal() < 1.3)).all()
    assert (inner - torch.diag(inner.diagonal())).abs().max() < 0.05


def test_orthogonalise_leaves_zero() -> None:
    assert not orthogonalise(torch.zeros(3, 5)).any()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="needs torch 2.9")
def test_steps_are_those_of_pytorch() -> None:
    generator = torch.Generator().manual_seed(1)
    begin, rows, columns = 3, 6, 20
    params = torch.randn(begin + rows * columns + 2, generator=generator)
    matrix = Slot("matrix", begin, (rows, columns))
    expected = torch.nn.Parameter(matrix.of(params).clone())
    optimiser = torch.optim.Muon(
        [expected], lr=0.02, momentum=0.95, weight_decay=0, adjust_lr_fn="match_rms_adamw"
    )
    before, momentum = params.clone(), torch.zeros_like(params)
    for _ in range(5):
        gradient = torch.randn(params.shape, generator=generator)
        muon_step(params, gradient, momentum, matrix, 0.02)
        expected.grad = matrix.of(gradient).clone()
        optimiser.step()
    moved = matrix.of(params)
    assert torch.allclose(moved, expected, rtol=0, atol=1e-5)
    outside = torch.ones_like(params, dtype=torch.bool)
    outside[matrix.slice] = False
    assert torch.equal(params[outside], before[outside])
