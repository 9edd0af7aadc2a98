"""The figures of a reproduction, by matplotlib: PSNR by weights, steps and rate, and reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inrcodec.bench.plots import COLOURS, PUBLISHED, curve_style, dress, new_figure
from inrcodec.reproduce.claims import sparse_limit
from inrcodec.reproduce.evaluation import EXAMPLES, OPTIMISERS, Measurement
from inrcodec.reproduce.methods import META_SPARSE, METHODS
from inrcodec.reproduce.presets import TITLES
from inrcodec.reproduce.rates import BARE_JPEG, Rate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE = 0.8
"""Of markers and lines, over those of a plot that has the page to itself."""


def write_figures(measurements: Sequence[Measurement], rates: Sequence[Rate], out: Path) -> None:
    """Write psnr_weights.png, psnr_steps.png, rates.png and reconstructions-DATASET.png."""
    datasets = [name for name in TITLES if any(m.dataset == name for m in measurements)]
    _save(_against_weights(measurements, datasets), out / "psnr_weights.png")
    _save(_against_steps(measurements, datasets), out / "psnr_steps.png")
    if rates:
        _save(_against_rate(rates), out / "rates.png")
    for dataset in datasets:
        _save(_reconstructions(measurements, dataset), out / f"reconstructions-{dataset}.png")


def at_sparsity(measurements: Sequence[Measurement], dataset: str) -> dict[str, Measurement]:
    """By method, its measurement by Adam beside the largest Meta-SparseINR that counts as sparse.

    That is the smallest network with at least as many weights; methods without one are left out.
    """
    adam = [m for m in measurements if m.dataset == dataset and m.optimiser == "adam"]
    limit = sparse_limit(measurements, dataset)
    sparse = [m.weights for m in adam if m.method == META_SPARSE and m.weights <= limit]
    floor = max(sparse, default=0)
    return {
        name: min(fitting, key=lambda m: m.weights)
        for name in METHODS
        if (fitting := [m for m in adam if m.method == name and m.weights >= floor])
    }


def _against_weights(measurements: Sequence[Measurement], datasets: Sequence[str]) -> Figure:
    figure = new_figure(4.2 * len(datasets), 6.6)
    grid = figure.subplots(2, len(datasets), squeeze=False, sharex="col")
    for row, (optimiser, text) in enumerate(OPTIMISERS.items()):
        for axes, dataset in zip(grid[row], datasets, strict=True):
            chosen = [m for m in measurements if m.dataset == dataset and m.optimiser == optimiser]
            for number, (name, method) in enumerate(METHODS.items()):
                line = sorted((m.weights, float(m.mean[-1])) for m in chosen if m.method == name)
                if line:
                    axes.plot(*zip(*line, strict=True), **curve_style(number, _SIZE), label=method.title)
            axes.axvspan(0, sparse_limit(measurements, dataset), color="#f1f3f5", zorder=0)
            axes.set_xscale("log")
            ours = sorted({m.weights for m in chosen if m.method == META_SPARSE})
            # the axis of the paper: its own sparsities, as many as there is room for
            shown = ours[:: 1 + len(ours) // 8]
            axes.set_xticks(shown, [str(weights) for weights in shown], fontsize=8)
            axes.minorticks_off()
            steps = chosen[0].steps if chosen else 0
            axes.set_title(f"{TITLES[dataset]}, {steps} steps of {text}", fontsize=10)
            dress(axes, "surviving weights" if row else "", "PSNR (dB)")
    grid[0][0].legend(frameon=False, fontsize=8)
    return figure


def _against_steps(measurements: Sequence[Measurement], datasets: Sequence[str]) -> Figure:
    figure = new_figure(4.2 * len(datasets), 3.6)
    grid = figure.subplots(1, len(datasets), squeeze=False)
    for axes, dataset in zip(grid[0], datasets, strict=True):
        for name, m in at_sparsity(measurements, dataset).items():
            style = {**curve_style(list(METHODS).index(name), _SIZE), "marker": ""}
            axes.plot(
                range(1, len(m.mean)), m.mean[1:], **style, label=f"{METHODS[name].title} ({m.weights})"
            )
        axes.set_title(f"{TITLES[dataset]} (surviving weights in brackets)", fontsize=10)
        dress(axes, "steps of Adam", "PSNR (dB)")
        axes.legend(frameon=False, fontsize=7)
    return figure


def _against_rate(rates: Sequence[Rate]) -> Figure:
    datasets = [name for name in TITLES if any(rate.dataset == name for rate in rates)]
    figure = new_figure(4.2 * len(datasets), 3.6)
    grid = figure.subplots(1, len(datasets), squeeze=False)
    known = {"inrcodec": (COLOURS[1], "s"), "jpeg": (COLOURS[7], "^"), BARE_JPEG: (PUBLISHED, "v")}
    for axes, dataset in zip(grid[0], datasets, strict=True):
        chosen = [rate for rate in rates if rate.dataset == dataset]
        for coder in dict.fromkeys(rate.coder for rate in chosen):
            line = sorted((rate.bpp, rate.psnr) for rate in chosen if rate.coder == coder)
            colour, marker = known.get(coder, (COLOURS[0], "o"))
            axes.plot(*zip(*line, strict=True), color=colour, marker=marker, markersize=4, linewidth=1.3)
            place = {"xytext": (3, 3), "textcoords": "offset points", "fontsize": 6, "color": colour}
            axes.annotate(coder, line[-1], annotation_clip=False, **place)
        axes.set_title(TITLES[dataset], fontsize=10)
        dress(axes, "bits per pixel, file on disk", "PSNR (dB), 8 bits")
    return figure


def _reconstructions(measurements: Sequence[Measurement], dataset: str) -> Figure:
    """Columns: the unpruned network, then every method beside the sparse one; rows: test images."""
    chosen = at_sparsity(measurements, dataset)
    columns = [(METHODS[name].title, m) for name, m in chosen.items()]
    ours = [
        m
        for m in measurements
        if m.dataset == dataset and m.method == META_SPARSE and m.index == 0 and m.optimiser == "adam"
    ]
    columns = [("MAML, not pruned", m) for m in ours] + columns
    figure = new_figure(1.7 * max(len(columns), 1), 2.0 * EXAMPLES + 0.4)
    grid = figure.subplots(EXAMPLES, max(len(columns), 1), squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for column, (title, m) in enumerate(columns):
        for row, pixels in enumerate(m.examples):
            axes = grid[row][column]
            axes.imshow(pixels, interpolation="nearest")
            heading = f"{title}\n{m.weights} weights\n" if row == 0 else ""
            axes.set_title(f"{heading}{m.psnr[-1, row]:.1f} dB", fontsize=8)
    return figure


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=130)
