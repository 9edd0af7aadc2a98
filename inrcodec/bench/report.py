"""report.html: one self-contained page with everything a reader needs to judge the codecs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from importlib.resources import files
from string import Template

from inrcodec.bench import tables
from inrcodec.bench.anchors import Anchor
from inrcodec.bench.crops import CropRow
from inrcodec.bench.memory import Memory
from inrcodec.bench.plots import Frame, key_svg, mean_series, measured_series, plot_svg
from inrcodec.bench.points import Point
from inrcodec.bench.quality import PSNR, Quality
from inrcodec.bench.rendering import html_cell, html_table
from inrcodec.bench.run import Failure
from inrcodec.bench.summary import Summary

_WIDE = Frame(940, 500)
_NARROW = Frame(420, 420, room=9)
_SMALL = Frame(260, 170, font=9, room=0, x_title="")


@dataclass(frozen=True)
class Report:
    """What there is to report.

    Attributes:
        summary: means and comparisons.
        points: every point.
        anchors: published curves to draw.
        memory: peak memory by codec name.
        versions: library versions by codec name.
        machine: facts about the machine.
        failures: points that could not be measured.
        unreadable: images that could not be opened, with the reason.
        command: the command line.
    """

    summary: Summary
    points: Sequence[Point]
    anchors: Sequence[Anchor]
    memory: Mapping[str, Memory]
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    failures: Sequence[Failure]
    unreadable: Mapping[str, str]
    command: str


def render(report: Report, crops: Sequence[CropRow]) -> str:
    """The page as HTML text, with side-by-side crops; it loads nothing from anywhere."""
    summary = report.summary
    template = Template(files("inrcodec.bench").joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        first=escape(summary.codecs[0].name),
        images=summary.extent,
        problems=_problems(report),
        tiles=_headline(summary),
        plots="".join(_plots(report, quality) for quality in summary.qualities),
        legend=_legend(summary),
        sources=_sources(report.anchors),
        matrices="".join(html_table(tables.matrix(summary, q), "h2") for q in summary.qualities),
        details=html_table(tables.details(summary)),
        published=html_table(tables.published(summary)),
        cost=html_table(tables.cost(summary, report.memory), "h2"),
        crops="".join(_crop_row(row) for row in crops),
        multiples=_multiples(report),
        mean_points=html_table(tables.mean_points(summary), "summary"),
        versions=_facts(report.versions),
        machine=_facts(report.machine),
        command=escape(report.command),
    )


def _headline(summary: Summary) -> str:
    """One tile for each codec the first one is compared with."""
    tiles = []
    for c in summary.against(summary.codecs[0].name):
        cell, text = tables.rate(c), "no fair number against"
        if c.bd_rate is not None:
            cell = replace(cell, text=f"{abs(c.bd_rate):.1f} %")
            text = f"{'fewer' if c.bd_rate < 0 else 'more'} bits than"
        wins = f"at equal PSNR; better on {c.wins} of {c.images} images" if c.images else ""
        for quality in summary.qualities[1:]:
            other = summary.comparison(c.test, c.anchor, quality).bd_rate
            if other is not None:
                wins += f"<br>{other:+.1f} % by {quality.title}"
        tiles.append(
            f"<li><b>{html_cell(cell)}</b> {text} <em>{escape(c.anchor)}</em><small>{wins}</small></li>"
        )
    return f'<ul class="tiles">{"".join(tiles)}</ul>' if tiles else ""


def _facts(values: Mapping[str, str]) -> str:
    """Names and values in two columns."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in values.items())
    return f"<dl>{items}</dl>"


def _plots(report: Report, quality: Quality) -> str:
    """Mean curves in one measure of quality, wide and narrow."""
    means = mean_series(report.summary, report.anchors, quality)
    title = f"Mean {quality.title} against bits per pixel"
    return "".join(
        f'<div class="{css}">{plot_svg(means, frame, title, quality)}</div>'
        for css, frame in (("wide", _WIDE), ("narrow", _NARROW))
    )


def _legend(summary: Summary) -> str:
    items = [
        f"<li>{key_svg(index)}{escape(codec.name)} <small>tune {escape(codec.tune)}</small></li>"
        for index, codec in enumerate(summary.codecs)
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _sources(anchors: Sequence[Anchor]) -> str:
    if not anchors:
        return ""
    items = "".join(
        f"<li><b>{escape(a.label)}</b> ({escape(a.name)}): {escape(a.source)}</li>" for a in anchors
    )
    return (
        "<details><summary>Thin grey curves are published figures, not measured here: sources</summary>"
        f"<ul>{items}</ul></details>"
    )


def _multiples(report: Report) -> str:
    by_image: dict[str, list[Point]] = {}
    for point in report.points:
        by_image.setdefault(point.image, []).append(point)
    cells = []
    for image, points in by_image.items():
        series = [
            measured_series(codec.name, codec.tune, index, [p for p in points if p.codec == codec.name], PSNR)
            for index, codec in enumerate(report.summary.codecs)
        ]
        rates = "".join(
            f"<span>{escape(c.anchor)} {html_cell(tables.percent(c.per_image.get(image)))}</span>"
            for c in report.summary.against(report.summary.codecs[0].name)
        )
        plot = plot_svg(series, _SMALL, f"{image}: PSNR against bits per pixel", PSNR)
        cells.append(f"<figure><figcaption>{escape(image)}</figcaption>{plot}<p>{rates}</p></figure>")
    return "".join(cells)


def _crop_row(row: CropRow) -> str:
    cells = []
    for crop in row.crops:
        if crop.codec:
            larger = crop.bytes > row.target_bytes
            quality = "lossless" if math.isinf(crop.psnr) else f"{crop.psnr:.2f} dB"
            note = ' <b class="bad">larger: cannot go lower</b>' if larger else ""
            caption = (
                f"<b>{escape(crop.codec)}</b> at {crop.setting}<br>{crop.bytes:,} bytes, {quality}{note}"
            )
        else:
            caption = f"<b>original</b><br>{crop.bytes:,} bytes"
        alt = f"{escape(crop.codec or 'original')}, {escape(row.image)}"
        picture = f'<img src="{crop.data_uri}" alt="{alt}">'
        cells.append(f"<figure>{picture}<figcaption>{caption}</figcaption></figure>")
    return (
        f"<h3>{escape(row.image)} <small>{escape(row.why)}; at most {row.target_bytes:,} bytes each; "
        f"window at ({row.left}, {row.top})</small></h3>"
        f'<div class="crops">{"".join(cells)}</div>'
    )


def _problems(report: Report) -> str:
    lines = [f"{name}: {reason}" for name, reason in report.unreadable.items()]
    lines += [f"{f.image}, {f.codec} at {f.setting}: {f.message}" for f in report.failures]
    if report.summary.left_out:
        lines.append(
            "left out of the means, because points are missing: " + ", ".join(report.summary.left_out)
        )
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<section class="problems"><h2>Problems</h2><ul>{items}</ul></section>'
