"""Image files to 8-bit arrays and back, through Pillow.

Pixels come out as they are meant to be seen: orientation applied, palettes expanded, CMYK, YCbCr and Lab
turned into RGB. What 8 bits cannot hold (deep samples, floats, several frames) is refused, never cut.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from inrcodec.container import MAGIC
from inrcodec.errors import EncodeError, InputError, LimitError
from inrcodec.limits import DEFAULT_LIMITS, Limits
from inrcodec.pictures.exif import clean_exif
from inrcodec.pictures.picture import Picture
from inrcodec.pictures.pixel_formats import check_depth, is_srgb, profile_fits, to_native_mode

# A closed list: EPS starts Ghostscript, and formats that nobody photographs in only add attack surface.
# Pillow opens multi-picture JPEG (MPO) through JPEG.
_READABLE = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "QOI")

# What Pillow raises on broken files (the list its own fuzzers accept).
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class _Writer:
    """How one output format is written: Pillow's name, whether it keeps alpha, and its options."""

    name: str
    alpha: bool
    options: dict[str, object]


# Lossy writers are set to lose little: the pixels were already coded once.
_PNG = _Writer("PNG", True, {})
_JPEG = _Writer("JPEG", False, {"quality": 95, "subsampling": 0, "optimize": True})
_TIFF = _Writer("TIFF", True, {"compression": "tiff_adobe_deflate"})
_PPM = _Writer("PPM", False, {})
_WRITERS = {
    "png": _PNG,
    "jpg": _JPEG,
    "jpeg": _JPEG,
    "webp": _Writer("WEBP", True, {"lossless": True}),
    "tif": _TIFF,
    "tiff": _TIFF,
    "bmp": _Writer("BMP", False, {}),
    "ppm": _PPM,
    "pgm": _PPM,
    "pnm": _PPM,
}
OUTPUT_FORMATS = tuple(_WRITERS)


def readable_suffixes() -> frozenset[str]:
    """What names of files in the formats that `read_picture` reads end in, in lower case, with the dot."""
    names = {*_READABLE, "MPO"}
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in names)


def read_picture(
    source: str | Path | BinaryIO | bytes | bytearray | memoryview, limits: Limits = DEFAULT_LIMITS
) -> Picture:
    """Read an image file; its size is checked before pixels are decoded.

    Args:
        source: path, binary stream (read from its position to its end if it cannot seek), or file content.
        limits: bounds on the picture and its metadata. Pillow's own `Image.MAX_IMAGE_PIXELS` applies too.

    Raises:
        InputError: not a readable image, deeper than 8 bits, or more than one frame.
        LimitError: larger than `limits` (or Pillow's limit) allow.
        OSError: `source` is a path that cannot be opened.
    """
    if isinstance(source, str | Path):
        with Path(source).open("rb") as stream:
            return read_picture(stream, limits)
    if isinstance(source, bytes | bytearray | memoryview):
        source = io.BytesIO(bytes(source))
    elif not source.seekable():
        source = io.BytesIO(source.read())
    start = source.read(len(MAGIC))
    source.seek(0)
    if not start:
        raise InputError("the input is empty")
    if start == MAGIC:
        raise InputError("this is already a .sinr file; use decode")
    try:
        with Image.open(source, formats=_READABLE) as im:
            # The secondary pictures of a multi-picture JPEG are previews and depth or gain maps.
            if getattr(im, "is_animated", False) and im.format != "MPO":
                raise InputError("animated and multi-page images are not supported; extract one frame first")
            return from_pil(im, limits)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise LimitError(str(exc)) from exc
    except UnidentifiedImageError as exc:
        raise InputError("not an image, or of a format that is not supported") from exc
    except _PILLOW_ERRORS as exc:
        raise InputError(f"the image cannot be read: {_one_line(exc)}") from exc


def from_pil(im: Image.Image, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Convert a Pillow image (its current frame).

    The stored depth can be checked only while the file behind `im` is open, that is, before its pixels
    are loaded: afterwards Pillow has already cut 16-bit colour to 8 bits.

    Raises:
        InputError: a mode or stored depth that 8 bits cannot hold.
        LimitError: larger than `limits` allow.
    """
    limits.check(*im.size)
    check_depth(im)
    im.load()
    # TIFF is turned by Pillow on load, everything else here; either way the mark must not survive.
    icc, exif = im.info.get("icc_profile"), im.info.get("exif")
    try:
        upright = ImageOps.exif_transpose(im)
    except _PILLOW_ERRORS:
        upright, exif = im, None  # A broken EXIF block must not cost the photo.
    im = to_native_mode(upright)
    pixels = np.array(im, dtype=np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    icc = _metadata("ICC profile", icc, limits)
    if icc and (not profile_fits(icc, pixels.shape[2]) or is_srgb(icc)):
        icc = None
    return Picture(
        pixels,
        icc,
        _metadata("EXIF block", clean_exif(exif) if exif else None, limits),
    )


def write_picture(picture: Picture, target: str | Path | BinaryIO, file_format: str | None = None) -> None:
    """Write an image file; profile and EXIF go along where the format holds them (not BMP and PPM).

    Args:
        picture: what to write.
        target: path or binary stream.
        file_format: one of `OUTPUT_FORMATS`; by default the extension of the path decides, and a stream
            gets PNG.

    Raises:
        EncodeError: the format is unknown, or cannot hold this picture.
        OSError: the path cannot be written.
    """
    if isinstance(target, str):
        target = Path(target)
    writer = _writer_for(file_format or (target.suffix.lstrip(".") if isinstance(target, Path) else "png"))
    channels = picture.pixels.shape[2]
    if channels in (2, 4) and not writer.alpha:
        raise EncodeError(f"{writer.name} cannot hold an alpha channel; choose png, webp or tiff")
    pixels = picture.pixels[:, :, 0] if channels == 1 else picture.pixels
    im = Image.fromarray(np.ascontiguousarray(pixels))
    options = dict(writer.options)
    if picture.icc:
        options["icc_profile"] = picture.icc
    if picture.exif:
        options["exif"] = b"Exif\0\0" + picture.exif
    # Into memory first: Pillow also reports a picture that the format cannot hold as OSError, and that
    # must not be mistaken for a full disk.
    encoded = io.BytesIO()
    try:
        im.save(encoded, writer.name, **options)
    except _PILLOW_ERRORS as exc:
        raise EncodeError(f"cannot be written as {writer.name}: {_one_line(exc)}") from exc
    if isinstance(target, Path):
        target.write_bytes(encoded.getvalue())
    else:
        target.write(encoded.getvalue())


def _writer_for(file_format: str) -> _Writer:
    """The writer of a format name or extension (without dot, any case).

    Raises:
        EncodeError: no such output format.
    """
    writer = _WRITERS.get(file_format.lower())
    if writer is None:
        raise EncodeError(f"unknown output format {file_format!r}; choose one of {', '.join(_WRITERS)}")
    return writer


def _metadata(name: str, data: bytes | None, limits: Limits) -> bytes | None:
    """The block if there is one, within its limit."""
    if data and len(data) > limits.max_metadata_bytes:
        raise LimitError(f"the {name} of {len(data)} bytes exceeds the limit of {limits.max_metadata_bytes}")
    return data or None


def _one_line(exc: BaseException) -> str:
    """The message of an exception as one line."""
    return " ".join(str(exc).split()) or type(exc).__name__
