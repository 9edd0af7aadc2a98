"""The rate-distortion plot as PNG and SVG files, by matplotlib."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inrcodec.bench.anchors import Anchor
from inrcodec.bench.markers import SHAPES
from inrcodec.bench.summary import Summary, mean_curve
from inrcodec.bench.svgplot import apart

# The light theme of the report, in the same order.
COLOURS = ("#0b62d6", "#c2410c", "#15803d", "#a21caf", "#8a6d00", "#0e7490", "#be123c", "#525a66")


def write_plots(summary: Summary, anchors: Sequence[Anchor], out: Path) -> list[Path]:
    """Write rd.png and rd.svg: mean PSNR against mean rate, published curves thin and grey behind.

    Without a single finite mean point there is nothing to draw and nothing is written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = [mean_curve(codec) for codec in summary.codecs]
    xs = [x for curve in curves for x in curve[0]]
    ys = [y for curve in curves for y in curve[1] if math.isfinite(y)]
    if not ys:
        return []
    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for index, codec in enumerate(summary.codecs):
        axes.plot(
            *curves[index],
            color=COLOURS[index % len(COLOURS)],
            marker=[(x, -y) for x, y in SHAPES[index % len(SHAPES)]] or "o",
            markersize=5,
            linewidth=2.2 if index == 0 else 1.5,
            label=codec.name,
            zorder=20 - index,
        )
    axes.set_xlim(0.0, 1.03 * max(xs))
    axes.set_ylim(min(ys) - 0.7, max(ys) + 0.7)
    _draw_published(axes, anchors)
    count = len(summary.images)
    axes.set_xlabel(f"bits per pixel, mean over {count} image{'s' if count != 1 else ''}")
    axes.set_ylabel("PSNR (dB), RGB")
    axes.grid(color="#e3e6ea", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    paths = [out / "rd.png", out / "rd.svg"]
    figure.savefig(paths[0], dpi=160)
    figure.savefig(paths[1], metadata={"Date": None})
    return paths


def _draw_published(axes: Any, anchors: Sequence[Anchor]) -> None:
    """Thin grey curves, each with its name where it ends or leaves the plot."""
    right, (bottom, top) = axes.get_xlim()[1], axes.get_ylim()
    style = {"fontsize": 7, "color": "#6b7280", "textcoords": "offset points", "annotation_clip": False}
    leaving: list[tuple[float, str]] = []
    for anchor in anchors:
        axes.plot(anchor.bpp, anchor.psnr, color="#a0a6ae", linewidth=0.9, zorder=1)
        rates = np.linspace(anchor.bpp[0], anchor.bpp[-1], 500)
        quality = np.interp(rates, anchor.bpp, anchor.psnr)
        visible = np.flatnonzero((rates <= right) & (quality >= bottom) & (quality <= top))
        if not len(visible):
            continue
        end = (float(rates[visible[-1]]), float(quality[visible[-1]]))
        if visible[-1] == len(rates) - 1:
            axes.annotate(anchor.label, end, xytext=(4, 0), ha="left", va="center", **style)
        elif end[0] < 0.97 * right:
            axes.annotate(anchor.label, end, xytext=(4, -3), ha="left", va="top", **style)
        else:
            leaving.append((end[1], anchor.label))
    leaving.sort(reverse=True)
    # `apart` counts downwards.
    heights = apart([-height for height, _ in leaving], 0.033 * (top - bottom), -bottom)
    for (_, label), height in zip(leaving, heights, strict=True):
        axes.annotate(label, (right, -height), xytext=(4, 0), ha="left", va="center", **style)
