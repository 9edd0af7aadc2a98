"""summary.md: the numbers of a reproduction in tables, and whether the paper's claims hold in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inrcodec.bench.rendering import markdown_table
from inrcodec.reproduce.claims import Margin, margins, narrow_factors, sparse_limit
from inrcodec.reproduce.evaluation import OPTIMISERS, Measurement
from inrcodec.reproduce.figures import at_sparsity
from inrcodec.reproduce.methods import META_SPARSE, METHODS, NARROW, RANDOM
from inrcodec.reproduce.presets import TITLES
from inrcodec.runtime.atomic_files import atomic_write

_SGD_BASELINES = (RANDOM, NARROW)


def write_summary(measurements: Sequence[Measurement], out: Path) -> None:
    """Write summary.md."""
    parts: list[str] = ["# Meta-SparseINR and its baselines"]
    for dataset, title in TITLES.items():
        chosen = [m for m in measurements if m.dataset == dataset]
        if not chosen:
            continue
        parts.append(f"## {title}")
        for optimiser, text in OPTIMISERS.items():
            rows = [m for m in chosen if m.optimiser == optimiser]
            if rows:
                parts += [f"PSNR in dB after {rows[0].steps} steps of {text}, by surviving weights:"]
                parts.append(_results(rows))
        limit = sparse_limit(chosen, dataset)
        relevant = [
            margin
            for margin in margins(chosen)
            if margin.weights <= limit and (margin.optimiser == "adam" or margin.baseline in _SGD_BASELINES)
        ]
        parts.append(f"Meta-SparseINR at no more than {limit:.0f} weights (10 %) against the baselines:")
        parts.append(_margins(relevant))
        parts += [_factors(chosen, dataset, optimiser) for optimiser in OPTIMISERS]
        parts += ["Surviving parameters of every tensor:", _layers(chosen, dataset)]
    atomic_write(
        out / "summary.md", ("\n\n".join(part for part in parts if part) + "\n").encode(), overwrite=True
    )


def _results(measurements: Sequence[Measurement]) -> str:
    names = [name for name in METHODS if any(m.method == name for m in measurements)]
    cells = {(m.method, m.weights): f"{m.mean[-1]:.2f}" for m in measurements}
    weights = sorted({m.weights for m in measurements}, reverse=True)
    return markdown_table(
        ["weights", *(METHODS[name].title for name in names)],
        ([str(n), *(cells.get((name, n), "") for name in names)] for n in weights),
    )


def _margins(found: Sequence[Margin]) -> str:
    return markdown_table(
        ["steps of", "weights", "PSNR", "baseline", "its weights", "its PSNR", "gain", "better on", "holds"],
        (
            [
                OPTIMISERS[m.optimiser],
                str(m.weights),
                f"{m.psnr:.2f}",
                METHODS[m.baseline].title,
                str(m.baseline_weights),
                f"{m.baseline_psnr:.2f}",
                f"{m.gain:+.2f}",
                f"{m.wins:.0%}",
                "yes" if m.gain > 0 else "no",
            ]
            for m in found
        ),
    )


def _factors(measurements: Sequence[Measurement], dataset: str, optimiser: str) -> str:
    factors = narrow_factors(measurements, dataset, optimiser)
    if not factors:
        return ""
    items = ", ".join(f"{factor:.2f} at {weights}" for weights, factor in sorted(factors.items()))
    return (
        "Weights of Dense-Narrow for the PSNR of Meta-SparseINR, as a multiple of its surviving weights "
        f"({OPTIMISERS[optimiser]}): {items}."
    )


def _layers(measurements: Sequence[Measurement], dataset: str) -> str:
    dense = [m for m in measurements if m.method == META_SPARSE and m.index == 0 and m.optimiser == "adam"]
    rows = [*dense, *at_sparsity(measurements, dataset).values()]
    if not rows:
        return ""
    names = list(rows[0].layers)
    return markdown_table(
        ["method", "weights", *names],
        (
            [METHODS[m.method].title, str(m.weights), *(f"{m.layers[name]:.4g}" for name in names)]
            for m in rows
        ),
    )
