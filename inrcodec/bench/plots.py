"""The rate-distortion plot, drawn by matplotlib: as files, and as SVG in the colours of the report's page."""

import io
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from inrcodec.bench.anchors import Anchor
from inrcodec.bench.points import Point
from inrcodec.bench.quality import PSNR, Quality
from inrcodec.bench.summary import MeanPoint, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0b62d6", "#c2410c", "#15803d", "#a21caf", "#8a6d00", "#0e7490", "#be123c", "#525a66")
# Shapes tell curves apart where colours do not: there is one more, so that the two never repeat together.
MARKERS = "os^DvPpX*"
PUBLISHED = "#a0a6ae"
_TEXT = "#5b6470"
_GRID = "#e3e6ea"
_BACKGROUND = "#ffffff"

# What the style sheet of report.html calls them; it has a value of each for light and for dark.
_VARIABLES = {
    **{colour: f"var(--c{index})" for index, colour in enumerate(COLOURS)},
    PUBLISHED: "var(--published)",
    _TEXT: "var(--soft)",
    _GRID: "var(--grid)",
    _BACKGROUND: "var(--card)",
}

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True)
class Series:
    """A curve.

    Attributes:
        label: its name.
        rates: bits per pixel, ascending.
        quality: of the same points, finite.
        index: number of its colour and marker, or None for a published curve, drawn thin and grey.
        tips: text shown when the pointer rests on a point of the page's plot; one for each point.
    """

    label: str
    rates: Sequence[float]
    quality: Sequence[float]
    index: int | None
    tips: Sequence[str] = ()


@dataclass(frozen=True)
class Frame:
    """Size of a plot in points and what is written on it.

    Attributes:
        width: of everything.
        height: likewise.
        font: size of text.
        room: characters of a name at the right edge; 0 for no names.
        x_title: below the axis; empty for no titles on either axis.
        legend: whether the full names stand in a corner.
    """

    width: int
    height: int
    font: float = 12.0
    room: int = 12
    x_title: str = "bits per pixel"
    legend: bool = False


def write_plots(summary: Summary, anchors: Sequence[Anchor], out: Path) -> list[Path]:
    """Write rd-<quality>.png and .svg: mean quality against mean rate, published curves thin and grey behind.

    Of a measure without a single finite mean point there is nothing to draw and nothing is written.
    """
    frame = Frame(576, 360, font=9, x_title=f"bits per pixel, mean over {summary.extent}", legend=True)
    paths = []
    for quality in summary.qualities:
        figure = draw(mean_series(summary, anchors, quality), frame, quality)
        if figure is not None:
            names = [out / f"rd-{quality.name}{suffix}" for suffix in (".png", ".svg")]
            figure.savefig(names[0], dpi=160)
            figure.savefig(names[1], metadata={"Date": None})
            paths += names
    return paths


def mean_series(summary: Summary, anchors: Sequence[Anchor], quality: Quality) -> list[Series]:
    """Published curves, which are of PSNR only, and the mean curves of all codecs."""
    published = [Series(a.label, a.bpp, a.psnr, None) for a in anchors if quality == PSNR]
    return published + [
        measured_series(codec.name, codec.tune, index, codec.curve, quality)
        for index, codec in enumerate(summary.codecs)
    ]


def measured_series(
    name: str, tune: str, index: int, points: Sequence[Point | MeanPoint], quality: Quality
) -> Series:
    """The curve of a codec; lossless points are on no such curve."""
    found = [(p, value) for p in points if (value := quality.of(p)) is not None and math.isfinite(value)]
    found.sort(key=lambda pair: pair[0].bpp)
    tips = [f"{name} at {p.setting}: {p.bpp:.3f} bpp, {quality.text(value)}" for p, value in found]
    return Series(f"{name} (tune {tune})", [p.bpp for p, _ in found], [v for _, v in found], index, tips)


def plot_svg(series: Sequence[Series], frame: Frame, title: str, quality: Quality) -> str:
    """The plot as an element of the report's page."""
    figure = draw(series, frame, quality)
    if figure is None:
        return '<p class="note">No points to plot.</p>'
    tips = {f"curve{s.index}": s.tips for s in series if s.index is not None}
    return _page_svg(figure, "plot", title, tips)


def key_svg(index: int) -> str:
    """The line and marker of a curve, for the legend of the report's page."""
    from matplotlib.lines import Line2D

    figure = new_figure(28 / 72, 14 / 72)
    figure.set_layout_engine("none")
    figure.add_artist(Line2D([0, 0.5, 1], [0.5] * 3, markevery=[1], **curve_style(index, 1.3)))
    return _page_svg(figure, "key", "", {})


def draw(series: Sequence[Series], frame: Frame, quality: Quality) -> "Figure | None":
    """The curves; the axes span the measured ones, published ones are cut there. None without a point."""
    from matplotlib import rc_context
    from matplotlib.ticker import MaxNLocator

    measured = [s for s in series if s.index is not None]
    rates = [x for s in measured for x in s.rates]
    values = [y for s in measured for y in s.quality]
    if not values:
        return None
    # Names of codecs may hold dollar signs.
    with rc_context({"text.parse_math": False, "font.size": frame.font}):
        figure = new_figure(frame.width / 72, frame.height / 72)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        axes.set_xlim(0.0, 1.03 * max(rates))
        spare = max(0.03 * (max(values) - min(values)), 0.7)
        axes.set_ylim(min(values) - spare, max(values) + spare)
        for axis, room in ((axes.xaxis, frame.width // 70), (axes.yaxis, frame.height // 50)):
            axis.set_major_locator(MaxNLocator(max(room, 4), steps=[1, 2, 2.5, 5, 10]))
        dress(axes, frame.x_title, quality.axis if frame.x_title else "")
        ends = []
        for s in series:
            x, y = np.asarray(s.rates), np.asarray(s.quality)
            if s.index is None:
                x, y = _inside(axes, x, y)
                axes.plot(x, y, color=PUBLISHED, linewidth=0.9, zorder=1)
            else:
                style = {**curve_style(s.index, frame.font / 9), "gid": f"curve{s.index}", "label": s.label}
                axes.plot(x, y, **style, markeredgecolor=_BACKGROUND, markeredgewidth=0.5)
            visible = np.flatnonzero(np.isfinite(y))
            if len(visible):
                ends.append((float(x[visible[-1]]), float(y[visible[-1]]), s))
        if frame.room:
            _write_names(axes, ends, frame)
        if frame.legend:
            axes.legend(loc="lower right", frameon=False)
    return figure


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches, that belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def curve_style(index: int, size: float = 1.0) -> dict[str, Any]:
    """Colour, marker and width of a curve; the first one stands out and lies on top."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 5 * size,
        "linewidth": (2.2 if index == 0 else 1.4) * size,
        "zorder": 20 - index,
    }


def dress(axes: "Axes", x_title: str, y_title: str) -> None:
    """Titles, grid, and no more lines than needed."""
    axes.set_xlabel(x_title, color=_TEXT)
    axes.set_ylabel(y_title, color=_TEXT)
    axes.tick_params(which="both", length=0, labelcolor=_TEXT)
    axes.grid(color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(_TEXT)


def apart(wanted: Sequence[float], gap: float, lowest: float) -> list[float]:
    """Places in the same order, downwards, at least `gap` apart and none greater than `lowest`."""
    places = list(wanted)
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    for i in reversed(range(len(places))):
        places[i] = min(places[i], lowest if i == len(places) - 1 else places[i + 1] - gap)
    return places


_Floats = npt.NDArray[np.float64]


def _inside(axes: "Axes", rates: _Floats, quality: _Floats) -> tuple[_Floats, _Floats]:
    """A published curve finely sampled, NaN where it is outside the axes."""
    right, (bottom, top) = axes.get_xlim()[1], axes.get_ylim()
    x = np.linspace(rates[0], rates[-1], 1000)
    if rates[0] < right < rates[-1]:
        x = np.linspace(rates[0], right, 1000)
    y = np.interp(x, rates, quality)
    return x, np.where((x <= right) & (y >= bottom) & (y <= top), y, np.nan)


def _write_names(axes: "Axes", ends: Sequence[tuple[float, float, Series]], frame: Frame) -> None:
    """Names of the curves: beside the end of a published curve that stops early, else right of the axes.

    Those right of the axes are moved apart, joined to their curves, and cut to the room there is.
    """
    right, (bottom, top) = axes.get_xlim()[1], axes.get_ylim()
    style: dict[str, Any] = {"va": "center", "annotation_clip": False}
    outside = []
    for x, y, s in ends:
        if s.index is None and x < 0.85 * right:
            place: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points"}
            axes.annotate(s.label, (x, y), **place, **style, color=_TEXT, size=0.85 * frame.font)
        else:
            outside.append((x, y, s))
    # Of curves cut at the top, the one that leaves first is the highest.
    outside.sort(key=lambda end: (-round(end[1], 2), end[0]))
    # The titles and numbers of the axis take about four lines of the height.
    gap = 1.35 * frame.font / (frame.height - 4 * frame.font) * (top - bottom)
    # `apart` counts downwards.
    heights = apart([-y for _, y, _ in outside], gap, -bottom)
    for (x, y, s), height in zip(outside, heights, strict=True):
        published = s.index is None
        colour = PUBLISHED if s.index is None else COLOURS[s.index % len(COLOURS)]
        leader = {"arrowstyle": "-", "color": colour, "alpha": 0.5, "shrinkA": 0, "shrinkB": 0}
        axes.annotate(
            _cut(s.label, frame.room),
            (x, y),
            xytext=(1.02, -height),
            textcoords=("axes fraction", "data"),
            arrowprops={**leader, "relpos": (0, 0.5)},
            color=_TEXT if published else colour,
            size=0.85 * frame.font if published else frame.font,
            weight="normal" if published else "bold",
            **style,
        )


def _cut(label: str, room: int) -> str:
    """A label of at most `room` characters; of a codec with options, the options, which tell it apart."""
    label = label.partition(" (tune ")[0]
    if len(label) > room:
        label = label.partition(":")[2] or label
    return label if len(label) <= room else label[: room - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _page_svg(figure: "Figure", css: str, label: str, tips: dict[str, Sequence[str]]) -> str:
    """An SVG element whose colours are those of the page; `tips` by the identifier of their curve."""
    from matplotlib import rc_context

    figure.patch.set_visible(False)
    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": f"{label} {figure.get_size_inches()}"}):
        figure.savefig(text, format="svg")
    root = ET.fromstring(text.getvalue())  # noqa: S314 (matplotlib wrote it a moment ago)
    # Beside the drawing there are metadata, a style for all of the page, and clips, which cut nothing here.
    drawing = root.find(f"{_SVG}g")
    attributes = {"class": css, "viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label}
    page = ET.Element("svg", attributes)
    if drawing is not None:
        page.append(drawing)
    for element in page.iter():
        curve = tips.get(element.get("id", ""), ())
        for point, tip in zip(element.iter(f"{_SVG}use") if curve else (), curve, strict=True):
            ET.SubElement(point, f"{_SVG}title").text = tip
        # A page needs no namespaces, and only markers are referred to.
        element.tag = element.tag.removeprefix(_SVG)
        if element.tag == "g":
            element.attrib.pop("id", None)
        element.attrib.pop("clip-path", None)
        if _HREF in element.attrib:
            element.set("xlink:href", element.attrib.pop(_HREF))
        if "style" in element.attrib:
            style = re.sub(r"#\w{6}", lambda colour: _VARIABLES[colour[0]], element.attrib["style"])
            element.set("style", style)
        element.text, element.tail = (element.text or "").strip(), (element.tail or "").strip()
    return ET.tostring(page, encoding="unicode")
