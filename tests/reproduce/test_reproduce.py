"""The reproduction of the base paper: systems, measurements, tables, claims, and the command on tiny data."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from inrcodec.bench.codecs import parse_codec
from inrcodec.errors import FormatError, InputError
from inrcodec.reproduce import presets
from inrcodec.reproduce.claims import margins, narrow_factors
from inrcodec.reproduce.coded import decode_survivors, encode_survivors
from inrcodec.reproduce.command import reproduce
from inrcodec.reproduce.data import centre_images, load_split
from inrcodec.reproduce.evaluation import (
    Measurement,
    Protocol,
    load_measurement,
    measure,
    save_measurement,
)
from inrcodec.reproduce.methods import (
    METHODS,
    Candidate,
    candidates,
    iterative,
    one_shot,
    parse_methods,
)
from inrcodec.reproduce.presets import PAPER, PAPER_SHORT, PRESETS, SMALL, Preset
from inrcodec.reproduce.rates import jpeg_scan_bytes, load_rates
from inrcodec.reproduce.run import Request, run_reproduction
from inrcodec.reproduce.summary import write_summary
from inrcodec.reproduce.training import Networks
from inrcodec.training.siren import Siren
from inrcodec.training.worker import single_worker

TINY = replace(
    SMALL,
    name="tiny",
    widths=(10, 8),
    crop=8,
    resize=dict.fromkeys(presets.TITLES, 8),
    dense_steps=6,
    rounds=3,
    round_steps=2,
    narrow_widths=(6, 3),
    narrow_steps=4,
    adam_steps=12,
    test_images=dict.fromkeys(presets.TITLES, 3),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures in the folders train and val, as in Imagenette."""
    y, x = np.mgrid[0:9, 0:12] / 12
    for split, count in (("train", 6), ("val", 4)):
        place = tmp_path / "data" / split / "class"
        place.mkdir(parents=True)
        for index in range(count):
            phase = np.array([0.0, 0.3, 0.6]) + 0.1 * index
            picture = 0.5 + 0.4 * np.sin(3 * x[..., None] + index % 4 * y[..., None] + phase)
            Image.fromarray((255 * picture).astype(np.uint8)).save(place / f"{split}{index}.png")
    return tmp_path / "data"


def _networks(folder: Path, out: Path, preset: Preset = TINY) -> Networks:
    worker = single_worker("cpu")
    training, testing = load_split(folder, preset.options("imagenette"), worker.device)
    return Networks("imagenette", preset, training, testing, out, worker, False, 0)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _measurement(method: str, weights: int, psnr: float, dataset: str = "sdf") -> Measurement:
    curve = np.linspace(psnr - 2, psnr, 3, dtype=np.float32)[:, None] + np.array([-1, 1], np.float32)
    layers = {"0.weight": float(weights), "0.bias": 5.0}
    return Measurement(dataset, method, 0, "adam", 2, layers, 0.1, curve, np.zeros((2, 4, 4, 3), np.uint8))


def test_paper_preset_is_the_published_one() -> None:
    layout = PAPER.layout()
    weights = int(layout.select("weight").sum())
    assert weights == 197_888
    assert int(layout.select("bias").sum()) == 1027
    left = weights
    for _ in range(PAPER.rounds):
        left -= round(PAPER.fraction * left)
    assert left == pytest.approx(2281, abs=3)
    narrow = [int(PAPER.layout(width).select("weight").sum()) for width in PAPER.narrow_widths]
    assert len(narrow) == PAPER.rounds
    for index, count in enumerate(narrow, start=1):
        assert count == pytest.approx(weights * 0.8**index, rel=0.15)


def test_short_preset_differs_from_the_published_one_in_its_schedule_only() -> None:
    schedule = {name: getattr(PAPER, name) for name in ("name", "outer_lr", "dense_steps", "rounds")}
    schedule |= {name: getattr(PAPER, name) for name in ("round_steps", "narrow_widths", "narrow_steps")}
    assert replace(PAPER_SHORT, test_images=PAPER.test_images, **schedule) == PAPER
    outer_steps = [p.dense_steps + 2 * p.rounds * p.round_steps for p in (PAPER, PAPER_SHORT)]
    assert outer_steps[1] < outer_steps[0] / 50


def test_short_preset_reaches_the_sparsities_that_the_paper_is_quoted_at() -> None:
    left = int(PAPER_SHORT.layout().select("weight").sum())
    counts = [left]
    for _ in range(PAPER_SHORT.rounds):
        counts.append(counts[-1] - round(PAPER_SHORT.fraction * counts[-1]))
    quoted = [count for count in counts if count < 0.11 * left][::2]
    assert quoted == pytest.approx([21_248, 13_599], abs=2)
    narrow = [int(PAPER_SHORT.layout(width).select("weight").sum()) for width in PAPER_SHORT.narrow_widths]
    for sparse, dense in zip(quoted, narrow[1:], strict=True):
        assert sparse <= dense < 1.05 * sparse
    assert narrow[0] > 2.4 * quoted[0]


def test_small_preset_has_a_narrow_network_for_every_sparse_one() -> None:
    dense = int(SMALL.layout().select("weight").sum())
    counts = sorted(int(SMALL.layout(width).select("weight").sum()) for width in SMALL.narrow_widths)
    sparse = [dense * (1 - SMALL.fraction) ** index for index in range(1, SMALL.rounds + 1)]
    sparse = [count for count in sparse if count <= 0.1 * dense]
    assert len(sparse) >= 2
    for count in sparse:
        assert min(n for n in counts if n >= count) < 1.2 * count


def test_methods_are_parsed_in_their_own_order() -> None:
    assert len(parse_methods("all")) == 6
    assert parse_methods("scratch, meta-sparseinr") == ("meta-sparseinr", "scratch")
    for text in ("", "meta-sparseinr,typo"):
        with pytest.raises(InputError):
            parse_methods(text)


def test_schedules_of_pruning_while_fitting() -> None:
    assert one_shot(PAPER, 3) == {50: pytest.approx(1 - 0.8**3)}
    assert iterative(PAPER, 1) == {50: 0.2}
    assert iterative(PAPER, 3) == {25: 0.2, 50: 0.2, 75: 0.2}
    assert len(iterative(PAPER, 20)) == 20


def test_candidates_have_the_sparsity_they_should(folder: Path, tmp_path: Path) -> None:
    networks = _networks(folder, tmp_path / "out")
    weights = TINY.layout().select("weight")
    expected = [int(weights.sum())]
    for _ in range(TINY.rounds):
        expected.append(expected[-1] - round(TINY.fraction * expected[-1]))
    dense = None
    for method in ("meta-sparseinr", "random-pruning"):
        found = list(candidates(method, networks))
        assert [int((c.siren.mask & weights).sum()) for c in found] == expected
        assert all(c.siren.mask[~weights].all() for c in found)
        dense = found[0].siren if dense is None else dense
        np.testing.assert_array_equal(found[0].siren.params, dense.params)
    assert not np.array_equal(
        list(candidates("meta-sparseinr", replace(networks, resume=True)))[1].siren.mask,
        list(candidates("random-pruning", replace(networks, resume=True)))[1].siren.mask,
    )
    images = centre_images(networks.testing, TINY.crop, 3)
    for method in ("maml-oneshot", "maml-imp"):
        for candidate, count in zip(candidates(method, networks), expected[1:], strict=True):
            measured = measure(candidate, Protocol("adam", TINY.adam_steps, 1e-3), "imagenette", images)
            assert measured.weights == pytest.approx(count, abs=2)
    assert [c.siren.layout.widths for c in candidates("dense-narrow", networks)] == [(6, 6), (3, 3)]
    assert [c.siren.layout.widths for c in candidates("scratch", networks)] == [(10, 8), (6, 6), (3, 3)]


def test_measurement_is_that_of_the_fit_and_survives_its_file(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8)
    siren = Siren.sine_init(TINY.layout(), 0)
    measured = measure(Candidate("dense-narrow", 1, siren), Protocol("adam", 12, 1e-2), "sdf", images)
    assert measured.psnr.shape == (13, 4)
    assert measured.mean[-1] > measured.mean[0]
    assert measured.weights == TINY.layout().select("weight").sum()
    error = np.square((measured.examples[0].astype(float) - images[0].numpy()) / 255).mean()
    assert -10 * np.log10(error) == pytest.approx(measured.psnr[-1, 0], abs=0.3)
    save_measurement(tmp_path / "m.safetensors", measured, {"seed": 0})
    again, context = load_measurement(tmp_path / "m.safetensors")
    assert context == {"seed": 0}
    np.testing.assert_array_equal(again.psnr, measured.psnr)
    assert (again.weights, again.biases, again.steps) == (measured.weights, measured.biases, 12)


def test_scratch_starts_anew_for_every_image() -> None:
    images = torch.zeros((2, 8, 8, 3), dtype=torch.uint8)
    siren = Siren.sine_init(TINY.layout(), 0)
    drawn = measure(Candidate("scratch", 0, siren, redraw=True), Protocol("sgd", 0, 1e-2), "sdf", images)
    assert drawn.psnr[0, 0] != drawn.psnr[0, 1]


def test_margins_take_an_opponent_with_at_least_as_many_weights() -> None:
    found = margins(
        [
            _measurement("meta-sparseinr", 100, 25),
            _measurement("dense-narrow", 99, 30),
            _measurement("dense-narrow", 120, 24),
            _measurement("dense-narrow", 150, 28),
            _measurement("random-pruning", 100, 26, dataset="celeba"),
        ]
    )
    assert [(m.baseline, m.baseline_weights) for m in found] == [("dense-narrow", 120)]
    assert found[0].gain == pytest.approx(1)
    assert found[0].wins == 1


def test_summary_says_whether_the_claims_hold(tmp_path: Path) -> None:
    rows = [
        _measurement("meta-sparseinr", 1000, 30),
        _measurement("meta-sparseinr", 100, 25),
        _measurement("dense-narrow", 120, 24),
        _measurement("dense-narrow", 900, 31),
        _measurement("random-pruning", 100, 25.5),
    ]
    write_summary(rows, tmp_path)
    summary = (tmp_path / "summary.md").read_text()
    assert "no more than 100 weights (10 %)" in summary
    assert "| Adam | 100 | 25.00 | Dense-Narrow | 120 | 24.00 | +1.00 | 100% | yes |" in summary
    assert "| Adam | 100 | 25.00 | Random Pruning | 100 | 25.50 | -0.50 | 0% | no |" in summary
    assert summary.count("| Adam |") == 2


def test_factor_is_interpolated_in_the_logarithm_of_weights() -> None:
    rows = [
        _measurement("meta-sparseinr", 100, 25),
        _measurement("meta-sparseinr", 50, 10),
        _measurement("dense-narrow", 100, 20),
        _measurement("dense-narrow", 400, 30),
    ]
    assert narrow_factors(rows, "sdf", "adam") == {100: pytest.approx(2.0)}


def test_survivors_come_back_from_their_file() -> None:
    rng = np.random.default_rng(1)
    layout = TINY.layout()
    siren = Siren.sine_init(layout, 0).prune(rng.random(layout.size) < 0.6)
    params = siren.params + siren.mask * rng.laplace(0, 0.01, layout.size).astype(np.float32)
    sizes = []
    for step in (0.25, 1.0):
        data = encode_survivors(siren, params, step)
        again = decode_survivors(siren, data)
        assert not again[~siren.mask].any()
        # the step of a tensor is rounded to a quarter of an octave
        assert np.abs(again - params).max() < 0.7 * step * 0.02
        sizes.append(len(data))
    assert sizes[1] < sizes[0] < siren.mask.sum()
    np.testing.assert_array_equal(
        decode_survivors(siren, encode_survivors(siren, siren.params, 1)), siren.params
    )
    for broken in (data[:-1], data[:20] + b"\xff" + data[21:], b"PK" + data):
        with pytest.raises(FormatError):
            decode_survivors(siren, broken)


def test_scan_of_a_jpeg_is_what_its_headers_leave() -> None:
    jpeg = parse_codec("jpeg")
    rng = np.random.default_rng(0)
    data = jpeg.encode(rng.integers(0, 256, (16, 16, 3), np.uint8), 1)
    scan = jpeg_scan_bytes(data)
    assert 0 < scan < len(data) - 200
    assert data[-scan - 2 - 12 : -scan - 2][:2] == b"\x00\x0c"


def test_folder_is_split_by_its_own_folders_or_by_name(folder: Path) -> None:
    device = torch.device("cpu")
    training, testing = load_split(folder, TINY.options("imagenette"), device)
    assert (len(training), len(testing)) == (6, 4)
    with pytest.raises(InputError, match="no "):
        load_split(folder / "train" / "class" / "train0.png", TINY.options("sdf"), device)


def test_run_resumes_and_writes_every_result(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    request = Request(folder, "imagenette", TINY, ("meta-sparseinr",), out, False, "cpu")
    first = run_reproduction(request)
    with pytest.raises(InputError, match="resume"):
        run_reproduction(request)
    everything = replace(request, methods=parse_methods("all"), resume=True)
    path = next(out.glob("*/measurements/*.safetensors"))
    before = path.stat().st_mtime_ns
    measurements = run_reproduction(everything)
    assert path.stat().st_mtime_ns == before
    assert {m.method for m in measurements} == set(parse_methods("all"))
    assert len(first) == 2 * (TINY.rounds + 1)
    rows = _rows(out / "results.csv")
    assert len(rows) == len(measurements)
    assert {row["optimiser"] for row in rows} == {"adam", "sgd"}
    for name in ("psnr_weights.png", "psnr_steps.png", "rates.png", "reconstructions-imagenette.png"):
        with Image.open(out / name) as figure:
            assert min(figure.size) > 100
            assert np.asarray(figure).std() > 0
    rates = load_rates(out / "rates.csv")
    assert {"jpeg", "jpeg without headers"} < {rate.coder for rate in rates}
    for rate in rates:
        files = (out / "imagenette" / "files" / f"{rate.coder} {rate.setting:g}").iterdir()
        bpp = 8 * np.mean([path.stat().st_size for path in files]) / 64
        assert rate.bpp == pytest.approx(bpp, rel=1e-3) or (rate.bpp < bpp and "without" in rate.coder)
    summary = (out / "summary.md").read_text()
    adam = {(m.method, m.weights): m.mean[-1] for m in measurements if m.optimiser == "adam"}
    assert f"PSNR in dB after {TINY.adam_steps} steps of Adam, by surviving weights:" in summary
    heads = ["weights", *(METHODS[name].title for name in parse_methods("all"))]
    for weights in {weights for _, weights in adam}:
        cells = [adam.get((name, weights)) for name in METHODS]
        row = [str(weights), *("" if cell is None else f"{cell:.2f}" for cell in cells)]
        assert f"| {' | '.join(row)} |" in summary
    assert f"| {' | '.join(heads)} |" in summary
    with pytest.raises(InputError, match="preset"):
        run_reproduction(replace(everything, preset=replace(TINY, adam_lr=0.5)))


def test_command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "small", TINY)
    out = tmp_path / "out"
    arguments = ["--data", str(folder), "--dataset", "sdf", "--methods", "scratch", "--out", str(out)]
    result = CliRunner().invoke(reproduce, [*arguments, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out / 'summary.md'}\n"
    assert result.stderr.count("2-D SDF, Scratch, ") == 6

    names = [f"scratch-{index:02d}-{optimiser}" for index in range(3) for optimiser in ("adam", "sgd")]
    files = sorted((out / "sdf" / "measurements").iterdir())
    assert [path.stem for path in files] == names
    weights = [int(TINY.layout(width).select("weight").sum()) for width in (None, *TINY.narrow_widths)]
    expected = {}
    for path in files:
        measured, context = load_measurement(path)
        assert context["preset"]["name"] == "tiny"
        assert (measured.dataset, measured.method) == ("sdf", "scratch")
        assert measured.weights == weights[measured.index]
        assert measured.psnr.shape == (measured.steps + 1, 3)
        expected[str(measured.weights), measured.optimiser] = measured

    rows = _rows(out / "results.csv")
    assert {(row["weights"], row["optimiser"]) for row in rows} == set(expected)
    for row in rows:
        measured = expected[row["weights"], row["optimiser"]]
        assert (row["dataset"], row["method"], row["images"]) == ("sdf", "scratch", "3")
        assert float(row["psnr_mean"]) == pytest.approx(measured.mean[-1], abs=1e-3)
        assert float(row["psnr_std"]) == pytest.approx(measured.deviation, abs=1e-3)
    curves = _rows(out / "curves.csv")
    assert [row["step"] for row in curves] == [str(step) for step in range(TINY.adam_steps + 1)] * 3
    for row in curves:
        mean = expected[row["weights"], "adam"].mean
        assert float(row["psnr_mean"]) == pytest.approx(mean[int(row["step"])], abs=1e-3)
    layers = _rows(out / "layers.csv")
    for count in weights:
        own = [row for row in layers if row["weights"] == str(count) and row["tensor"].endswith("weight")]
        assert sum(float(row["survivors"]) for row in own) == count
    assert load_rates(out / "rates.csv") == []
    summary = (out / "summary.md").read_text()
    assert "## 2-D SDF" in summary
    for count in weights:
        assert f"| {count} | {expected[str(count), 'adam'].mean[-1]:.2f} |" in summary
        assert f"| {count} | {expected[str(count), 'sgd'].mean[-1]:.2f} |" in summary
    for name in ("psnr_weights.png", "psnr_steps.png", "reconstructions-sdf.png"):
        with Image.open(out / name) as figure:
            assert np.asarray(figure).std() > 0
    assert not (out / "rates.png").exists()


def test_every_preset_can_be_named() -> None:
    (option,) = (parameter for parameter in reproduce.params if parameter.name == "preset")
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == set(PRESETS)
