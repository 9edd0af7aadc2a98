"""The images of a run: found, named, opened as uint8 RGB."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from inrcodec.bench.metrics import Pixels
from inrcodec.errors import InputError

SUFFIXES = frozenset({".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg", ".webp", ".gif"})


@dataclass(frozen=True)
class Source:
    """An image file and the name it has in the results."""

    name: str
    path: Path


def find_images(paths: Sequence[Path]) -> list[Source]:
    """The image files among `paths`, directories searched recursively, sorted and without repeats.

    A file named directly counts whatever its suffix. Names are file names where these are unique, otherwise
    paths relative to what all files share.

    Raises:
        InputError: a path does not exist, or there is no image.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = (p for p in sorted(path.rglob("*")) if p.suffix.lower() in SUFFIXES and p.is_file())
            found.update(dict.fromkeys(p.resolve() for p in inside))
        elif path.exists():
            found[path.resolve()] = None
        else:
            raise InputError(f"{path} does not exist")
    if not found:
        raise InputError(f"no images in {', '.join(map(str, paths))}")
    files = list(found)
    names = [file.name for file in files]
    if len(set(names)) < len(names):
        shared = os.path.commonpath([file.parent for file in files])
        names = [file.relative_to(shared).as_posix() for file in files]
    return [Source(name, file) for name, file in zip(names, files, strict=True)]


def load_rgb(path: Path) -> Pixels:
    """Open an image as uint8 (H, W, 3) RGB; transparency is laid over white, orientation tags are ignored.

    Raises:
        InputError: the file is not an image that can be read, or has more than 8 bits per sample.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith(("I", "F")):
                raise InputError(f"{path.name}: more than 8 bits per sample (mode {picture.mode})")
            if picture.has_transparency_data:
                layer = picture.convert("RGBA")
                white = Image.new("RGBA", layer.size, "white")
                return np.asarray(Image.alpha_composite(white, layer).convert("RGB"))
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path.name}: {error}") from error
