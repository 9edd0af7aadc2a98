"""The report's tables, described once for the page and for Markdown.

Gains and losses get the same weight: only sign and colour differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from inrcodec.bench.bdrate import Delta
from inrcodec.bench.memory import Memory
from inrcodec.bench.points import Point
from inrcodec.bench.quality import PSNR, Quality
from inrcodec.bench.summary import Comparison, Summary


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: what it says, negative numbers with a hyphen.
        note: less important, in smaller print or in brackets.
        verdict: how the page colours it.
        reason: why there is no number, shown when the pointer rests on it.
    """

    text: str
    note: str = ""
    verdict: Literal["", "good", "bad", "even", "none"] = ""
    reason: str = ""


Row = Sequence[Cell | str]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: its heading.
        about: what a reader has to know; empty where the title says it.
        heads: headings of the columns.
        rows: the first cell of each names it.
    """

    title: str
    about: str
    heads: Sequence[str]
    rows: Sequence[Row]


def matrix(summary: Summary, quality: Quality = PSNR) -> Table:
    """BD-rate at equal quality of every codec (rows) against every other (columns)."""
    codecs = summary.codecs
    about = (
        f"{quality.title} {quality.about}. Bjontegaard delta by monotone cubic (pchip) interpolation of the "
        "logarithm of the rate, per image, then averaged. Negative: the codec of the row needs fewer bits at "
        f"the same {quality.title}. Where the ranges of two curves overlap too little there is no number. "
        "Below each name: what the codec is tuned for."
    )
    heads = ["", *(f"against {codec.name}" for codec in codecs)]
    rows: list[Row] = [
        [
            Cell(test.name, f"tune {test.tune}"),
            *(
                Cell("") if test == anchor else rate(summary.comparison(test.name, anchor.name, quality))
                for anchor in codecs
            ),
        ]
        for test in codecs
    ]
    return Table(f"BD-rate by {quality.title}", about, heads, rows)


def details(summary: Summary) -> Table:
    """Everything about the first codec against each other one."""
    first = summary.codecs[0].name
    heads = ["against", "BD-rate", "BD-PSNR", "BD-rate of mean curves", "shared interval", "better on images"]
    rows: list[Row] = [
        [
            c.anchor,
            rate(c),
            Cell("n/a") if c.bd_quality is None else _signed(c.bd_quality, f"{c.bd_quality:+.2f} dB"),
            percent(c.mean_curve.value, c.mean_curve.reason),
            _interval(c.mean_curve),
            Cell(f"{c.wins} of {c.images}", f"{c.of - c.images} refused" if c.of > c.images else ""),
            _extreme(c.best),
            _extreme(c.worst),
        ]
        for c in summary.against(first)
    ]
    return Table(f"{first} in detail, by PSNR", "", [*heads, "best image", "worst image"], rows)


def published(summary: Summary) -> Table:
    """BD-rate of the mean curves against published ones."""
    names = list(summary.published)
    rows: list[Row] = []
    for label in next(iter(summary.published.values()), {}):
        deltas = [summary.published[name][label] for name in names]
        rows.append([label, *(percent(d.value, d.reason, _interval(d)) for d in deltas)])
    about = "BD-rate of the mean curve; meaningful only when the images are those of the published figures."
    return Table("Against published curves", about, ["published", *names], rows)


def cost(summary: Summary, memory: Mapping[str, Memory]) -> Table:
    """Time, memory and the extreme images by name."""
    rows: list[Row] = []
    for codec in summary.codecs:
        slow, low = codec.slowest, codec.lowest_psnr
        peak = memory.get(codec.name)
        peaks = (peak.encode, peak.decode) if peak else ()
        rows.append(
            [
                codec.name,
                f"{codec.encode_s_per_megapixel:.3g} s",
                f"{codec.decode_s_per_megapixel:.3g} s",
                *(Cell(f"{p.working:.0f} MiB", f"{p.idle:.0f} before") for p in peaks),
                *("n/a" for _ in range(2 - len(peaks))),
                _at(slow, f"{slow.encode_s:.3g} s + {slow.decode_s:.3g} s"),
                _at(low, f"{low.psnr:.2f} dB, {low.bpp:.3f} bpp"),
            ]
        )
    about = (
        "Wall time on one thread, median over all points. Memory is the resident peak of a fresh process "
        "that encodes or decodes the largest image once, with its size before the work."
    )
    heads = ["codec", "encode, per megapixel", "decode, per megapixel", "memory, encode", "memory, decode"]
    return Table("Cost and extremes", about, [*heads, "slowest image", "lowest PSNR"], rows)


def mean_points(summary: Summary) -> Table:
    """The mean points in numbers."""
    measures = ("bpp", "PSNR", "SSIM", "MS-SSIM", "SSIMULACRA 2", "encode s", "decode s")
    rows: list[Row] = [
        [
            codec.name,
            codec.tune,
            p.setting,
            f"{p.bpp:.4f}",
            f"{p.psnr:.3f}",
            *("n/a" if x is None else f"{x:.4f}" for x in (p.ssim, p.ms_ssim)),
            "n/a" if p.ssimulacra2 is None else f"{p.ssimulacra2:.2f}",
            f"{p.encode_s:.3g}",
            f"{p.decode_s:.3g}",
        ]
        for codec in summary.codecs
        for p in codec.curve
    ]
    return Table("Mean points in numbers", "", ["codec", "tune", "setting", *measures], rows)


def rate(comparison: Comparison) -> Cell:
    """The rate difference of two codecs, or why there is none."""
    reason = comparison.mean_curve.reason or "no image has enough overlap"
    if comparison.images:
        reason = f"only {comparison.images} of {comparison.of} images have enough overlap"
    return percent(comparison.bd_rate, reason)


def percent(value: float | None, reason: str = "", note: str = "") -> Cell:
    """A rate difference with its sign, less being a gain; `n/a` with the reason when there is none."""
    if value is None:
        return Cell("n/a", note, "none", reason)
    return _signed(-value, f"{value:+.1f} %", note)


def _signed(gain: float, text: str, note: str = "") -> Cell:
    return Cell(text, note, "good" if gain > 0 else "bad" if gain < 0 else "even")


def _interval(delta: Delta) -> str:
    if delta.high > delta.low:
        return f"{delta.low:.1f} to {delta.high:.1f} dB ({delta.overlap:.0%} overlap)"
    return "none"


def _extreme(extreme: tuple[str, float] | None) -> Cell:
    return Cell("n/a") if extreme is None else Cell(extreme[0], f"{extreme[1]:+.1f} %")


def _at(point: Point, note: str) -> Cell:
    return Cell(f"{point.image} at {point.setting}", note)
