"""Rate-distortion plots as SVG text whose colours follow the page (light or dark)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from inrcodec.bench.markers import colour_class, marker


@dataclass(frozen=True)
class Series:
    """A curve.

    Attributes:
        label: text at its right end.
        x: rates, ascending.
        y: PSNR.
        colour: index of its colour and marker, or None for a published curve, drawn thin and grey.
        titles: text shown when the pointer rests on a point; one for each, or none.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int | None
    titles: Sequence[str] = ()


@dataclass(frozen=True)
class Frame:
    """Size of a plot in SVG units and what is written on it."""

    width: int
    height: int
    left: int = 46
    right: int = 110
    top: int = 12
    bottom: int = 40
    x_ticks: int = 8
    y_ticks: int = 7
    axis_titles: bool = True
    end_labels: bool = True
    radius: float = 4.0


def line_plot(series: Sequence[Series], frame: Frame, title: str) -> str:
    """An SVG of the curves; the axes span the measured ones (published curves are cut at the frame)."""
    measured = [s for s in series if s.colour is not None]
    xs = [x for s in measured for x in s.x]
    ys = [y for s in measured for y in s.y if math.isfinite(y)]
    if not xs or not ys:
        return '<p class="note">No points to plot.</p>'
    x_axis = _Axis.spanning(0.0, max(xs), frame.x_ticks, frame.left, frame.width - frame.right)
    y_axis = _Axis.spanning(min(ys), max(ys), frame.y_ticks, frame.height - frame.bottom, frame.top)
    view = f"0 0 {frame.width} {frame.height}"
    parts = [f'<svg class="plot" viewBox="{view}" role="img" aria-label="{escape(title)}">']
    parts += _grid(frame, x_axis, y_axis)
    ends: list[tuple[float, float, Series]] = []
    # Measured curves last, the first codec on top of all.
    for s in sorted(series, key=lambda s: -1 if s.colour is None else 100 - s.colour):
        points = [(x_axis.at(x), y_axis.at(y)) for x, y in zip(s.x, s.y, strict=True) if math.isfinite(y)]
        visible = _clip(points, frame)
        if not visible:
            continue
        css = "published" if s.colour is None else colour_class(s.colour)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in visible)
        parts.append(f'<polyline class="curve {css}" points="{path}"/>')
        if s.colour is not None:
            parts += _markers(s, x_axis, y_axis, frame.radius)
        ends.append((*visible[-1], s))
    if frame.end_labels:
        parts += _end_labels(ends, frame)
    parts.append("</svg>")
    return "".join(parts)


@dataclass(frozen=True)
class _Axis:
    """Data values `low` to `high` laid over SVG units `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float
    ticks: tuple[float, ...]
    digits: int

    @classmethod
    def spanning(cls, low: float, high: float, count: int, start: float, stop: float) -> "_Axis":
        """An axis with round ticks that covers at least low to high."""
        span = max(high - low, 1e-6)
        power = 10.0 ** math.floor(math.log10(span / count))
        step = next(m * power for m in (1, 2, 2.5, 5, 10) if span / (m * power) <= count)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        last = max(last, first + 1)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        if abs(step / 10.0**-digits - round(step / 10.0**-digits)) > 1e-6:
            digits += 1
        ticks = tuple(i * step for i in range(first, last + 1))
        return cls(ticks[0], ticks[-1], start, stop, ticks, digits)

    def at(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)


def _grid(frame: Frame, x_axis: _Axis, y_axis: _Axis) -> list[str]:
    left, right = frame.left, frame.width - frame.right
    top, bottom = frame.top, frame.height - frame.bottom
    parts = []
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">')
        parts.append(f"{tick:.{y_axis.digits}f}</text>")
    for tick in x_axis.ticks:
        x = x_axis.at(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">')
        parts.append(f"{tick:.{x_axis.digits}f}</text>")
    parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    if frame.axis_titles:
        middle = (left + right) / 2
        parts.append(f'<text class="axis-title" x="{middle}" y="{frame.height - 4}" text-anchor="middle">')
        parts.append("bits per pixel</text>")
        y = (top + bottom) / 2
        parts.append(
            f'<text class="axis-title" transform="translate(13 {y}) rotate(-90)" text-anchor="middle">'
        )
        parts.append("PSNR (dB)</text>")
    return parts


def _markers(s: Series, x_axis: _Axis, y_axis: _Axis, radius: float) -> list[str]:
    titles = s.titles or [""] * len(s.x)
    index = s.colour or 0
    return [
        marker(index, x_axis.at(x), y_axis.at(y), radius, title)
        for x, y, title in zip(s.x, s.y, titles, strict=True)
        if math.isfinite(y)
    ]


def _end_labels(ends: Sequence[tuple[float, float, Series]], frame: Frame) -> list[str]:
    """Names of the curves: beside the end of a published curve that stops early, else right of the frame.

    Those right of the frame are moved apart vertically, joined to their curves, and cut to the room there is.
    """
    edge = frame.width - frame.right
    room = frame.right // 10
    parts = []
    outside = []
    for x, y, s in ends:
        if s.colour is None and x < edge - frame.right:
            text = f'<text class="label published" x="{x + 5:.1f}" y="{y + 4:.1f}">{escape(s.label)}</text>'
            parts.append(text)
        else:
            outside.append((x, y, s))
    # Of curves cut at the top, the one that leaves first is the highest.
    outside.sort(key=lambda end: (round(end[1]), end[0]))
    places = apart([y for _, y, _ in outside], 15.0, float(frame.height - frame.bottom))
    for (x, y, s), place in zip(outside, places, strict=True):
        css = colour_class(s.colour)
        label = escape(_cut(s.label, room))
        parts.append(f'<polyline class="leader {css}" points="{x:.1f},{y:.1f} {edge + 10},{place:.1f}"/>')
        parts.append(f'<text class="label {css}" x="{edge + 13}" y="{place + 4:.1f}">{label}</text>')
    return parts


def _cut(label: str, room: int) -> str:
    """A label of at most `room` characters; of a codec with options, the options, which tell it apart."""
    if len(label) > room:
        label = label.partition(":")[2] or label
    return label if len(label) <= room else label[: room - 1] + "\N{HORIZONTAL ELLIPSIS}"


def apart(wanted: Sequence[float], gap: float, lowest: float) -> list[float]:
    """Places in the same order, at least `gap` apart and none below `lowest` (SVG units grow downwards)."""
    places = list(wanted)
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    limit = lowest
    for i in reversed(range(len(places))):
        places[i] = min(places[i], limit)
        limit = places[i] - gap
    return places


def _clip(points: Sequence[tuple[float, float]], frame: Frame) -> list[tuple[float, float]]:
    """The part of a rising polyline inside the frame, its ends interpolated at the border."""
    left, right = float(frame.left), float(frame.width - frame.right)
    top, bottom = float(frame.top), float(frame.height - frame.bottom)

    def inside(p: tuple[float, float]) -> bool:
        return left - 1e-6 <= p[0] <= right + 1e-6 and top - 1e-6 <= p[1] <= bottom + 1e-6

    def border(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
        """The last point from inside point a towards outside point b that is still inside."""
        t = 1.0
        for start, end, low, high in ((a[0], b[0], left, right), (a[1], b[1], top, bottom)):
            if end > high:
                t = min(t, (high - start) / (end - start))
            elif end < low:
                t = min(t, (low - start) / (end - start))
        return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])

    kept = [p for p in points[:1] if inside(p)]
    for a, b in pairwise(points):
        if inside(b):
            if not inside(a):
                kept.append(border(b, a))
            kept.append(b)
        elif inside(a):
            kept.append(border(a, b))
    return kept
