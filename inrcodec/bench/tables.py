"""The report's tables as HTML. Gains and losses get the same weight: only sign and colour differ."""

from collections.abc import Mapping, Sequence
from html import escape

from inrcodec.bench.bdrate import Delta
from inrcodec.bench.memory import Memory
from inrcodec.bench.summary import Comparison, Summary


def percent(value: float | None, reason: str = "") -> str:
    """A rate difference with its sign, marked as gain or loss; `n/a` with the reason when there is none."""
    if value is None:
        return f'<span class="none" title="{escape(reason)}">n/a</span>'
    return f'<span class="{_verdict(-value)}">{_signed(value, 1)} %</span>'


def headline(summary: Summary) -> str:
    """One tile for each codec the first one is compared with."""
    first, *others = (codec.name for codec in summary.codecs)
    tiles = []
    for other in others:
        comparison = summary.comparison(first, other)
        value = comparison.bd_rate
        if value is None:
            text, number = "no fair number against", percent(None, _why_none(comparison))
        else:
            text = f"{'fewer' if value < 0 else 'more'} bits than"
            number = f'<span class="{_verdict(-value)}">{abs(value):.1f} %</span>'
        wins = f"better on {comparison.wins} of {comparison.images} images" if comparison.images else ""
        tiles.append(f"<li><b>{number}</b> {text} <em>{escape(other)}</em><small>{wins}</small></li>")
    return f'<ul class="tiles">{"".join(tiles)}</ul>' if tiles else ""


def matrix(summary: Summary) -> str:
    """BD-rate of every codec (rows) against every other (columns)."""
    names = [codec.name for codec in summary.codecs]
    rows = []
    for test in names:
        cells = []
        for anchor in names:
            if test == anchor:
                cells.append('<td class="none">·</td>')
                continue
            comparison = summary.comparison(test, anchor)
            cells.append(f"<td>{percent(comparison.bd_rate, _why_none(comparison))}</td>")
        rows.append(f'<tr><th scope="row">{escape(test)}</th>{"".join(cells)}</tr>')
    return _table(["", *(f"against {name}" for name in names)], rows)


def details(summary: Summary) -> str:
    """Everything about the first codec against each other one."""
    first, *others = (codec.name for codec in summary.codecs)
    rows = []
    for other in others:
        c = summary.comparison(first, other)
        psnr = (
            f'<span class="{_verdict(c.bd_psnr)}">{_signed(c.bd_psnr, 2)} dB</span>'
            if c.bd_psnr is not None
            else "n/a"
        )
        cells = [
            percent(c.bd_rate, _why_none(c)),
            psnr,
            percent(c.mean_curve.value, c.mean_curve.reason),
            _interval(c.mean_curve),
            f"{c.wins} of {c.images}" + (f" ({c.of - c.images} refused)" if c.of > c.images else ""),
            _extreme(c.best),
            _extreme(c.worst),
        ]
        rows.append(_row(other, cells))
    heads = ["against", "BD-rate", "BD-PSNR", "BD-rate of mean curves", "shared interval", "better on images"]
    return _table([*heads, "best image", "worst image"], rows)


def published(summary: Summary) -> str:
    """BD-rate of the mean curves against published ones."""
    labels = next(iter(summary.published.values()), {})
    if not labels:
        return ""
    names = list(summary.published)
    rows = []
    for label in labels:
        deltas = [summary.published[name][label] for name in names]
        cells = [f"{percent(d.value, d.reason)}<small>{_interval(d)}</small>" for d in deltas]
        rows.append(_row(label, cells))
    return (
        "<h3>Against published curves</h3><p>BD-rate of the mean curve; meaningful only when the images are "
        "those of the published figures.</p>" + _table(["published", *names], rows)
    )


def cost(summary: Summary, memory: Mapping[str, Memory]) -> str:
    """Time, memory and the extreme images by name."""
    rows = []
    for codec in summary.codecs:
        slow, low = codec.slowest, codec.lowest_psnr
        peak = memory.get(codec.name)
        times = f"{slow.encode_s:.3g} s + {slow.decode_s:.3g} s at {slow.setting}"
        quality = f"{low.psnr:.2f} dB at {low.setting}, {low.bpp:.3f} bpp"
        cells = [
            f"{codec.encode_s_per_megapixel:.3g} s",
            f"{codec.decode_s_per_megapixel:.3g} s",
            f"{peak.encode.working:.0f} MiB<small>{peak.encode.idle:.0f} before</small>" if peak else "n/a",
            f"{peak.decode.working:.0f} MiB<small>{peak.decode.idle:.0f} before</small>" if peak else "n/a",
            f"{escape(slow.image)}<small>{times}</small>",
            f"{escape(low.image)}<small>{quality}</small>",
        ]
        rows.append(_row(codec.name, cells))
    heads = ["codec", "encode, per megapixel", "decode, per megapixel", "memory, encode", "memory, decode"]
    return _table([*heads, "slowest image", "lowest PSNR"], rows)


def curves(summary: Summary) -> str:
    """The mean points in numbers."""
    rows = []
    for codec in summary.codecs:
        for p in codec.curve:
            cells = [p.setting, f"{p.bpp:.4f}", f"{p.psnr:.3f}", _number(p.ssim), _number(p.ms_ssim)]
            rows.append(_row(codec.name, [*cells, f"{p.encode_s:.3g}", f"{p.decode_s:.3g}"]))
    return _table(["codec", "setting", "bpp", "PSNR", "SSIM", "MS-SSIM", "encode s", "decode s"], rows)


def facts(values: Mapping[str, str]) -> str:
    """Names and values in two columns."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in values.items())
    return f"<dl>{items}</dl>"


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    body = "".join(rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def _row(head: str, cells: Sequence[str]) -> str:
    return f'<tr><th scope="row">{escape(head)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _verdict(gain: float) -> str:
    return "good" if gain > 0 else "bad" if gain < 0 else "even"


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}"


def _interval(delta: Delta) -> str:
    if delta.high > delta.low:
        return f"{delta.low:.1f} to {delta.high:.1f} dB ({delta.overlap:.0%} overlap)"
    return "none"


def _extreme(extreme: tuple[str, float] | None) -> str:
    return "n/a" if extreme is None else f"{escape(extreme[0])}<small>{percent(extreme[1])}</small>"


def _why_none(comparison: Comparison) -> str:
    if comparison.images:
        return f"only {comparison.images} of {comparison.of} images have enough overlap"
    return comparison.mean_curve.reason or "no image has enough overlap"
