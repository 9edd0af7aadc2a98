"""Second-order MAML, adaptation, and the result file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inrcodec.errors import FormatError
from inrcodec.training.adapt import adapt, coordinates
from inrcodec.training.checkpoint import save_arrays
from inrcodec.training.loop import TrainConfig
from inrcodec.training.maml import MamlTask, Options, build, load_meta_siren
from inrcodec.training.recipes import Recipe
from inrcodec.training.run import train
from inrcodec.training.siren import Layout, Siren
from inrcodec.training.task import Setting
from inrcodec.training.worker import single_worker

OPTIONS = Options(crop=8, widths=(12, 10), omega=20.0, batch=3, inner_steps=2, inner_lr=0.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Smooth pictures that differ in colour and direction, so that there is something to learn."""
    place = tmp_path / "photos"
    place.mkdir()
    y, x = np.mgrid[0:12, 0:12] / 12
    for index in range(20):
        phase = np.array([0.0, 0.3, 0.6]) + 0.1 * index
        picture = 0.5 + 0.4 * np.sin(3 * x[..., None] + index % 4 * y[..., None] + phase)
        Image.fromarray((255 * picture).astype(np.uint8)).save(place / f"{index}.png")
    return place


def _task(folder: Path, options: Options = OPTIONS) -> MamlTask:
    return build(options, Setting(str(folder), 0, single_worker("cpu")))


def _reference_loss(task: MamlTask, params: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Naive MAML: one image after the other, one named tensor after the other."""
    layout, coords = Layout.sines(2, (12, 10), 3, 20.0), coordinates(8, 8, span="signed").double()
    images = task._sampler(0).flatten(1, 2).double() / 255

    def outputs(tensors: list[torch.Tensor]) -> torch.Tensor:
        x = coords
        for layer in range(2):
            x = torch.sin(20.0 * (x @ tensors[2 * layer].T + tensors[2 * layer + 1]))
        return x @ tensors[4].T + tensors[5]

    losses = []
    for image in images:
        tensors = [params[slot.slice].reshape(slot.shape) for slot in layout.slots]
        masks = [mask[slot.slice].reshape(slot.shape) for slot in layout.slots]
        for _ in range(2):
            loss = torch.mean((outputs(tensors) - image) ** 2)
            gradients = torch.autograd.grad(loss, tensors, create_graph=True)
            tensors = [t - 0.5 * g * m for t, g, m in zip(tensors, gradients, masks, strict=True)]
        losses.append(torch.mean((outputs(tensors) - image) ** 2))
    return torch.stack(losses).mean()


def test_gradient_is_second_order(folder: Path) -> None:
    task = _task(folder)
    start = task.start()
    kept = torch.tensor(np.random.default_rng(0).random(start.params.size) < 0.7)
    params = (torch.tensor(start.params) * kept).requires_grad_(True)
    loss, metrics = task.loss(params, kept, task.batch(0))
    (gradient,) = torch.autograd.grad(loss, params)

    exact = params.detach().double().requires_grad_(True)
    expected = _reference_loss(task, exact, kept)
    (expected_gradient,) = torch.autograd.grad(expected, exact)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-4, atol=0)
    torch.testing.assert_close((gradient * kept).double(), expected_gradient * kept, rtol=1e-3, atol=1e-5)
    assert float(metrics["psnr"]) == pytest.approx(-10 * np.log10(loss.item()), abs=1.0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_computes_the_same_loss_and_gradient(folder: Path) -> None:
    results = []
    for device in ("cpu", "cuda"):
        task = build(OPTIONS, Setting(str(folder), 0, single_worker(device)))
        start = task.start()
        params = torch.tensor(start.params, device=device, requires_grad=True)
        loss, _ = task.loss(params, torch.tensor(start.mask, device=device), task.batch(0))
        results.append((loss.detach().cpu(), torch.autograd.grad(loss, params)[0].cpu()))
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=1e-5)


def test_pruned_and_untunable_parameters_do_not_adapt(folder: Path) -> None:
    task = _task(folder, replace(OPTIONS, init="harmonic", order=4))
    start = task.start()
    params, mask = torch.tensor(start.params), torch.tensor(start.mask)
    targets = torch.rand(2, 64, 3)
    adapted = task._inner(params, mask, targets, second_order=False)
    siren = Siren.harmonic(4)
    moved = (adapted != params).any(dim=0).numpy()
    assert moved.sum() > 0.9 * siren.tunable.sum()
    assert not moved[~siren.tunable].any()


def test_score_is_the_mean_adapted_magnitude(folder: Path) -> None:
    task = _task(folder, replace(OPTIONS, inner_steps=0))
    start = task.start()
    score = task.score(torch.tensor(start.params), torch.tensor(start.mask))
    np.testing.assert_allclose(score.numpy(), np.abs(start.params), rtol=1e-5)


def test_learned_rates_get_gradients_and_are_exported(folder: Path) -> None:
    task = _task(folder, replace(OPTIONS, learned_rates=True))
    start = task.start()
    size = Layout.sines(2, (12, 10), 3, 20.0).size
    assert start.params.size == 2 * size
    assert not start.prunable[size:].any()
    params = torch.tensor(start.params, requires_grad=True)
    loss, _ = task.loss(params, torch.tensor(start.mask), task.batch(0))
    plain = _task(folder)
    expected, _ = plain.loss(params[:size], torch.tensor(start.mask[:size]), plain.batch(0))
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    (gradient,) = torch.autograd.grad(loss, params)
    assert (gradient[size:] != 0).all()
    changed = start.params.copy()
    changed[size:] = np.log(3)
    rates = task.export(changed, start.mask).tensors["rates"]
    np.testing.assert_allclose(rates, 1.5, rtol=1e-5)


def test_two_images_adapt_as_they_would_alone() -> None:
    siren = Siren.sine_init(Layout.sines(2, (16, 16), 3, 20.0), 1)
    coords, targets = coordinates(6, 7, span="signed"), torch.rand(2, 42, 3)
    both = adapt(siren, coords, targets, optimiser="adam", steps=5, lr=1e-3)
    for index in range(2):
        alone = adapt(siren, coords, targets[index : index + 1], optimiser="adam", steps=5, lr=1e-3)
        torch.testing.assert_close(alone.params[0], both.params[index], atol=1e-5, rtol=1e-4)
        np.testing.assert_allclose(alone.psnr[:, 0], both.psnr[:, index], rtol=1e-4)


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_adaptation_matches_the_optimisers_of_torch(optimiser) -> None:
    layout = Layout.sines(2, (16, 16), 3, 20.0)
    siren = Siren.sine_init(layout, 1)
    siren = siren.prune(np.random.default_rng(0).random(layout.size) < 0.6)
    coords, targets = coordinates(6, 7, span="signed"), torch.rand(1, 42, 3)
    lr = 0.1 if optimiser == "sgd" else 1e-3
    adapted = adapt(siren, coords, targets, optimiser=optimiser, steps=10, lr=lr)

    modules = [torch.nn.Linear(2, 16), torch.nn.Linear(16, 16), torch.nn.Linear(16, 3)]
    tensors = [tensor for module in modules for tensor in module.parameters()]
    masks = [torch.tensor(siren.mask[slot.slice].reshape(slot.shape)) for slot in layout.slots]
    with torch.no_grad():
        for tensor, slot in zip(tensors, layout.slots, strict=True):
            tensor.copy_(torch.tensor(siren.params[slot.slice].reshape(slot.shape)))
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    reference = kinds[optimiser](tensors, lr=lr)
    for _ in range(10):
        x = coords
        for module in modules[:-1]:
            x = torch.sin(20 * module(x))
        reference.zero_grad()
        (modules[-1](x) - targets[0]).square().mean().backward()
        for tensor, mask in zip(tensors, masks, strict=True):
            assert tensor.grad is not None
            tensor.grad *= mask
        reference.step()
    expected = torch.cat([tensor.detach().flatten() for tensor in tensors])
    torch.testing.assert_close(adapted.params[0], expected, atol=2e-5, rtol=1e-3)
    assert adapted.psnr.shape == (11, 1)
    assert adapted.psnr[-1, 0] > adapted.psnr[0, 0]
    assert not adapted.params[0, ~torch.tensor(siren.mask)].any()


def test_pruning_while_adapting_is_per_image() -> None:
    layout = Layout.sines(2, (16, 16), 3, 20.0)
    siren = Siren.sine_init(layout, 1)
    coords, targets = coordinates(6, 7, span="signed"), torch.rand(2, 42, 3)
    adapted = adapt(siren, coords, targets, optimiser="adam", steps=6, lr=1e-2, pruning={2: 0.5, 4: 0.5})
    weights = torch.tensor(layout.select("weight"))
    left = layout.select("weight").sum()
    for _ in range(2):
        left -= round(0.5 * left)
    assert (adapted.mask & weights).sum(dim=1).tolist() == [left, left]
    assert adapted.mask[:, ~weights].all()
    assert not adapted.params[~adapted.mask].any()
    assert not torch.equal(adapted.mask[0], adapted.mask[1])


def test_coordinates_of_both_spans() -> None:
    signed = coordinates(2, 3, span="signed")
    assert signed.tolist() == [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]
    unit = coordinates(2, 4, span="unit")
    assert unit[:5].tolist() == [[0.125, 0.25], [0.375, 0.25], [0.625, 0.25], [0.875, 0.25], [0.125, 0.75]]


def test_meta_training_beats_its_start_and_its_result_loads(folder: Path, tmp_path: Path) -> None:
    recipe = Recipe(
        "tiny",
        "maml",
        "",
        TrainConfig(steps=60, lr=3e-3, rounds=2, round_steps=15, log_every=15),
        replace(OPTIONS, inner_lr=0.1),
    )
    path = train(folder, recipe, tmp_path / "out", device="cpu")
    meta = load_meta_siren(path)
    weights = int(meta.siren.layout.select("weight").sum())
    left = weights
    for _ in range(2):
        left -= round(0.2 * left)
    assert (meta.siren.mask & meta.siren.layout.select("weight")).sum() == left
    assert meta.siren.mask[meta.siren.layout.select("bias")].all()
    assert meta.span == "signed"
    assert meta.recipe["maml"]["crop"] == 8

    task = _task(folder, recipe.options)
    start = task.start()
    before = task.validate(torch.tensor(start.params), torch.tensor(start.mask))
    after = task.validate(torch.tensor(meta.siren.params), torch.tensor(meta.siren.mask))
    assert after["psnr"] > before["psnr"] + 3
    assert after["psnr"] > after["psnr_start"]


def test_other_files_are_not_taken_for_a_network(tmp_path: Path) -> None:
    save_arrays(tmp_path / "other.safetensors", {"params": np.zeros(3, np.float32)}, {})
    (tmp_path / "broken.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{garbage")
    for name in ("other", "broken"):
        with pytest.raises(FormatError):
            load_meta_siren(tmp_path / f"{name}.safetensors")
