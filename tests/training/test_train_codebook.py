"""Training of a codebook from photos to a file that encodes, with recipes of a few seconds."""

import csv
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data
from synthetic import tile_symbols

import inrcodec
from inrcodec.bench import variants
from inrcodec.codebook import load_codebook
from inrcodec.container import FLAT
from inrcodec.decisions.effort import EFFORTS
from inrcodec.decisions.rate_distortion import weight_cost
from inrcodec.errors import InputError
from inrcodec.signal.prediction import predicted_harmonics
from inrcodec.signal.quantiser import STEP_MIN, TUNES, quality_of_step
from inrcodec.signal.restoration import KERNELS, ONE, inputs, restore
from inrcodec.tile.partition import (
    BLOCK,
    SIZES,
    UNIT,
    CellMap,
    boundary_indices,
    boundary_size,
    sample_indices,
)
from inrcodec.training.adam import Moments, adam_step
from inrcodec.training.checkpoint import load_arrays
from inrcodec.training.data import Photos, load_photos
from inrcodec.training.export import Floats, restoration_network
from inrcodec.training.fits import fitted_photos
from inrcodec.training.graph import CapturedStep
from inrcodec.training.loop import Trainer
from inrcodec.training.recipes import parse_recipe, task_module
from inrcodec.training.restoration import Options, RestorationTask, _Example, _restored
from inrcodec.training.run import train
from inrcodec.training.starts import _Cells, _Places, rate_distortion
from inrcodec.training.task import Setting
from inrcodec.training.worker import single_worker

STARTS = """
task = "starts"
[training]
steps = 8
lr = 2e-3
schedule = "cosine"
rounds = 2
round_steps = 4
fraction = 0.5
score = "adapted"
log_every = 2
[starts]
hidden = 8
modes = 2
steps = [24.0, 60.0]
batch = [12, 6, 4]
anneal = 4
"""
MAML = """
task = "maml"
[training]
steps = 8
lr = 1e-3
[maml]
crop = 16
widths = [12, 10]
omega = 20.0
position = "random"
inner_lr = 0.1
"""
CONTEXTS = """
task = "contexts"
[training]
steps = 30
lr = 4e-3
log_every = 10
[contexts]
starts = "{starts}"
trained_on = "scikit-image photos"
rates = "{rates}"
hidden = [6, 4]
fits = 3
batch = 256
"""

RESTORATION = """
task = "restoration"
[training]
steps = {steps}
lr = 2e-3
log_every = 10
validate_every = 20
[restoration]
codebook = "{codebook}"
head = [8]
branch = [8, 8]
tail = [8]
fits = 2
batch = 4
crop = 32
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three training photos and one for validation, 96 x 128 pixels."""
    path = tmp_path_factory.mktemp("photos") / "photos.npz"
    crops = [data.astronaut()[:96, 100:228], data.coffee()[200:296, :128], data.chelsea()[60:156, 90:218]]
    np.savez(path, train=np.stack(crops), val=data.astronaut()[None, 300:396, 200:328])
    return path


@pytest.fixture(scope="module")
def starts_file(photos, tmp_path_factory):
    """Result of the tiny run of prediction networks."""
    return train(photos, parse_recipe("tiny-starts", STARTS), tmp_path_factory.mktemp("starts"), device="cpu")


@pytest.fixture(scope="module")
def codebook_file(photos, starts_file, tmp_path_factory):
    """Result of the tiny run of contexts on them."""
    recipe = parse_recipe("tiny-contexts", CONTEXTS.format(starts=starts_file, rates=""))
    return train(photos, recipe, tmp_path_factory.mktemp("contexts"), device="cpu")


def test_prediction_networks_are_pruned_and_exported(starts_file):
    tensors, metadata = load_arrays(starts_file)
    assert metadata["recipe"]["name"] == "tiny-starts"
    assert metadata["density"] == pytest.approx(0.25, abs=0.02)
    for size in SIZES:
        inputs, outputs = boundary_size(size), 2 * len(predicted_harmonics(size))
        assert tensors[f"prediction.{size}.weight1"].shape == (8, inputs)
        assert tensors[f"prediction.{size}.weight3"].shape == (outputs, 8 + inputs)
        assert tensors[f"prediction.{size}.prior"].shape == (2,)
        assert (tensors[f"prediction.{size}.bias1"] != 0).all()
    rounds = sorted(path.name for path in starts_file.parent.glob("round-*"))
    assert rounds == [f"round-0{i}.safetensors" for i in range(3)]


def test_a_trained_codebook_encodes(codebook_file, photo):
    codebook = load_codebook(codebook_file)
    assert codebook.metadata["recipe"]["name"] == "tiny-contexts"
    small = photo[:64, :96]
    file = inrcodec.encode(small, codebook=codebook_file)
    assert inrcodec.inspect(file).codebook == codebook.id.hex()
    error = np.abs(inrcodec.decode(file, codebook=codebook_file).astype(int) - small).mean()
    assert error < 12
    # Even minutes-old tables beat none: uniform ones would spend four bits on every magnitude.
    assert len(file) < len(inrcodec.encode(small, codebook=codebook_file, entropy="zstd"))


def test_variants_for_the_benchmark_lack_one_part_each(starts_file, tmp_path):
    variants.main(str(tmp_path), str(starts_file.parent))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"no-restoration.safetensors", "no-transforms.safetensors", "zero-starts.safetensors"} | {
        f"round-0{i}.safetensors" for i in range(3)
    }
    default, without = load_codebook(), load_codebook(tmp_path / "no-restoration.safetensors")
    assert default.restoration.layers[-1].weight.any()
    assert not without.restoration.layers[-1].weight.any()
    assert np.array_equal(default.predictors[8].weight1, without.predictors[8].weight1)
    cosines = load_codebook(tmp_path / "no-transforms.safetensors").entropy.transforms.bits
    assert cosines[:, 0].max() < 0.01
    assert (cosines[:, 1:] == 14).all()
    trained, replaced = (load_arrays(path)[0] for path in (starts_file, tmp_path / "zero-starts.safetensors"))
    assert trained.keys() == replaced.keys()
    assert not any(tensor.any() for tensor in replaced.values())


def test_contexts_train_on_fits_guided_by_an_earlier_codebook(
    photos, starts_file, codebook_file, tmp_path, photo
):
    recipe = parse_recipe("again", CONTEXTS.format(starts=starts_file, rates=codebook_file))
    second = train(photos, recipe, tmp_path, device="cpu")
    assert load_codebook(second).id != load_codebook(codebook_file).id
    file = inrcodec.encode(photo[:32, :64], codebook=second)
    assert inrcodec.decode(file, codebook=second).shape == (32, 64, 3)


def test_contexts_train_on_the_prediction_networks_of_a_codebook(photos, codebook_file, tmp_path):
    recipe = parse_recipe("again", CONTEXTS.format(starts=codebook_file, rates=codebook_file))
    result = train(photos, recipe, tmp_path, device="cpu")
    old, new = (load_arrays(path)[0] for path in (codebook_file, result))
    assert all(np.array_equal(old[name], new[name]) for name in old if name.startswith("prediction."))
    assert not np.array_equal(old["magnitudes.8.tables"], new["magnitudes.8.tables"])


def test_fitted_photos_share_the_tunes_and_the_range_of_qualities(tmp_path):
    pixels = np.random.default_rng(7).integers(0, 256, (8, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "photos.npz", train=pixels, val=pixels[:1])
    setting = Setting(str(tmp_path / "photos.npz"), 3, single_worker("cpu"))
    fitted = list(fitted_photos(setting, "train", load_codebook(), 8, (12.0, 220.0), EFFORTS[1]))
    weightings = [photo.quantiser.weighting for photo in fitted]
    assert weightings.count(FLAT) == weightings.count(TUNES["visual"]) == 4
    best, worst = (quality_of_step(step * STEP_MIN) for step in (12, 220))
    for photo in fitted:
        quality = quality_of_step(photo.quantiser.step, photo.quantiser.weighting)
        assert worst - 0.1 < quality < best + 0.1


def test_a_run_is_refused_before_its_photos_are_read(starts_file, tmp_path):
    recipe = parse_recipe("tiny-starts", STARTS)
    with pytest.raises(InputError, match="holds a training run"):
        train(tmp_path / "missing", recipe, starts_file.parent, device="cpu")
    with pytest.raises(InputError, match="missing"):
        train(tmp_path / "missing", recipe, starts_file.parent, resume=True, device="cpu")


def test_two_processes_fit_the_same_photos_as_one(photos, starts_file, codebook_file, tmp_path):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(CONTEXTS.format(starts=starts_file, rates=""))
    together = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = ["-m", "inrcodec", "train", "--data", photos, "--recipe", recipe, "--out", tmp_path / "run"]
    done = subprocess.run([*together, *command], env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True)
    assert done.returncode == 0
    one, two = (load_arrays(path)[0] for path in (codebook_file, tmp_path / "run" / "result.safetensors"))
    # These tables are counts of symbols; networks differ by rounding.
    for name in ("splits", "modes", "transforms"):
        assert np.array_equal(one[name], two[name])
    name = "magnitudes.8.weight1"
    assert np.abs(one[name] - two[name]).max() < 0.01 * np.abs(one[name]).max()


def test_restoration_is_trained_for_a_codebook(photos, codebook_file, tmp_path):
    recipe = parse_recipe("tiny", RESTORATION.format(steps=150, codebook=codebook_file))
    result = train(photos, recipe, tmp_path, device="cpu")
    before, after = load_codebook(codebook_file), load_codebook(result)
    assert after.metadata["codebook"] == before.metadata
    assert after.metadata["trained_on"] == before.metadata["trained_on"]
    old, new = (load_arrays(path)[0] for path in (codebook_file, result))
    same = {name for name in old.keys() & new.keys() if np.array_equal(old[name], new[name])}
    assert {name.split(".")[0] for name in (old.keys() | new.keys()) - same} == {"restoration"}
    parts = after.restoration.parts
    assert {part: [layer.weight.shape for layer in layers] for part, layers in parts.items()} == {
        "head": [(8, 22, 3, 3)],
        "down": [(8, 32, 1, 1)],
        "branch": [(8, 8, 3, 3)],
        "up": [(32, 8, 1, 1)],
        "tail": [(8, 8, 3, 3), (12, 8, 3, 3)],
    }
    assert not parts["head"][0].weight[:, :12].reshape(8, 3, -1).sum(2).any()
    with open(tmp_path / "log.csv", newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows[0]["loss"] > 0.98 * rows[0]["unrestored"]
    assert rows[-1]["loss"] < 0.99 * rows[-1]["unrestored"]


def some_symbols(rows, cols):
    """Integers of a tile, most of whose cells have residuals."""
    return tile_symbols("restoration", (rows, cols), 3)


@pytest.mark.parametrize("tail", [(16,), (16, 16)])
def test_integers_follow_the_restoration_network_that_was_trained(tail):
    """Within three per cent of a quantiser step, mostly a half, for weights of ordinary size."""
    rng = np.random.default_rng(5)
    channels = Options("", head=(16, 16), branch=(12, 8, 16), tail=tail, fits=1).channels
    parts = {
        part: [
            Floats(
                rng.normal(0, 1.5 / np.sqrt(inputs * side**2), (outputs, inputs, side, side)),
                rng.normal(0, 0.3, outputs),
            )
            for inputs, outputs in channels[part]
        ]
        for part, side in KERNELS.items()
    }
    planes = parts["head"][0].weight[:, :12].reshape(16, 3, -1)
    planes -= planes.mean(2, keepdims=True)
    network = restoration_network(parts)
    cells = some_symbols(2, 2).cells
    decoded = np.rint(rng.normal(0, 300, (3, 64, 64))).astype(np.int16)
    step = 320
    positions = np.arange(-network.radius, 32 + network.radius)
    x = inputs(decoded, cells, step, positions, positions).astype(np.float64) / ONE
    floats = {
        part: [(torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)) for layer in parts[part]]
        for part in KERNELS
    }
    expected = torch.nn.functional.pixel_shuffle(_restored(torch.from_numpy(x)[None], floats), 2)[0].numpy()
    result = restore(network, decoded, cells, step)
    assert expected.std() > 0.2
    difference = (result - decoded) / step - expected
    assert np.abs(difference).max() < 0.03
    assert np.sqrt(np.square(difference).mean()) < 0.006


def test_restoration_begins_with_the_network_of_a_codebook(photos, codebook_file, tmp_path):
    """Without a step of training, it is that network: its floats give the same integers again."""
    path = next(book.path for book in inrcodec.available_codebooks() if book.is_default)
    text = RESTORATION.format(steps=0, codebook=codebook_file) + f'begin_with = "{path}"\n'
    with pytest.raises(InputError, match="head, branch and tail are not those"):
        train(photos, parse_recipe("other", text), tmp_path, device="cpu")
    text = text.replace("head = [8]", "head = [64, 64]").replace("tail = [8]", "tail = [64]")
    recipe = parse_recipe("same", text.replace("branch = [8, 8]", "branch = [96, 96, 96, 96]"))
    new = load_codebook(train(photos, recipe, tmp_path, device="cpu")).restoration
    old = load_codebook(path).restoration
    assert new.parts.keys() == old.parts.keys()
    for again, before in zip(new.layers, old.layers, strict=True):
        assert again.shift == before.shift
        assert np.array_equal(again.weight, before.weight)
        assert np.array_equal(again.bias, before.bias)


def turned(array, way):
    """The last two axes transposed (bit 2 of way), then flipped (bits 0 and 1)."""
    array = array.swapaxes(-1, -2) if way & 4 else array
    array = array[..., ::-1, :] if way & 1 else array
    return array[..., ::-1] if way & 2 else array


@pytest.mark.parametrize("crop", [16, 64])
def test_crops_show_what_is_to_be_restored(crop):
    """As numpy's inputs, of photos of different sizes, turned in all eight ways."""
    rng = np.random.default_rng(1)
    examples = []
    for rows, cols, step in ((4, 2, 160), (2, 3, 1000)):
        decoded = rng.integers(-999, 999, (3, 32 * rows, 32 * cols)).astype(np.int16)
        original = (decoded + rng.normal(0, 60, decoded.shape)).astype(np.int16)
        examples.append(_Example(original, decoded, some_symbols(rows, cols).cells, step))
    options = Options("", head=(4, 4), branch=(4, 4, 4), tail=(4, 4), fits=2, crop=crop)
    task = RestorationTask(options, {}, {}, examples, [], 0, single_worker("cpu"))
    places = np.array([[n, way, 5 * way + n, 3 + way] for n in range(2) for way in range(8)])
    length, margin = crop // 2, 2 + 2 * (2 + 2)
    for (n, way, row, col), x, target, weight in zip(
        places, *task._crops(torch.from_numpy(places)), strict=True
    ):
        example = examples[n]
        original, decoded = (turned(planes, way) for planes in (example.original, example.decoded))
        cells = CellMap(*(turned(values, way) for values in example.cells))
        # Every multiple of two positions from which a crop fits may be drawn.
        top, left = (
            2 * (place % ((side - crop) // 4 + 1))
            for place, side in zip((row, col), decoded.shape[1:], strict=True)
        )
        spans = (np.arange(begin - margin, begin + length + margin) for begin in (top, left))
        expected = inputs(decoded, cells, example.step, *spans) / ONE
        means = expected[:12].reshape(3, -1).mean(1).repeat(4)
        assert np.allclose(x[:12], expected[:12] - means[:, None, None], atol=1e-4)
        assert np.allclose(x[12:], expected[12:])
        error = ((original.astype(float) - decoded) / example.step)[
            :, 2 * top : 2 * top + crop, 2 * left : 2 * left + crop
        ]
        squares = torch.nn.functional.pixel_unshuffle(torch.from_numpy(error), 2)
        assert np.allclose(target, squares, atol=1e-5)
        assert weight == pytest.approx(1 / example.squared_error())


def test_photos_smaller_than_a_crop_are_refused():
    planes = np.zeros((3, 32, 64), np.int16)
    example = _Example(planes + 1, planes, some_symbols(1, 2).cells, 160)
    options = Options("", head=(4,), branch=(4, 4), tail=(4,), fits=1, crop=36)
    with pytest.raises(InputError, match="smaller than a crop of 36"):
        RestorationTask(options, {}, {}, [example], [], 0, single_worker("cpu"))


@pytest.mark.parametrize("stop", [3, 9])
def test_interrupted_training_resumes_exactly(photos, starts_file, tmp_path, stop):
    recipe = parse_recipe("tiny-starts", STARTS)
    setting = Setting(str(photos), recipe.training.seed, single_worker())

    class Interrupted(Exception):
        pass

    task = task_module("starts").build(recipe.options, setting)
    batch = task.batch

    def interrupted(index):
        if index == stop:
            raise Interrupted
        return batch(index)

    task.batch = interrupted
    trainer = Trainer(task, recipe.training, tmp_path, setting.worker, recipe.to_dict())
    with pytest.raises(Interrupted):
        trainer.run()
    result = train(photos, recipe, tmp_path, resume=True, device="cpu")
    expected, _ = load_arrays(starts_file)
    found, _ = load_arrays(result)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert np.array_equal(found[name], tensor), name


@pytest.fixture(scope="module", params=["maml", "starts", "contexts", "restoration"])
def learning(request, photos, starts_file, codebook_file):
    """Makes a task for a device; and how it learns."""
    text = {
        "maml": MAML,
        "starts": STARTS,
        "contexts": CONTEXTS.format(starts=starts_file, rates=""),
        "restoration": RESTORATION.format(steps=30, codebook=codebook_file),
    }
    recipe = parse_recipe(f"tiny-{request.param}", text[request.param])

    def task(device):
        setting = Setting(str(photos), recipe.training.seed, single_worker(device))
        return task_module(recipe.task).build(recipe.options, setting)

    return task, recipe.training


def test_batches_depend_on_their_number_only_and_look_alike(learning):
    build, config = learning
    task, other = build("cpu"), build("cpu")
    other.batch(2)
    batches = [task.batch(index) for index in range(config.steps)]
    for index, batch in enumerate(batches):
        for part, again, first in zip(batch, other.batch(index), batches[0], strict=True):
            assert torch.equal(part, again)
            assert (part.shape, part.dtype, part.stride()) == (first.shape, first.dtype, first.stride())
        assert index == 0 or any(not torch.equal(*parts) for parts in zip(batch, batches[0], strict=True))
    start = task.start()
    params, mask = torch.tensor(start.params), torch.tensor(start.mask)
    loss, metrics = task.loss(params, mask, batches[1])
    assert torch.equal(loss, other.loss(params, mask, other.batch(1))[0])
    assert {value.shape for value in metrics.values()} == {()}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_step_learns_what_an_eager_one_does(learning, tmp_path):
    build, config = learning
    config = replace(config, steps=5, rounds=1, round_steps=5, grad_clip=1.0, log_every=5)
    task = build("cuda")
    captured, eager = (
        Trainer(task, config, tmp_path / name, single_worker("cuda")) for name in ("captured", "eager")
    )
    assert isinstance(captured._step, CapturedStep)
    eager._step = eager._learn
    start = captured.params.detach().clone()
    logs = []
    for trainer in (captured, eager):
        trainer.run()
        logs.append(np.genfromtxt(trainer.out_dir / "log.csv", delimiter=",", names=True))
    assert not torch.equal(captured.params, start)
    torch.testing.assert_close(captured.params, eager.params, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(logs[0]["loss"], logs[1]["loss"], rtol=1e-4)


def test_training_lowers_the_cost(photos):
    recipe = parse_recipe("tiny-starts", STARTS)
    setting = Setting(str(photos), 0, single_worker())
    task = task_module("starts").build(recipe.options, setting)
    start = task.start()
    params = torch.tensor(start.params, requires_grad=True)
    every = torch.ones_like(params, dtype=torch.bool)

    def cost():
        with torch.no_grad():
            return float(
                torch.stack([task.loss(params, every, task.batch(1000 + i))[0] for i in range(8)]).mean()
            )

    before = cost()
    moments = Moments.zeros(params)
    for index in range(240):
        (gradient,) = torch.autograd.grad(task.loss(params, every, task.batch(index))[0], params)
        with torch.no_grad():
            adam_step(params, gradient, moments, torch.tensor(start.rates) * 2e-3)
    assert cost() < 0.97 * before
    figures = task.validate(params.detach(), every)
    assert figures.keys() == {f"{kind}{size}" for kind in ("bits", "ratio") for size in SIZES}


def test_training_cost_is_the_encoders_estimate():
    weights = np.linspace(0, 30, 50, dtype=np.float32)
    cost = rate_distortion(torch.from_numpy(weights)).numpy()
    assert np.allclose(cost, weight_cost(weights), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_training_cells_see_what_coded_cells_see(photos, size):
    """Boundaries of the drawn cells are those that the codec would read in a picture of such cells."""
    photos_in_memory = load_photos(photos, "train", torch.device("cpu"))
    cells = _Cells(photos_in_memory, (24.0,))
    _, height, width = 3, 96, 128
    partition = type(cells._patterns[size]).from_splits(
        np.full((height // BLOCK, width // BLOCK), {32: 0, 16: 1, 8: 16}[size])
    )
    every = np.arange(len(partition.size))
    y, x = partition.row * UNIT // size, partition.col * UNIT // size
    # The draws leave out the first row and column, where samples have to be replaced.
    inner = every[(y > 0) & (x > 0)]
    photo = np.ones(len(inner), np.int64)
    boundary, samples = cells.indices(_Places(size, photo, 0 * photo, y[inner], x[inner]))
    begin = height * width
    assert np.array_equal(samples - begin, sample_indices(partition, inner, size, width))
    expected = boundary_indices(partition, inner, size, width)
    last = x[inner] * size + 2 * size <= width
    assert np.array_equal((boundary - begin)[last], expected[last])


@pytest.mark.parametrize("turn", range(8))
def test_turned_cells_are_cells_of_turned_photos(photos, turn):
    photo = load_photos(photos, "train", torch.device("cpu")).pixels[: 96 * 128].numpy().reshape(96, 128, 3)
    turned = photo.swapaxes(0, 1) if turn & 4 else photo
    turned = turned[:: -1 if turn & 1 else 1, :: -1 if turn & 2 else 1]

    def cells_of(pixels):
        shape = np.array([pixels.shape[:2]])
        flat = torch.from_numpy(pixels.reshape(-1, 3).copy())
        return _Cells(Photos(flat, np.zeros(1, np.int64), shape, ("photo",)), (24.0,))

    cells, expected = cells_of(photo), cells_of(turned)
    for size in SIZES:
        y, x = (axis.ravel()[1:] for axis in np.indices([n // size for n in turned.shape[:2]]))
        y, x = np.maximum(y, 1), np.maximum(x, 1)
        none = np.zeros(len(y), np.int64)
        for ours, theirs in zip(
            cells.indices(_Places(size, none, none + turn, y, x)),
            expected.indices(_Places(size, none, none, y, x)),
            strict=True,
        ):
            assert torch.equal(cells.samples[ours], expected.samples[theirs])
            difference = cells.views[0][ours] - expected.views[0][theirs]
            assert abs(difference).max() <= 1  # a tie may be rounded to the other side


def test_errors_of_the_recipes(photos, starts_file, tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        parse_recipe("bad", STARTS.replace("modes = 2", "modes = 0"))
    with pytest.raises(InputError, match="hidden"):
        parse_recipe("bad", CONTEXTS.format(starts="a", rates="").replace("[6, 4]", "[6]"))
    missing = parse_recipe("missing", CONTEXTS.format(starts=tmp_path / "none.safetensors", rates=""))
    with pytest.raises(InputError, match="cannot be read"):
        train(photos, missing, tmp_path / "out", device="cpu")
    missing = parse_recipe("missing", RESTORATION.format(steps=1, codebook=tmp_path / "none.safetensors"))
    with pytest.raises(InputError, match="cannot be read"):
        train(photos, missing, tmp_path / "out", device="cpu")
    restoration = RESTORATION.format(steps=1, codebook="a")
    for wrong in ("crop = 31", "crop = 34", "crop = 0"):
        with pytest.raises(InputError, match="multiple of 4"):
            parse_recipe("bad", restoration.replace("crop = 32", wrong))
    for right, wrong in (("head = [8]", "head = []"), ("branch = [8, 8]", "branch = [8]")):
        with pytest.raises(InputError, match="head needs a layer, branch two"):
            parse_recipe("bad", restoration.replace(right, wrong))
    with pytest.raises(InputError, match="must be positive"):
        parse_recipe("bad", restoration.replace("tail = [8]", "tail = [0]"))
    other = parse_recipe("maml", CONTEXTS.format(starts=starts_file.with_name("state.safetensors"), rates=""))
    with pytest.raises(InputError, match="no network for cells"):
        train(photos, other, tmp_path / "out", device="cpu")
