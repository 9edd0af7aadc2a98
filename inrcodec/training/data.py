"""Photos for meta-training: loading, the held-out rule, and batches that depend on their number only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from inrcodec.errors import InputError
from inrcodec.signal.color import to_planes
from inrcodec.tile.partition import BLOCK
from inrcodec.training.worker import Worker

Split = Literal["train", "validation", "all"]
_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True, eq=False)
class Photos:
    """RGB photos of any sizes in one flat tensor, so that a batch of crops is a single gather on any device.

    Attributes:
        pixels: uint8 (total pixels, 3), photo after photo, row-major.
        starts: int64 (n,), first pixel of each photo.
        sizes: int64 (n, 2), height and width.
        names: file names (or array names and indices).
    """

    pixels: Tensor
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.names)

    def photo(self, index: int) -> NDArray[np.uint8]:
        """One photo, (height, width, 3)."""
        height, width = self.sizes[index]
        start = self.starts[index]
        pixels: NDArray[np.uint8] = self.pixels[start : start + height * width].cpu().numpy()
        return pixels.reshape(height, width, 3)

    def crops(
        self, photo: NDArray[np.int64], top: NDArray[np.int64], left: NDArray[np.int64], size: int
    ) -> Tensor:
        """Square crops, uint8 (B, size, size, 3); crop b begins at row top[b], column left[b] of photo[b]."""
        device, width = self.pixels.device, self.sizes[photo, 1]
        places = np.stack([self.starts[photo] + top * width + left, width])
        corners, widths = torch.from_numpy(places).to(device, non_blocking=True)[..., None, None]
        offsets = torch.arange(size, device=device)
        return self.pixels[corners + offsets[:, None] * widths + offsets]

    def centre_crops(self, photo: NDArray[np.int64], size: int) -> Tensor:
        """The middle of the given photos, uint8 (B, size, size, 3)."""
        top, left = (self.sizes[photo] - size).T // 2
        return self.crops(photo, top, left, size)


@dataclass(frozen=True)
class Sampler:
    """Endless seeded batches of crops: batch k is a pure function of the seed, k and the worker.

    All workers draw the same global batch and take their share of it, so that the number of processes does
    not change what is learned.

    Attributes:
        photos: at least ``size`` pixels wide and high.
        size: side of the crops in pixels.
        batch: crops of the global batch.
        seed: seed of the run.
        worker: this process.
        centre: middle of the photo instead of a random place.
    """

    photos: Photos
    size: int
    batch: int
    seed: int
    worker: Worker
    centre: bool = False

    def __call__(self, index: int, stream: int = 0) -> Tensor:
        """This worker's share of batch ``index``, uint8 (batch / world, size, size, 3); streams differ."""
        rng = np.random.default_rng([self.seed, stream, index])
        photo = rng.integers(0, len(self.photos), self.batch)
        share = self.worker.share(self.batch)
        if self.centre:
            return self.photos.centre_crops(photo[share], self.size)
        top, left = rng.integers(0, self.photos.sizes[photo] - self.size + 1).T
        return self.photos.crops(photo[share], top[share], left[share], self.size)


def block_planes(photos: Photos, index: int) -> NDArray[np.float32]:
    """Planes of one photo as the codec sees it, (3, H, W), cut to whole blocks."""
    height, width = photos.sizes[index] // BLOCK * BLOCK
    return to_planes(photos.photo(index)[:height, :width])


def held_out(name: str) -> bool:
    """Whether a photo belongs to validation: the SHA-1 of its file name starts with hexadecimal 0 or 1."""
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[0] in "01"


def load_photos(
    source: Path, split: Split, device: torch.device, *, resize: int = 0, smallest: int = 1
) -> Photos:
    """Read all photos of a folder (and of the folders in it) or of an npz file into memory.

    In npz files every uint8 array (N, H, W, 3) or (N, H, W, 1) counts; arrays named train... are training
    data, test... and val... validation data, and of others `held_out` decides by array name and index.

    Args:
        source: folder or npz file.
        split: which part; ``"all"`` for both.
        device: where the pixels go.
        resize: shorter side in pixels after resizing (bicubic), 0 to keep the size.
        smallest: photos with a shorter side below this are left out.

    Raises:
        InputError: no such folder, a file that cannot be read, or no photo for training.
    """
    arrays, names = [], []
    for name, validation, pixels in _read_all(source):
        if split != "all" and validation != (split == "validation"):
            continue
        pixels = _resized(pixels, resize) if resize else pixels
        if min(pixels.shape[:2]) >= smallest:
            arrays.append(pixels)
            names.append(name)
    if not arrays and split != "validation":
        raise InputError(f"{source} holds no photo of at least {smallest} x {smallest} pixels for training")
    sizes = np.array([array.shape[:2] for array in arrays], np.int64).reshape(-1, 2)
    counts = sizes.prod(axis=1)
    flat = np.concatenate([np.zeros((0, 3), np.uint8), *(array.reshape(-1, 3) for array in arrays)])
    starts = np.cumsum(counts) - counts
    return Photos(torch.from_numpy(flat).to(device), starts, sizes, tuple(names))


def _read_all(source: Path) -> Iterator[tuple[str, bool, NDArray[np.uint8]]]:
    if not source.exists():
        raise InputError(f"{source} does not exist")
    files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    for path in files:
        try:
            if path.suffix.lower() == ".npz":
                yield from _read_npz(path)
            elif path.suffix.lower() in _SUFFIXES:
                with Image.open(path) as image:
                    pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
                yield path.name, held_out(path.name), pixels
        except (OSError, ValueError, UnidentifiedImageError) as error:
            raise InputError(f"{path} cannot be read as training data: {error}") from error


def _read_npz(path: Path) -> Iterator[tuple[str, bool, NDArray[np.uint8]]]:
    with np.load(path, allow_pickle=False) as archive:
        for key in sorted(archive.files):
            array = archive[key]
            if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] not in (1, 3):
                continue
            for index, pixels in enumerate(np.broadcast_to(array, (*array.shape[:3], 3))):
                name = f"{key}/{index}"
                validation = key.startswith(("test", "val")) or (
                    not key.startswith("train") and held_out(name)
                )
                yield name, validation, pixels


def _resized(pixels: NDArray[np.uint8], shorter: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = shorter / min(height, width)
    size = (max(shorter, round(width * scale)), max(shorter, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
