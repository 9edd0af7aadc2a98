"""report.md: the figures of the report as Markdown, ready for a repository."""

from collections.abc import Mapping, Sequence

from inrcodec.bench.bdrate import Delta
from inrcodec.bench.memory import Memory
from inrcodec.bench.summary import Comparison, Summary


def render_markdown(
    summary: Summary,
    memory: Mapping[str, Memory],
    versions: Mapping[str, str],
    machine: Mapping[str, str],
    command: str,
) -> str:
    """Tables of BD-rate, cost and mean points, with the command, codecs and machine that gave them."""
    names = [codec.name for codec in summary.codecs]
    parts = [
        f"Mean over {summary.extent}; every point is a file on disk, decoded again.",
        f"    {command}",
        _facts({**versions, **machine}),
        "BD-rate, mean over images (negative: the row needs fewer bits than the column):",
        _table(
            ["", *(f"vs {name}" for name in names)],
            [[test, *(_rate(summary, test, anchor) for anchor in names)] for test in names],
        ),
    ]
    others = [c for c in summary.comparisons if c.test == names[0]]
    if others:
        heads = ["against", "BD-rate", "BD-PSNR", "of mean curves", "better on", "best image", "worst image"]
        parts += [f"{names[0]} in detail:", _table(heads, [_detail(c) for c in others])]
    labels = next(iter(summary.published.values()), {})
    if labels:
        rows = [[label, *(_published(summary.published[name][label]) for name in names)] for label in labels]
        parts += ["BD-rate of the mean curves against published curves:", _table(["published", *names], rows)]
    parts += ["Cost on one thread (medians; peak memory of a fresh process):", _cost(summary, memory)]
    points = [
        [codec.name, p.setting, f"{p.bpp:.4f}", f"{p.psnr:.3f}", _number(p.ssim), _number(p.ms_ssim)]
        for codec in summary.codecs
        for p in codec.curve
    ]
    parts += ["Mean points:", _table(["codec", "setting", "bpp", "PSNR", "SSIM", "MS-SSIM"], points)]
    return "\n\n".join(parts) + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _facts(values: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in values.items())


def _rate(summary: Summary, test: str, anchor: str) -> str:
    return "" if test == anchor else _percent(summary.comparison(test, anchor).bd_rate)


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{value:+.1f} %"


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}"


def _detail(c: Comparison) -> list[str]:
    extremes = [f"{e[0]} ({_percent(e[1])})" if e else "n/a" for e in (c.best, c.worst)]
    gain = "n/a" if c.bd_psnr is None else f"{c.bd_psnr:+.2f} dB"
    mean = _published(c.mean_curve)
    return [c.anchor, _percent(c.bd_rate), gain, mean, f"{c.wins} of {c.images}", *extremes]


def _published(delta: Delta) -> str:
    if delta.value is None:
        return f"n/a ({delta.overlap:.0%} overlap)"
    return f"{_percent(delta.value)} ({delta.low:.1f} to {delta.high:.1f} dB)"


def _cost(summary: Summary, memory: Mapping[str, Memory]) -> str:
    rows = []
    for codec in summary.codecs:
        peak = memory.get(codec.name)
        slow = codec.slowest
        rows.append(
            [
                codec.name,
                f"{codec.encode_s_per_megapixel:.3g}",
                f"{codec.decode_s_per_megapixel:.3g}",
                f"{peak.encode.working:.0f}" if peak else "n/a",
                f"{peak.decode.working:.0f}" if peak else "n/a",
                f"{slow.image} at {slow.setting} ({slow.encode_s:.3g} + {slow.decode_s:.3g} s)",
            ]
        )
    heads = ["codec", "encode s/Mpixel", "decode s/Mpixel", "encode MiB", "decode MiB", "slowest"]
    return _table(heads, rows)
