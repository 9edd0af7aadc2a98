"""encode, decode, inspect: pictures to bytes and back.

photo -> planes -> cells -> fit -> integers -> entropy coder -> .sinr bytes
.sinr bytes -> integers -> survivors -> samples -> restoration -> render (any scale, any region) -> photo
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from inrcodec.codebook import find_codebook, load_codebook
from inrcodec.container import Container, tile_grid, unpack
from inrcodec.decisions.quantizer import quality_of_step, step_of_quality
from inrcodec.decoding.picture import mosaic_of, render_region
from inrcodec.encoding.picture import DEFAULT_QUALITY, Job, TileEncoder
from inrcodec.encoding.target import psnr_target, search, size_target
from inrcodec.encoding.tile import DEFAULT_STEPS
from inrcodec.errors import FormatError, InputError
from inrcodec.limits import DEFAULT_LIMITS, Limits
from inrcodec.runtime.device import find_device, processes
from inrcodec.runtime.processes import mapping
from inrcodec.tile.fixed_point import FRACTION
from inrcodec.zstd import compress, decompress

if TYPE_CHECKING:
    from PIL import Image

    from inrcodec.pictures.files import Picture

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Info:
    """What a .sinr file says about itself.

    Attributes:
        width, height: pixels.
        channels: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA.
        version: format version.
        codebook: id of the codebook, hexadecimal.
        quality: quality that gives the file's quantiser step.
        quantiser_step: in 8-bit levels.
        entropy: "rans" or "zstd".
        tiles: number of independently coded tiles.
        has_alpha: whether there is an alpha section.
        icc_bytes, exif_bytes: size of these sections in the file, 0 without.
        file_bytes: size of the file.
        bpp: bits of the file per pixel.
    """

    width: int
    height: int
    channels: int
    version: int
    codebook: str
    quality: float
    quantiser_step: float
    entropy: str
    tiles: int
    has_alpha: bool
    icc_bytes: int
    exif_bytes: int
    file_bytes: int
    bpp: float


def encode(
    image: "Pixels | Image.Image | Picture",
    *,
    quality: float | None = None,
    bpp: float | None = None,
    psnr: float | None = None,
    max_bytes: int | None = None,
    steps: int = DEFAULT_STEPS,
    codebook: str | os.PathLike[str] | None = None,
    entropy: str = "auto",
    device: str = "auto",
    jobs: int = 1,
    icc: bytes | None = None,
    exif: bytes | None = None,
    progress: Callable[[float], None] | None = None,
) -> bytes:
    """Encodes a picture.

    Args:
        image: uint8 array, (H, W) or (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB,
            (H, W, 4) RGBA; or a Pillow image; or a `Picture`. Alpha is kept without loss.
        quality: 1 (small) to 100 (good); 50 unless a target is given.
        bpp: target in bits per pixel: a file that is not above it, and hardly a per cent below.
        psnr: target in dB over the colour channels (of all pixels, however transparent): a file that is not
            below it, and hardly 0.05 dB above.
        max_bytes: target in bytes, met like bpp.
        steps: fine-tuning steps after the closed-form one.
        codebook: name of a shipped codebook, or path of one.
        entropy: "auto" or "rans" for the context coder, "zstd" for the plain one.
        device: "auto", "cpu" or "cuda".
        jobs: processes that share the tiles (1024 pixels a side) of a large picture, unless a GPU is used.
            They are spawned: a script that asks for more than one needs `if __name__ == "__main__":`.
            A daemonic process, such as a worker of `multiprocessing.Pool`, does the work itself.
        icc, exif: metadata to keep; those of a Pillow image or `Picture` are kept anyway.
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
    targets = {"quality": quality, "bpp": bpp, "psnr": psnr, "max_bytes": max_bytes}
    given = [name for name, value in targets.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"give at most one of {', '.join(targets)}")
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError("quality must be between 1 and 100")
    if not all(0 < value < math.inf for value in targets.values() if value is not None):
        raise ValueError("bpp, psnr and max_bytes must be positive numbers")
    if entropy not in ("auto", "rans", "zstd") or steps < 0:
        raise ValueError("entropy must be auto, rans or zstd; steps cannot be negative")
    pixels, icc, exif = _picture_parts(image, icc, exif)
    book = load_codebook(codebook)
    where = find_device(device)
    height, width, channels = pixels.shape
    DEFAULT_LIMITS.check(width, height)
    colour = pixels[:, :, : 1 if channels < 3 else 3]
    sections = {}
    if channels in (2, 4):
        sections["alpha"] = _deflate_alpha(pixels[:, :, -1])
    for name, block in (("icc", icc), ("exif", exif)):
        if block:
            if len(block) > DEFAULT_LIMITS.max_metadata_bytes:
                raise InputError(f"the {name.upper()} block of {len(block)} bytes is too large to keep")
            sections[name] = compress(block)
    coder = "rans" if entropy == "auto" else entropy
    tiles = TileEncoder(book, steps, coder, where)
    with mapping(processes(where, jobs, math.prod(tile_grid(width, height)))) as tile_map:
        job = Job(colour, tiles, tile_map, sections, measure=psnr is not None)
        if not given or quality is not None:
            return job.run(step_of_quality(quality or DEFAULT_QUALITY), progress)[0]
        if psnr is not None:
            return search(job, psnr_target(psnr), progress)
        limit = max_bytes if max_bytes is not None else int((bpp or 0) * height * width / 8)
        return search(job, size_target(limit), progress)


def decode(
    data: bytes,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    codebook: str | os.PathLike[str] | None = None,
    device: str = "auto",
    jobs: int = 1,
    limits: Limits = DEFAULT_LIMITS,
) -> Pixels:
    """Decodes a .sinr file at any resolution.

    Args:
        data: the file.
        scale: output pixels per source pixel; 1 unless `size` is given.
        size: output (width, height) instead.
        crop: (x, y, width, height) in source pixels; only this region is rendered, at `scale` or to `size`.
        codebook: name or path of the codebook, if it is not a shipped one.
        device: "auto", "cpu" or "cuda".
        jobs: processes that share the tiles, as for `encode`.
        limits: bounds on what is read and rendered.

    Returns:
        uint8, (H, W) for grey, else (H, W, channels). At scale 1 the same bytes on every machine.

    Raises:
        ValueError: scale, size or crop make no sense for this picture.
        FormatError: the file is damaged; CodebookNotFoundError: its codebook is not installed.
        LimitError: a limit would be exceeded.
        EncodeError: the device is missing, or a process died or could not start.
    """
    pixels = _decode(unpack(data, limits), scale, size, crop, codebook, device, jobs, limits)
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def _decode(
    container: Container,
    scale: float | None,
    size: tuple[int, int] | None,
    crop: tuple[int, int, int, int] | None,
    codebook: str | os.PathLike[str] | None,
    device: str,
    jobs: int,
    limits: Limits,
) -> Pixels:
    """Pixels (H, W, C) of an unpacked file; arguments as for `decode`."""
    region = crop or (0, 0, container.width, container.height)
    x, y, width, height = region
    if (
        min(x, y) < 0
        or min(width, height) < 1
        or x + width > container.width
        or y + height > container.height
    ):
        raise ValueError(
            f"the region {region} is not inside the {container.width} x {container.height} picture"
        )
    if scale is not None and size is not None:
        raise ValueError("give only one of scale and size")
    if size is None:
        scale = 1.0 if scale is None else scale
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError("scale must be a positive number")
        size = max(1, round(width * scale)), max(1, round(height * scale))
    if min(size) < 1:
        raise ValueError("the size must be at least 1 x 1")
    limits.check(*size)
    book = find_codebook(container.codebook) if codebook is None else load_codebook(codebook)
    if book.id != container.codebook:
        raise FormatError(f"the file needs codebook {container.codebook.hex()}, not {book.id.hex()}")
    where = find_device(device)
    channels = 1 if container.grey else 3
    result = np.empty((size[1], size[0], channels + ("alpha" in container.sections)), np.uint8)
    with mapping(processes(where, jobs, math.prod(tile_grid(width, height)))) as tile_map:
        source = mosaic_of(container, book, where, tile_map)
        render_region(source, region, result[:, :, :channels])
    if "alpha" in container.sections:
        result[:, :, channels] = _scaled_alpha(_inflate_alpha(container), region, size)
    return result


def decode_picture(
    data: bytes,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    codebook: str | os.PathLike[str] | None = None,
    device: str = "auto",
    jobs: int = 1,
    limits: Limits = DEFAULT_LIMITS,
) -> "Picture":
    """Decodes a file with its metadata; arguments and errors as for `decode`."""
    from inrcodec.pictures.files import Picture

    container = unpack(data, limits)
    pixels = _decode(container, scale, size, crop, codebook, device, jobs, limits)
    blocks = {
        name: decompress(container.sections[name], limits.max_metadata_bytes)
        for name in ("icc", "exif")
        if name in container.sections
    }
    return Picture(pixels, blocks.get("icc"), blocks.get("exif"))


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
        quality=round(quality_of_step(c.step), 2),
        quantiser_step=c.step / 2**FRACTION,
        entropy=c.entropy,
        tiles=len(c.tiles),
        has_alpha=alpha,
        icc_bytes=len(c.sections.get("icc", b"")),
        exif_bytes=len(c.sections.get("exif", b"")),
        file_bytes=len(data),
        bpp=8 * len(data) / (c.width * c.height),
    )


def _picture_parts(
    image: Any, icc: bytes | None, exif: bytes | None
) -> tuple[Pixels, bytes | None, bytes | None]:
    """(H, W, C) uint8 pixels and metadata of whatever `encode` accepts."""
    if not isinstance(image, np.ndarray):
        from PIL import Image

        from inrcodec.pictures.files import Picture, from_pil

        if not isinstance(image, Image.Image | Picture):
            raise InputError(f"expected an array, a Pillow image or a Picture, got {type(image).__name__}")
        picture = image if isinstance(image, Picture) else from_pil(image)
        return picture.pixels, icc or picture.icc, exif or picture.exif
    pixels = image[:, :, None] if image.ndim == 2 else image
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or not pixels.size:
        raise InputError(f"expected a uint8 picture with 1 to 4 channels, got {image.dtype} {image.shape}")
    return pixels, icc, exif.removeprefix(b"Exif\0\0") if exif else None


def _deflate_alpha(alpha: Pixels) -> bytes:
    """Differences to the left neighbour, modulo 256, in a zstd frame."""
    difference = np.diff(alpha, axis=1, prepend=np.uint8(0))
    return compress(difference.tobytes())


def _inflate_alpha(container: Container) -> Pixels:
    count = container.width * container.height
    body = decompress(container.sections["alpha"], count)
    if len(body) != count:
        raise FormatError("the alpha section is truncated")
    difference = np.frombuffer(body, np.uint8).reshape(container.height, container.width)
    return np.cumsum(difference, axis=1, dtype=np.uint8)


def _scaled_alpha(alpha: Pixels, region: tuple[int, int, int, int], size: tuple[int, int]) -> Pixels:
    """A region (x, y, width, height) of the alpha channel, resampled to (width, height)."""
    x, y, width, height = region
    if size == (width, height):
        return alpha[y : y + height, x : x + width]
    from PIL import Image

    box = (x, y, x + width, y + height)
    return np.asarray(Image.fromarray(alpha).resize(size, Image.Resampling.BICUBIC, box))
