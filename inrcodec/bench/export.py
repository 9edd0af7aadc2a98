"""summary.json: the summary for programs."""

import math
from collections.abc import Mapping
from dataclasses import asdict

from inrcodec.bench.report import Report
from inrcodec.bench.summary import CodecSummary


def summary_dict(report: Report) -> object:
    """The content of summary.json: plain dicts, lists, strings and finite numbers (None for the others)."""
    return _finite(
        {
            "command": report.command,
            "machine": report.machine,
            "images": report.summary.images,
            "images_left_out": report.summary.left_out,
            "images_unreadable": report.unreadable,
            "failures": [asdict(failure) for failure in report.failures],
            "codecs": {codec.name: _codec(report, codec) for codec in report.summary.codecs},
        }
    )


def _codec(report: Report, codec: CodecSummary) -> dict[str, object]:
    summary = report.summary
    against: dict[str, dict[str, object]] = {}
    for quality in summary.qualities:
        for comparison in summary.against(codec.name, quality):
            entry = asdict(comparison)
            del entry["test"], entry["anchor"], entry["quality"]
            against.setdefault(quality.name, {})[comparison.anchor] = entry
    return {
        "tune": codec.tune,
        "version": report.versions[codec.name],
        "mean_curve": [asdict(point) for point in codec.curve],
        "bd_rate_against": against,
        "bd_rate_against_published": {k: asdict(v) for k, v in summary.published[codec.name].items()},
        "encode_s_per_megapixel": codec.encode_s_per_megapixel,
        "decode_s_per_megapixel": codec.decode_s_per_megapixel,
        "slowest": asdict(codec.slowest),
        "lowest_psnr": asdict(codec.lowest_psnr),
        "peak_memory_mib": asdict(report.memory[codec.name]),
    }


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
