"""summary.json: the summary for programs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from inrcodec.bench.memory import Memory
from inrcodec.bench.run import Failure
from inrcodec.bench.summary import CodecSummary, Summary


def summary_dict(
    summary: Summary,
    memory: Mapping[str, Memory],
    versions: Mapping[str, str],
    machine: Mapping[str, str],
    failures: Sequence[Failure],
    unreadable: Mapping[str, str],
    command: str,
) -> object:
    """The content of summary.json: plain dicts, lists, strings and finite numbers (None for the others)."""
    return _finite(
        {
            "command": command,
            "machine": machine,
            "images": summary.images,
            "images_left_out": summary.left_out,
            "images_unreadable": unreadable,
            "failures": [asdict(failure) for failure in failures],
            "codecs": {codec.name: _codec(summary, codec, memory, versions) for codec in summary.codecs},
        }
    )


def _codec(
    summary: Summary, codec: CodecSummary, memory: Mapping[str, Memory], versions: Mapping[str, str]
) -> dict[str, object]:
    against = {}
    for comparison in summary.comparisons:
        if comparison.test == codec.name:
            entry = asdict(comparison)
            del entry["test"], entry["anchor"]
            against[comparison.anchor] = entry
    return {
        "version": versions[codec.name],
        "mean_curve": [asdict(point) for point in codec.curve],
        "bd_rate_against": against,
        "bd_rate_against_published": {k: asdict(v) for k, v in summary.published[codec.name].items()},
        "encode_s_per_megapixel": codec.encode_s_per_megapixel,
        "decode_s_per_megapixel": codec.decode_s_per_megapixel,
        "slowest": asdict(codec.slowest),
        "lowest_psnr": asdict(codec.lowest_psnr),
        "peak_memory_mib": asdict(memory[codec.name]),
    }


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
