"""Side-by-side crops at equal size in bytes: one picture through every codec, as small as by the first."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

from inrcodec.bench.codecs import Codec, parse_codec
from inrcodec.bench.images import Source, load_rgb
from inrcodec.bench.points import Point, point_file, setting_text
from inrcodec.bench.summary import Summary
from inrcodec.metrics import Pixels, psnr
from inrcodec.runtime.processes import parallel

TARGET_BPP = 0.25
CROP_SIDE = 192


@dataclass(frozen=True)
class Crop:
    """One codec's rendition.

    Attributes:
        codec: its name, empty for the original.
        setting: the one that comes closest to the wanted size from below.
        bytes: size of that file; above the wanted size only when the codec cannot go lower.
        psnr: of the whole picture, dB.
        data_uri: the crop as a PNG.
    """

    codec: str
    setting: str
    bytes: int
    psnr: float
    data_uri: str


@dataclass(frozen=True)
class CropRow:
    """One picture through all codecs.

    Attributes:
        image: its name.
        why: why this one is shown.
        target_bytes: size of the first codec's file, which the others may not exceed.
        left: x of the crop in the picture.
        top: y of it.
        crops: original first, then the codecs in order.
    """

    image: str
    why: str
    target_bytes: int
    left: int
    top: int
    crops: tuple[Crop, ...]


@dataclass(frozen=True)
class _Job:
    """Fit one codec's file under a size, starting from measured (setting, bytes) pairs."""

    codec: str
    path: Path
    target_bytes: int
    known: tuple[tuple[float, int], ...]


def choose_images(summary: Summary) -> list[tuple[str, str]]:
    """The first codec's worst, median and best image against the others, by mean rate difference, and why.

    With one codec, or without any rate difference, the image with the lowest PSNR.
    """
    first = summary.codecs[0]
    against = summary.against(first.name)
    means: dict[str, float] = {}
    for image in summary.images:
        known = [rate for c in against if (rate := c.per_image.get(image)) is not None]
        if known:
            means[image] = float(np.mean(known))
    if not means:
        return [(first.lowest_psnr.image, f"lowest PSNR of {first.name}")]
    ordered = sorted(means, key=means.__getitem__, reverse=True)
    # With few images one of them has several titles: the last one given here counts.
    why = {ordered[len(ordered) // 2]: f"median image for {first.name}"}
    why[ordered[-1]] = f"best image for {first.name}"
    why[ordered[0]] = f"worst image for {first.name}"
    return [(image, why[image]) for image in ordered if image in why]


def make_crops(
    summary: Summary, points: Sequence[Point], sources: Mapping[str, Source], out: Path, jobs: int
) -> list[CropRow]:
    """Encode the chosen images with every codec at the size of the first codec's file nearest to 0.25 bpp.

    Raises:
        Exception: whatever a codec raises.
    """
    names = [codec.name for codec in summary.codecs]
    rows = []
    for image, why in choose_images(summary):
        path = sources[image].path
        own = {name: [p for p in points if (p.image, p.codec) == (image, name)] for name in names}
        anchor = min(own[names[0]], key=lambda p: abs(p.bpp - TARGET_BPP))
        tasks = [
            _Job(name, path, anchor.bytes, tuple((float(p.setting), p.bytes) for p in own[name]))
            for name in names
        ]
        fitted = {job.codec: result for job, result in parallel(_fit, tasks, jobs)}
        original = load_rgb(path)
        codec = parse_codec(names[0])
        stored = point_file(out, anchor.key, codec.extension).read_bytes()
        left, top = _worst_window(original, codec.decode(stored))
        crops = [Crop("", "", path.stat().st_size, float("inf"), _data_uri(original, left, top))]
        for name in names:
            setting, data = fitted[name]
            pixels = parse_codec(name).decode(data)
            uri = _data_uri(pixels, left, top)
            crops.append(Crop(name, setting_text(setting), len(data), psnr(original, pixels), uri))
        rows.append(CropRow(image, why, anchor.bytes, left, top, tuple(crops)))
    return rows


def _fit(job: _Job) -> tuple[float, bytes]:
    """The setting and file with the most bytes that is no larger than wanted (the smallest one if all are).

    Settings are whole numbers from 1 for a quality and hundredths for a target rate; sizes are taken to grow
    with them.
    """
    codec = parse_codec(job.codec)
    pixels = load_rgb(job.path)
    unit = 1.0 if codec.setting_name == "quality" else 0.01
    fits = [round(setting / unit) for setting, size in job.known if size <= job.target_bytes]
    exceeds = [round(setting / unit) for setting, size in job.known if size > job.target_bytes]
    low = max(fits, default=1)
    high = min((e for e in exceeds if e > low), default=low + 1)
    best = _encode(codec, pixels, low * unit)
    while high - low > 1 and len(best[1]) < job.target_bytes:
        middle = (low + high) // 2
        candidate = _encode(codec, pixels, middle * unit)
        if len(candidate[1]) <= job.target_bytes:
            low, best = middle, candidate
        else:
            high = middle
    return best


def _encode(codec: Codec, pixels: Pixels, setting: float) -> tuple[float, bytes]:
    return setting, codec.encode(pixels, setting)


def _worst_window(original: Pixels, decoded: Pixels) -> tuple[int, int]:
    """Left and top of the window in which the first codec errs most: the least flattering place to look."""
    height, width, _ = original.shape
    side_y, side_x = min(CROP_SIDE, height), min(CROP_SIDE, width)
    error = ((original.astype(np.float64) - decoded) ** 2).sum(axis=2)
    mean = uniform_filter(error, size=(side_y, side_x), mode="constant")
    half_y, half_x = side_y // 2, side_x // 2
    centres = mean[half_y : height - side_y + half_y + 1, half_x : width - side_x + half_x + 1]
    top, left = np.unravel_index(int(np.argmax(centres)), centres.shape)
    return int(left), int(top)


def _data_uri(pixels: Pixels, left: int, top: int) -> str:
    out = io.BytesIO()
    crop = np.ascontiguousarray(pixels[top : top + CROP_SIDE, left : left + CROP_SIDE])
    Image.fromarray(crop).save(out, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")
