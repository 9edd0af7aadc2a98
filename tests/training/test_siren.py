"""The network: layout, initialisations, numpy against torch, survivors."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from inrcodec.training.siren import Layout, Siren, evaluate, features

LAYOUT = Layout(2, (24, 17), 3, ("sine", "identity"), (30.0, 1.0))


def _points(count: int, seed: int = 0, batch: int | None = None) -> np.ndarray:
    shape = (count, 2) if batch is None else (batch, count, 2)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def test_flat_layout_is_named_and_contiguous() -> None:
    names = [slot.name for slot in LAYOUT.slots]
    assert names == ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"]
    assert [slot.shape for slot in LAYOUT.slots] == [(24, 2), (24,), (17, 24), (17,), (3, 17), (3,)]
    ends = [0] + [slot.slice.stop for slot in LAYOUT.slots]
    assert [slot.slice.start for slot in LAYOUT.slots] == ends[:-1]
    assert ends[-1] == LAYOUT.size == 24 * 3 + 17 * 25 + 3 * 18
    assert np.array_equal(LAYOUT.select("weight"), ~LAYOUT.select("bias"))
    assert LAYOUT.select("bias").sum() == 24 + 17 + 3
    assert Layout.from_dict(LAYOUT.to_dict()) == LAYOUT


def test_parameter_counts_of_the_base_paper() -> None:
    layout = Layout.sines(2, (256,) * 4, 3, 200.0)
    assert layout.select("weight").sum() == 197_888
    assert layout.select("bias").sum() == 1_027


@pytest.mark.parametrize(
    ("widths", "activations", "omegas"),
    [((4,), ("sine", "sine"), (1.0,)), ((0,), ("sine",), (1.0,)), ((4,), ("relu",), (1.0,))],
)
def test_impossible_layouts_are_refused(widths, activations, omegas) -> None:
    with pytest.raises(ValueError, match=r"layer|activation"):
        Layout(2, widths, 3, activations, omegas)


def test_sine_init_bounds_follow_the_paper() -> None:
    layout = Layout.sines(2, (256,) * 4, 3, 200.0)
    siren = Siren.sine_init(layout, 0)
    for slot in layout.slots:
        bound = 0.5 if slot.name.startswith("0.") else math.sqrt(6 / 256) / 200
        values = siren.params[slot.slice]
        assert np.abs(values).max() <= bound
        if values.size > 100:
            assert np.abs(values).max() > 0.95 * bound
            assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert siren.mask.all()
    assert siren.tunable.all()
    assert np.array_equal(siren.params, Siren.sine_init(layout, 0).params)
    assert not np.array_equal(siren.params, Siren.sine_init(layout, 1).params)


def test_evaluation_is_the_textbook_formula() -> None:
    siren = Siren.sine_init(LAYOUT, 1)
    tensors = {
        slot.name: siren.params[slot.slice].reshape(slot.shape).astype(np.float64) for slot in LAYOUT.slots
    }
    x = _points(50)
    hidden = np.sin(30 * (x @ tensors["0.weight"].T + tensors["0.bias"]))
    hidden = hidden @ tensors["1.weight"].T + tensors["1.bias"]
    expected = hidden @ tensors["2.weight"].T + tensors["2.bias"]
    np.testing.assert_allclose(features(LAYOUT, siren.params, x), hidden, atol=1e-5)
    np.testing.assert_allclose(siren.evaluate(x), expected, atol=1e-5)


@pytest.mark.parametrize("omega", [30.0, 200.0])
def test_numpy_and_torch_agree(omega: float) -> None:
    layout = Layout.sines(2, (64,) * 4, 3, omega)
    siren = Siren.sine_init(layout, 2)
    params = siren.params.copy()
    # outputs over the whole range of colours, as after training
    params[layout.slot("4.weight").slice] *= np.float32(omega)
    x = _points(400)
    ours = evaluate(layout, params, x)
    assert ours.dtype == np.float32
    assert ours.std() > 0.1
    theirs = evaluate(layout, torch.tensor(params), torch.tensor(x)).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("batched_params", [False, True])
@pytest.mark.parametrize("batched_x", [False, True])
def test_batches_equal_single_evaluations(batched_params: bool, batched_x: bool) -> None:
    many = np.stack([Siren.sine_init(LAYOUT, seed).params for seed in range(3)])
    params = many if batched_params else many[0]
    x = _points(20, batch=3) if batched_x else _points(20)
    ours = evaluate(LAYOUT, params, x)
    theirs = evaluate(LAYOUT, torch.tensor(params), torch.tensor(x)).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    if not batched_params and not batched_x:
        assert ours.shape == (20, 3)
        return
    assert ours.shape == (3, 20, 3)
    for cell in range(3):
        single = evaluate(LAYOUT, params[cell] if batched_params else params, x[cell] if batched_x else x)
        np.testing.assert_allclose(ours[cell], single, atol=1e-5)


def test_arguments_are_left_alone() -> None:
    siren = Siren.sine_init(LAYOUT, 3)
    x = _points(10)
    before = siren.params.copy(), x.copy()
    siren.evaluate(x)
    np.testing.assert_array_equal(siren.params, before[0])
    np.testing.assert_array_equal(x, before[1])


@pytest.mark.parametrize("order", [1, 2, 5, 16])
def test_harmonic_features_are_the_cosine_basis(order: int) -> None:
    siren = Siren.harmonic(order)
    centres = (np.arange(order) + 0.5) / order
    x, y = np.meshgrid(centres, centres)
    grid = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    basis = features(siren.layout, siren.params, grid)
    np.testing.assert_allclose(basis.T @ basis, np.eye(order**2), atol=1e-5)

    u = np.random.default_rng(0).uniform(0, 1, (30, 2)).astype(np.float32)
    k = np.arange(order)
    scale = np.sqrt(np.where(k, 2, 1) / order)
    waves = scale * np.cos(np.pi * k * u[:, :, None])
    expected = (waves[:, 0, :, None] * waves[:, 1, None, :]).reshape(30, -1)
    np.testing.assert_allclose(features(siren.layout, siren.params, u), expected, atol=1e-5)
    np.testing.assert_array_equal(siren.evaluate(u), 0)


def test_harmonic_masks() -> None:
    order = 16
    siren = Siren.harmonic(order)
    sines = 2 * order**2 - 2 * order + 1
    counts = siren.survivor_counts()
    assert counts["0.weight"] == 2 * sines
    # two sines per product of cosines, one where a frequency is zero
    assert counts["1.weight"] == 2 * (order - 1) ** 2 + 2 * (order - 1) + 1
    assert counts["1.weight"] < 0.005 * sines * order**2
    assert siren.tunable.sum() == 3 * order**2
    assert siren.tunable[siren.layout.slot("2.weight").slice].all()


def test_survivors_round_trip_in_flat_order() -> None:
    rng = np.random.default_rng(4)
    siren = Siren.sine_init(LAYOUT, 4).prune(rng.random(LAYOUT.size) < 0.4)
    values = siren.survivors(siren.params)
    np.testing.assert_array_equal(values, siren.params[siren.mask])
    np.testing.assert_array_equal(siren.with_survivors(values), siren.params)

    cells = rng.normal(size=(2, 5, values.size)).astype(np.float32)
    full = siren.with_survivors(cells)
    assert full.shape == (2, 5, LAYOUT.size)
    assert not full[..., ~siren.mask].any()
    np.testing.assert_array_equal(siren.survivors(full), cells)

    tensor = torch.tensor(cells, requires_grad=True)
    restored = siren.with_survivors(tensor)
    np.testing.assert_array_equal(restored.detach().numpy(), full)
    assert torch.equal(siren.survivors(restored), tensor)
    restored.square().sum().backward()
    torch.testing.assert_close(tensor.grad, 2 * tensor.detach())


def test_untunable_parameters_come_from_the_network() -> None:
    siren = Siren.harmonic(4)
    full = siren.with_survivors(np.ones((2, 48), np.float32))
    np.testing.assert_array_equal(full[:, ~siren.tunable], np.stack([siren.params[~siren.tunable]] * 2))


def test_pruning_zeroes_and_counts() -> None:
    siren = Siren.sine_init(LAYOUT, 5)
    keep = LAYOUT.select("bias")
    pruned = siren.prune(keep)
    assert not pruned.params[~keep].any()
    np.testing.assert_array_equal(pruned.mask, keep)
    np.testing.assert_array_equal(pruned.tunable, keep)
    assert pruned.survivor_counts()["1.weight"] == 0
    assert pruned.survivor_counts()["1.bias"] == 17
    assert sum(pruned.survivor_counts().values()) == keep.sum()


def test_inconsistent_masks_are_refused() -> None:
    siren = Siren.sine_init(LAYOUT, 6)
    none = np.zeros(LAYOUT.size, np.bool_)
    with pytest.raises(ValueError, match="exactly zero"):
        Siren(LAYOUT, siren.params, none, none)
    with pytest.raises(ValueError, match="tunable"):
        Siren(LAYOUT, np.zeros_like(siren.params), none, siren.tunable)
    with pytest.raises(ValueError, match="shape"):
        Siren(LAYOUT, siren.params[1:], siren.mask, siren.tunable)
    with pytest.raises(ValueError, match="float32"):
        Siren(LAYOUT, siren.params.astype(np.float64), siren.mask, siren.tunable)


def test_importing_and_running_it_leaves_torch_out() -> None:
    code = (
        "import sys, numpy as np; from inrcodec.training.siren import Siren;"
        "s = Siren.harmonic(4); s.evaluate(np.zeros((5, 2), np.float32)); s.survivors(s.params);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
