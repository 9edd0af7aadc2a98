"""The images of a run: found, named, opened as uint8 RGB."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inrcodec.errors import InputError
from inrcodec.metrics import Pixels
from inrcodec.pictures.files import read_picture

SUFFIXES = frozenset(
    {".png", ".ppm", ".pgm", ".pnm", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg", ".webp", ".qoi"}
)


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
    """Open an image as uint8 (H, W, 3) RGB; grey is repeated, transparency is laid over white.

    Raises:
        InputError: the file cannot be read, or is no 8-bit image.
        LimitError: the image is too large.
    """
    try:
        pixels = read_picture(path).pixels
    except OSError as error:
        raise InputError(f"cannot be opened: {error.strerror or error}") from error
    channels = pixels.shape[2]
    colour = pixels[..., : channels - 1] if channels in (2, 4) else pixels
    rgb = np.broadcast_to(colour, (*pixels.shape[:2], 3))
    if channels in (2, 4):
        alpha = pixels[..., -1:].astype(np.uint32)
        rgb = ((rgb * alpha + (255 - alpha) * 255 + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(rgb)
