"""The measurements as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from inrcodec.reproduce.evaluation import Measurement
from inrcodec.runtime.atomic_files import atomic_write

RESULTS = "results.csv"
CURVES = "curves.csv"
LAYERS = "layers.csv"


def write_tables(measurements: Sequence[Measurement], out: Path) -> None:
    """Write results.csv, curves.csv (PSNR after every step of Adam) and layers.csv (survivors per layer)."""
    write_csv(
        out / RESULTS,
        "dataset method weights biases steps optimiser psnr_mean psnr_std images seconds",
        (
            (
                m.dataset,
                m.method,
                m.weights,
                m.biases,
                m.steps,
                m.optimiser,
                f"{m.mean[-1]:.3f}",
                f"{m.deviation:.3f}",
                m.psnr.shape[1],
                f"{m.seconds:.4g}",
            )
            for m in measurements
        ),
    )
    adam = [m for m in measurements if m.optimiser == "adam"]
    write_csv(
        out / CURVES,
        "dataset method weights step psnr_mean",
        (
            (m.dataset, m.method, m.weights, step, f"{value:.3f}")
            for m in adam
            for step, value in enumerate(m.mean)
        ),
    )
    write_csv(
        out / LAYERS,
        "dataset method weights tensor survivors",
        (
            (m.dataset, m.method, m.weights, name, f"{count:g}")
            for m in adam
            for name, count in m.layers.items()
        ),
    )


def write_csv(path: Path, columns: str, rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file in one step; names of columns are separated by spaces."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns.split())
    writer.writerows(rows)
    atomic_write(path, text.getvalue().encode(), overwrite=True)
