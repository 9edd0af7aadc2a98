"""What `inrcodec reproduce` does, step by step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from inrcodec.errors import InputError
from inrcodec.reproduce.data import centre_images, load_split
from inrcodec.reproduce.evaluation import (
    Measurement,
    load_measurement,
    measure,
    protocols,
    save_measurement,
)
from inrcodec.reproduce.figures import write_figures
from inrcodec.reproduce.methods import META_SPARSE, METHODS, candidates
from inrcodec.reproduce.presets import TITLES, Preset
from inrcodec.reproduce.rates import (
    RATES,
    load_rates,
    measure_rates,
    save_rates,
    surviving_weights,
)
from inrcodec.reproduce.summary import write_summary
from inrcodec.reproduce.tables import write_tables
from inrcodec.reproduce.training import Networks
from inrcodec.training.worker import single_worker

_NETWORKS = "networks"
_MEASUREMENTS = "measurements"
_FILES = "files"
_CODED = 0.25
"""Networks of at most this share of the weights are coded into files."""


@dataclass(frozen=True)
class Request:
    """The command line; see ``inrcodec reproduce --help``."""

    data: Path
    dataset: str
    preset: Preset
    methods: Sequence[str]
    out: Path
    resume: bool
    device: str
    seed: int = 0


def run_reproduction(request: Request) -> list[Measurement]:
    """Train, measure, and write tables, figures and summary of everything in ``request.out``.

    Files: ``DATASET/networks/`` (training runs), ``DATASET/measurements/`` (one file per fit),
    ``DATASET/files/`` (coded images), and beside the data sets the tables, figures and summary.md, which
    cover all data sets measured there so far.

    Raises:
        InputError: the data cannot be used, or the folder holds results and ``resume`` is False, or results
            of another preset.
    """
    if find_spec("matplotlib") is None:
        raise InputError("the figures need matplotlib: pip install 'inrcodec[bench]'")
    folder = request.out / request.dataset
    if folder.exists() and not request.resume:
        raise InputError(f"{folder} exists: pass --resume to go on with it, or choose another --out")
    worker = single_worker(request.device)
    options = request.preset.options(request.dataset)
    training, testing = load_split(request.data, options, worker.device)
    images = centre_images(testing, options.crop, request.preset.test_images[request.dataset])
    (folder / _MEASUREMENTS).mkdir(parents=True, exist_ok=True)
    networks = Networks(
        request.dataset,
        request.preset,
        training,
        testing,
        folder / _NETWORKS,
        worker,
        request.resume,
        request.seed,
    )
    context = _context(request.preset, request.seed)
    for method in request.methods:
        for candidate in candidates(method, networks):
            for protocol in protocols(request.preset, method):
                path = (
                    folder
                    / _MEASUREMENTS
                    / f"{method}-{candidate.index:02d}-{protocol.optimiser}.safetensors"
                )
                if path.exists():
                    _check(path, context)
                    continue
                measured = measure(candidate, protocol, request.dataset, images)
                save_measurement(path, measured, context)
                click.echo(
                    f"{TITLES[request.dataset]}, {METHODS[method].title}, {measured.weights} weights, "
                    f"{protocol.steps} steps of {protocol.optimiser}: {measured.mean[-1]:.2f} dB",
                    err=True,
                )
    rates = folder / RATES
    if META_SPARSE in request.methods and not rates.exists():
        pruned = list(replace(networks, resume=True).pruned(META_SPARSE, random=False))
        most = _CODED * surviving_weights(pruned[0])
        sparse = [siren for siren in pruned if surviving_weights(siren) <= most] or pruned[-1:]
        save_rates(measure_rates(request.dataset, request.preset, sparse, images, folder / _FILES), rates)
    return report(request.out, context)


def report(out: Path, context: dict[str, Any]) -> list[Measurement]:
    """Write tables, figures and summary from the measurements below ``out``, and return these.

    Raises:
        InputError: some were made with another preset or seed.
    """
    order = {name: number for number, name in enumerate((*TITLES, *METHODS))}
    paths = sorted(out.glob(f"*/{_MEASUREMENTS}/*.safetensors"))
    measurements = [_check(path, context) for path in paths]
    measurements.sort(key=lambda m: (order[m.dataset], order[m.method], m.optimiser, m.index))
    rates = [
        rate for dataset in TITLES if (path := out / dataset / RATES).exists() for rate in load_rates(path)
    ]
    write_tables(measurements, out)
    save_rates(rates, out / RATES)
    write_figures(measurements, rates, out)
    write_summary(measurements, out)
    return measurements


def _context(preset: Preset, seed: int) -> dict[str, Any]:
    facts = {**asdict(preset), "resize": dict(preset.resize), "test_images": dict(preset.test_images)}
    # as JSON gives it back, to compare with the context of a file
    context: dict[str, Any] = json.loads(json.dumps({"preset": facts, "seed": seed}))
    return context


def _check(path: Path, context: dict[str, Any]) -> Measurement:
    measurement, made_in = load_measurement(path)
    if made_in != context:
        raise InputError(f"{path} was measured with another preset: choose another --out")
    return measurement
