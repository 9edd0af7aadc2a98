"""encode, decode, inspect: pictures to bytes and back.

photo -> planes -> cells -> fit -> integers -> entropy coder -> .sinr bytes
.sinr bytes -> integers -> weights -> samples -> restoration -> render (any scale, any region) -> photo
"""

import math
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from inrcodec.codebook import find_codebook, load_codebook
from inrcodec.container import FULL_STRENGTH, TILE, Container, Weighting, tile_grid, unpack
from inrcodec.decisions.effort import DEFAULT_EFFORT, EFFORTS
from inrcodec.decoding.picture import assembly_of, render_region
from inrcodec.decoding.view import WHOLE, Region, View
from inrcodec.errors import FormatError, InputError
from inrcodec.kernels import Kernels, select
from inrcodec.limits import DEFAULT_LIMITS, Limits
from inrcodec.pictures.hidden import smooth_hidden
from inrcodec.pictures.picture import Picture
from inrcodec.runtime.processes import Map, mapping, processes
from inrcodec.signal.quantiser import (
    DEFAULT_QUALITY,
    DEFAULT_TUNE,
    TUNES,
    quality_of_step,
    step_of_quality,
)
from inrcodec.tile.fixed_point import FRACTION
from inrcodec.zstd import compress, decompress

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]

_OPAQUE = 255


@dataclass(frozen=True)
class Info:
    """What a .sinr file says about itself.

    Attributes:
        width, height: pixels.
        channels: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA.
        version: format version.
        codebook: id of the codebook, hexadecimal.
        tune: "psnr", "visual", or "other" where another encoder weighted the steps.
        quality: quality that gives the file's quantiser step.
        quantiser_step: in 8-bit levels.
        restoration: share of restoration's correction that is added, 0 to 1.
        entropy: "rans" or "zstd".
        tiles: number of independently coded tiles.
        has_alpha: whether there is an alpha section.
        icc_bytes, exif_bytes, xmp_bytes: size of these sections in the file, 0 without.
        file_bytes: size of the file.
        bpp: bits of the file per pixel.
    """

    width: int
    height: int
    channels: int
    version: int
    codebook: str
    tune: str
    quality: float
    quantiser_step: float
    restoration: float
    entropy: str
    tiles: int
    has_alpha: bool
    icc_bytes: int
    exif_bytes: int
    xmp_bytes: int
    file_bytes: int
    bpp: float


def encode(
    image: "Pixels | Image.Image | Picture",
    *,
    quality: float | None = None,
    bpp: float | None = None,
    psnr: float | None = None,
    max_bytes: int | None = None,
    tune: str | Weighting = DEFAULT_TUNE,
    effort: int = DEFAULT_EFFORT,
    codebook: str | os.PathLike[str] | None = None,
    entropy: str = "auto",
    keep_hidden: bool = False,
    device: str = "auto",
    jobs: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> bytes:
    """Encodes a picture.

    Args:
        image: uint8 array, (H, W) or (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB,
            (H, W, 4) RGBA; or a Pillow image; or a `Picture`. Alpha is kept without loss, and so is the
            metadata of the last two; alpha that is opaque everywhere is dropped.
        quality: 1 (small) to 100 (good); 50 unless a target is given.
        bpp: target in bits per pixel: a file that is not above it, and hardly a per cent below.
        psnr: target in dB over the colour channels of all pixels that are not fully transparent: a file that
            is not below it, and hardly 0.05 dB above.
        max_bytes: target in bytes, met like bpp.
        tune: "psnr" for the least squared error, "visual" for the eye; a quality takes about as many bytes. A
            `Weighting` of one's own is taken, too.
        effort: 1 (fast) to 9 (slow): how long to look for a smaller file.
        codebook: name of a shipped codebook, or path of one.
        entropy: "auto" or "rans" for the context coder, "zstd" for the plain one.
        keep_hidden: code the colours of fully transparent pixels, too, instead of what is cheap there.
        device: "auto" (see `inrcodec.kernels.select`), "cpu" or "cuda".
        jobs: threads that share the work; by default as many as there are cores, or as OMP_NUM_THREADS says.
            Where the native kernels were not compiled: processes that share the tiles (1024 pixels a side) of
            a large picture, by default one. They are spawned: a script that asks for more needs
            `if __name__ == "__main__":`. A daemonic process, such as a worker of `multiprocessing.Pool`, does
            the work itself.
        progress: called with the fraction done, from 0 to 1.

    Returns:
        The .sinr file. At most one of quality, bpp, psnr and max_bytes may be given; a target takes
        several fits.

    Raises:
        ValueError: an argument is out of range, or more than one target is given.
        InputError: the picture is not one of these, or a metadata block is too large.
        LimitError: the picture is larger than a decoder accepts by default.
        EncodeError: the target is out of reach, the device is missing, or a process died or could not start.
    """
    # A decoder starts without them.
    from inrcodec.encoding.picture import PictureEncoder, TileEncoder
    from inrcodec.encoding.target import psnr_target, search, size_target

    targets = {"quality": quality, "bpp": bpp, "psnr": psnr, "max_bytes": max_bytes}
    given = [name for name, value in targets.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"give at most one of {', '.join(targets)}")
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError("quality must be between 1 and 100")
    if not all(0 < value < math.inf for value in targets.values() if value is not None):
        raise ValueError("bpp, psnr and max_bytes must be positive numbers")
    weighting = tune if isinstance(tune, Weighting) else TUNES.get(tune)
    if weighting is None or not weighting.in_range:
        raise ValueError(f"tune must be one of {', '.join(TUNES)}, or a weighting in range")
    if effort not in EFFORTS:
        raise ValueError(f"effort must be between {min(EFFORTS)} and {max(EFFORTS)}")
    if entropy not in ("auto", "rans", "zstd"):
        raise ValueError("entropy must be auto, rans or zstd")
    picture = _without_opaque_alpha(_picture_of(image))
    book = load_codebook(codebook)
    kernels = select(device, jobs=jobs)
    height, width, _ = picture.pixels.shape
    DEFAULT_LIMITS.check(width, height)
    tiles = TileEncoder(book, EFFORTS[effort], "rans" if entropy == "auto" else entropy, kernels)
    tile_count = math.prod(tile_grid(width, height))
    with _tile_map(kernels, jobs, tile_count) as tile_map:
        colour, visible = picture.colour, picture.visible
        if visible is not None and not keep_hidden:
            colour = smooth_hidden(colour, visible, TILE)
        encoder = PictureEncoder(colour, tiles, tile_map, _sections_of(picture), weighting, visible)
        if psnr is not None:
            return search(encoder, psnr_target(psnr), progress)
        if bpp is not None:
            max_bytes = int(min(bpp * height * width / 8, sys.maxsize))
        if max_bytes is not None:
            return search(encoder, size_target(min(max_bytes, sys.maxsize)), progress)
        return encoder.encode(step_of_quality(quality or DEFAULT_QUALITY, weighting), progress)


def decode(
    data: bytes,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    crop: Region | None = None,
    codebook: str | os.PathLike[str] | None = None,
    device: str = "auto",
    jobs: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Pixels:
    """Decodes a .sinr file at any resolution.

    Args:
        data: the file.
        scale: output pixels per source pixel; 1 unless `size` is given.
        size: output (width, height) instead.
        crop: (x, y, width, height) in source pixels; only this region is rendered, at `scale` or to `size`.
        codebook: name or path of the codebook, if it is not a shipped one.
        device: "auto" (see `inrcodec.kernels.select`), "cpu" or "cuda".
        jobs: threads or processes that share the work, as for `encode`.
        limits: bounds on what is read and rendered.

    Returns:
        uint8, (H, W) for grey, else (H, W, channels). At scale 1 the same bytes on every machine.

    Raises:
        ValueError: scale, size or crop make no sense for this picture.
        FormatError: the file is damaged; CodebookNotFoundError: its codebook is not installed.
        LimitError: a limit would be exceeded.
        EncodeError: the device is missing, or a process died.
    """
    view = View(scale, size, crop)
    pixels = decode_picture(data, view, codebook=codebook, device=device, jobs=jobs, limits=limits).pixels
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def decode_picture(
    data: bytes,
    view: View = WHOLE,
    *,
    codebook: str | os.PathLike[str] | None = None,
    device: str = "auto",
    jobs: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[float], None] | None = None,
) -> Picture:
    """Decodes a .sinr file with its metadata.

    Args:
        data: the file.
        view: what of it is rendered, and how large.
        codebook: name or path of the codebook, as for `decode`.
        device: what computes, as for `decode`.
        jobs: threads or processes that share the work, as for `encode`.
        limits: bounds on what is read and rendered.
        progress: called with the fraction done, from 0 to 1.

    Returns:
        A `Picture`, pixels (H, W, C).

    Raises:
        Exception: as `decode`.
    """
    container = unpack(data, limits)
    region, size = view.of_picture(container.width, container.height)
    limits.check(*size)
    book = find_codebook(container.codebook) if codebook is None else load_codebook(codebook)
    if book.id != container.codebook:
        raise FormatError(f"the file needs codebook {container.codebook.hex()}, not {book.id.hex()}")
    kernels = select(device, jobs=jobs)
    channels = 1 if container.grey else 3
    alpha = _inflate_alpha(container) if "alpha" in container.sections else None
    pixels = np.empty((size[1], size[0], channels + (alpha is not None)), np.uint8)
    tile_count = math.prod(tile_grid(*region[2:]))
    with _tile_map(kernels, jobs, tile_count) as tile_map:
        assembly = assembly_of(container, book, kernels, tile_map, limits)
        render_region(assembly, region, pixels[:, :, :channels], kernels, alpha, progress)
    if alpha is not None:
        pixels[:, :, channels] = _scaled_alpha(alpha, region, size)
    return Picture(pixels, **_metadata_of(container, limits))


def inspect(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Info:
    """Reads the header of a .sinr file (and checks its CRC).

    Raises:
        FormatError: the file is damaged; LimitError: a limit is exceeded.
    """
    c = unpack(data, limits)
    alpha = "alpha" in c.sections
    return Info(
        width=c.width,
        height=c.height,
        channels=(1 if c.grey else 3) + alpha,
        version=data[4],
        codebook=c.codebook.hex(),
        tune=next((name for name, found in TUNES.items() if found == c.weighting), "other"),
        quality=round(quality_of_step(c.step, c.weighting), 2),
        quantiser_step=c.step / 2**FRACTION,
        restoration=c.strength / FULL_STRENGTH,
        entropy=c.entropy,
        tiles=len(c.tiles),
        has_alpha=alpha,
        icc_bytes=len(c.sections.get("icc", b"")),
        exif_bytes=len(c.sections.get("exif", b"")),
        xmp_bytes=len(c.sections.get("xmp", b"")),
        file_bytes=len(data),
        bpp=8 * len(data) / (c.width * c.height),
    )


def metadata(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> dict[str, bytes]:
    """Reads the metadata of a .sinr file: "icc", "exif", "xmp", as in a `Picture`, where the file has them.

    Raises:
        FormatError: the file is damaged; LimitError: a limit is exceeded.
    """
    return _metadata_of(unpack(data, limits), limits)


def alpha_differences(container: Container) -> bytes:
    """Content of the alpha section of a file that has one.

    Returns:
        A byte per pixel, row by row: the difference of its alpha to its left neighbour's, modulo 256.

    Raises:
        FormatError: the section is damaged.
    """
    count = container.width * container.height
    body = decompress(container.sections["alpha"], count)
    if len(body) != count:
        raise FormatError("the alpha section is truncated")
    return body


def _tile_map(kernels: Kernels, jobs: int | None, tiles: int) -> AbstractContextManager[Map]:
    """What calls kernels for some tiles: one after another, or in as many processes as pay."""
    if kernels.own_threads:
        return nullcontext(map)
    return mapping(processes(jobs, tiles, gain=kernels.device == "cpu"))


def _metadata_of(container: Container, limits: Limits) -> dict[str, bytes]:
    return {
        name: decompress(container.sections[name], limits.max_metadata_bytes)
        for name in ("icc", "exif", "xmp")
        if name in container.sections
    }


def _picture_of(image: Any) -> Picture:
    """Whatever `encode` accepts as pixels (H, W, C) with metadata."""
    if isinstance(image, Picture):
        return image
    if not isinstance(image, np.ndarray):
        from PIL import Image

        from inrcodec.pictures.files import from_pil

        if not isinstance(image, Image.Image):
            raise InputError(f"expected an array, a Pillow image or a Picture, got {type(image).__name__}")
        return from_pil(image)
    return Picture(image[:, :, None] if image.ndim == 2 else image)


def _without_opaque_alpha(picture: Picture) -> Picture:
    """The picture; without its alpha channel if that is opaque everywhere."""
    if picture.alpha is None or picture.alpha.min() < _OPAQUE:
        return picture
    return replace(picture, pixels=picture.colour)


def _sections_of(picture: Picture) -> dict[str, bytes]:
    """The optional sections of a picture's file.

    Raises:
        InputError: a metadata block is larger than a decoder accepts by default.
    """
    sections = {}
    if picture.alpha is not None:
        sections["alpha"] = _deflate_alpha(picture.alpha)
    for name, block in (("icc", picture.icc), ("exif", picture.exif), ("xmp", picture.xmp)):
        if block:
            if len(block) > DEFAULT_LIMITS.max_metadata_bytes:
                raise InputError(f"the {name.upper()} block of {len(block)} bytes is too large to keep")
            sections[name] = compress(block)
    return sections


def _deflate_alpha(alpha: Pixels) -> bytes:
    """Differences to the left neighbour, modulo 256, in a zstd frame."""
    difference = np.diff(alpha, axis=1, prepend=np.uint8(0))
    return compress(difference.tobytes())


def _inflate_alpha(container: Container) -> Pixels:
    body = alpha_differences(container)
    difference = np.frombuffer(body, np.uint8).reshape(container.height, container.width)
    return np.cumsum(difference, axis=1, dtype=np.uint8)


def _scaled_alpha(alpha: Pixels, region: Region, size: tuple[int, int]) -> Pixels:
    """A region (x, y, width, height) of the alpha channel, resampled to (width, height)."""
    x, y, width, height = region
    if size == (width, height):
        return alpha[y : y + height, x : x + width]
    from PIL import Image

    box = (x, y, x + width, y + height)
    return np.asarray(Image.fromarray(alpha).resize(size, Image.Resampling.BICUBIC, box))
