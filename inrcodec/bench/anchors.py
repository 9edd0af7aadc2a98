"""Published rate-distortion curves that can be drawn behind the measured ones."""

import json
import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from inrcodec.errors import InputError

# The name that stands for the curves shipped with the package (Kodak, 24 images, RGB PSNR).
SHIPPED = "kodak"


@dataclass(frozen=True)
class Anchor:
    """A published curve.

    Attributes:
        name: name in the file.
        label: short name for plots.
        source: where the figures come from.
        bpp: bits per pixel, ascending.
        psnr: dB, one for each rate.
    """

    name: str
    label: str
    source: str
    bpp: tuple[float, ...]
    psnr: tuple[float, ...]


def load_anchors(source: str) -> list[Anchor]:
    """Read curves from a JSON file, or the shipped ones (`kodak`).

    The file maps names to {"bpp": [...], "psnr": [...]} with optional "source", "label" (a short name) and
    "drawn" (false keeps a curve as data only).

    Raises:
        InputError: the file cannot be read or is not of this form.
    """
    try:
        if source == SHIPPED:
            text = files("inrcodec.bench").joinpath("anchors.json").read_text(encoding="utf-8")
        else:
            text = Path(source).read_text(encoding="utf-8")
        content = json.loads(text)
        if not isinstance(content, dict):
            raise TypeError("not an object of curves")
        return [_anchor(name, entry) for name, entry in content.items() if entry.get("drawn", True)]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"published curves in {source}: {error}") from error


def _anchor(name: str, entry: dict[str, Any]) -> Anchor:
    bpp, psnr = [float(x) for x in entry["bpp"]], [float(x) for x in entry["psnr"]]
    if len(bpp) != len(psnr):
        raise ValueError(f"{name!r} has {len(bpp)} rates but {len(psnr)} PSNR values")
    if not all(x > 0 and math.isfinite(x) for x in bpp) or not all(map(math.isfinite, psnr)):
        raise ValueError(f"{name!r} has values that are no rates or PSNR")
    points = sorted(zip(bpp, psnr, strict=True))
    return Anchor(
        name,
        str(entry.get("label", name)),
        str(entry.get("source", "")),
        tuple(rate for rate, _ in points),
        tuple(quality for _, quality in points),
    )
