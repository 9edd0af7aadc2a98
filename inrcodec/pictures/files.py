"""Image files to 8-bit arrays and back, through Pillow.

Pixels come out as they are meant to be seen: orientation applied, palettes expanded, CMYK, YCbCr and Lab
turned into RGB. What 8 bits cannot hold (deep samples, floats) is refused unless it is asked for, never cut.
What else cannot be kept is told by a `PictureWarning`.
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin

from inrcodec.errors import EncodeError, InputError, LimitError, PictureWarning
from inrcodec.limits import DEFAULT_LIMITS, Limits
from inrcodec.pictures.exif import BYTE, EMPTY, LONG, UNDEFINED, clean_exif, resolution, with_entries
from inrcodec.pictures.metadata import colour_space, icc_profile, kept_blocks, metadata_of
from inrcodec.pictures.opening import PILLOW_ERRORS, open_image
from inrcodec.pictures.picture import Picture
from inrcodec.pictures.pixel_formats import check_samples, to_native_mode
from inrcodec.pictures.xmp import clean_xmp

_JPEG_SEGMENT = 65533
_JPEG_XMP_PREFIX = 29
_JPEG_END = b"\xff\xd9"
_TIFF_XMP, _TIFF_ICC, _TIFF_STRIPS = 700, 34675, 273


@dataclass(frozen=True)
class _Writer:
    """How one output format is written: Pillow's name, whether it keeps alpha and metadata, its options."""

    name: str
    alpha: bool
    options: dict[str, object]
    metadata: bool = True


# Lossy writers are set to lose little: the pixels were already coded once.
_PNG = _Writer("PNG", True, {})
_JPEG = _Writer("JPEG", False, {"quality": 95, "subsampling": 0, "optimize": True})
_TIFF = _Writer("TIFF", True, {"compression": "tiff_adobe_deflate"})
_PPM = _Writer("PPM", False, {}, metadata=False)
_WRITERS = {
    "png": _PNG,
    "jpg": _JPEG,
    "jpeg": _JPEG,
    "webp": _Writer("WEBP", True, {"lossless": True}),
    "tif": _TIFF,
    "tiff": _TIFF,
    "bmp": _Writer("BMP", False, {}, metadata=False),
    "ppm": _PPM,
    "pgm": _PPM,
    "pnm": _PPM,
}
OUTPUT_FORMATS = tuple(_WRITERS)


def read_picture(
    source: str | Path | BinaryIO | bytes | bytearray | memoryview,
    limits: Limits = DEFAULT_LIMITS,
    *,
    frame: int | None = None,
    depth: int | None = None,
    lenient: bool = False,
) -> Picture:
    """Read an image file; its size is checked before pixels are decoded.

    Args:
        source: path, binary stream (read from its position to its end if it cannot seek), or file content.
        limits: bounds on the picture and its metadata. Pillow's own `Image.MAX_IMAGE_PIXELS` applies too.
        frame: which one of several frames or pages, from 1.
        depth: 8 to convert samples of up to 16 bits: deep grey is rounded; of deep colours the upper 8 bits
            are taken (PNG, TIFF), or what the decoder of the format makes of them.
        lenient: read a truncated JPEG as far as it goes.

    Raises:
        InputError: not a readable image, deeper than 8 bits, or several frames and none chosen.
        LimitError: larger than `limits` (or Pillow's limit) allow.
        OSError: `source` is a path that cannot be opened.
        ValueError: `depth` is neither 8 nor None.
    """
    if depth not in (8, None):
        raise ValueError("depth must be 8")
    if isinstance(source, str | Path):
        with Path(source).open("rb") as stream:
            return read_picture(stream, limits, frame=frame, depth=depth, lenient=lenient)
    if isinstance(source, bytes | bytearray | memoryview):
        source = io.BytesIO(bytes(source))
    elif not source.seekable():
        source = io.BytesIO(source.read())
    try:
        with open_image(source, limits) as im:
            truncated = lenient and im.format in ("JPEG", "MPO") and _is_truncated(im)
            if not truncated:
                _choose_frame(im, frame)
                return _converted(im, limits, depth)
        warnings.warn(PictureWarning("the JPEG is truncated: what is missing is grey"), stacklevel=2)
        source.seek(0)
        # What Pillow itself does where it is told to load truncated images, in the whole process.
        with Image.open(io.BytesIO(source.read() + _JPEG_END), formats=("JPEG",)) as im:
            return _converted(im, limits, depth)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise LimitError(str(exc)) from exc
    except PILLOW_ERRORS as exc:
        raise InputError(f"the image cannot be read: {_one_line(exc)}") from exc


def from_pil(im: Image.Image, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Convert a Pillow image (its current frame).

    The stored depth can be checked only while the file behind `im` is open, that is, before its pixels
    are loaded: afterwards Pillow has already cut 16-bit colour to 8 bits.

    Raises:
        InputError: a mode or stored depth that 8 bits cannot hold.
        LimitError: larger than `limits` allow.
    """
    return _converted(im, limits, None)


def _is_truncated(im: Image.Image) -> bool:
    try:
        im.load()
    except OSError as error:
        return "truncated" in str(error)
    return False


def _choose_frame(im: Image.Image, frame: int | None) -> None:
    """Go to a frame, counted from 1.

    Raises:
        InputError: there is no such frame, or a choice is needed.
    """
    # The secondary pictures of a multi-picture JPEG are previews, depth or gain maps; those of HEIC, too, or
    # a burst, and its primary one is known.
    count = getattr(im, "n_frames", 1)
    if frame is None:
        if count > 1 and im.format not in ("MPO", "HEIF"):
            raise InputError(f"it has {count} frames or pages; choose one (--page N, frame=N)")
        return
    if not 1 <= frame <= count:
        raise InputError(f"there is no frame or page {frame}: it has {count}")
    im.seek(frame - 1)


def _converted(im: Image.Image, limits: Limits, depth: int | None) -> Picture:
    limits.check(*im.size)
    bits = check_samples(im, convert=depth == 8)
    found, space = metadata_of(im), colour_space(im)
    im.load()
    profile = im.info.get("icc_profile")
    upright = to_native_mode(im, bits)
    upright.info = im.info
    # JPEG XL files are turned by their decoder, whatever their EXIF says, unless they stand for a JPEG.
    if im.format != "JXL" or getattr(im, "jpeg", False):
        try:
            # TIFF is turned by Pillow on load, everything else here.
            upright = ImageOps.exif_transpose(upright)
        except PILLOW_ERRORS:
            found["exif"] = None  # A broken EXIF block must not cost the photo.
            warnings.warn(PictureWarning("a broken EXIF block is left out"), stacklevel=3)
    pixels = np.array(upright, dtype=np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    icc = icc_profile(im, profile, space, pixels.shape[2], limits)
    return Picture(pixels, icc, *kept_blocks(found, upright.size, limits))


def write_picture(
    picture: Picture,
    target: str | Path | BinaryIO,
    file_format: str | None = None,
    *,
    background: tuple[int, int, int] | None = None,
) -> None:
    """Write an image file; profile, EXIF and XMP go along where the format holds them (not BMP and PPM).

    Args:
        picture: what to write.
        target: path or binary stream.
        file_format: one of `OUTPUT_FORMATS`; by default the extension of the path decides, and a stream
            gets PNG.
        background: red, green and blue, 0 to 255, in the colour space of the picture: alpha is laid over it.

    Raises:
        EncodeError: the format is unknown, or cannot hold this picture.
        OSError: the path cannot be written.
    """
    if isinstance(target, str):
        target = Path(target)
    kind = file_format or (target.suffix.lstrip(".") if isinstance(target, Path) else "png")
    encoded = picture_bytes(picture, kind, background=background)
    if isinstance(target, Path):
        target.write_bytes(encoded)
    else:
        target.write(encoded)


def picture_bytes(
    picture: Picture, file_format: str, *, background: tuple[int, int, int] | None = None
) -> bytes:
    """The bytes of an image file, as `write_picture` writes them.

    Args:
        picture: what it holds.
        file_format: one of `OUTPUT_FORMATS`.
        background: as for `write_picture`.

    Raises:
        EncodeError: the format is unknown, or cannot hold this picture.
    """
    writer = _writer_for(file_format)
    pixels = picture.pixels
    if picture.alpha is not None and background is not None:
        pixels = _over(picture.colour, picture.alpha, background)
    elif picture.alpha is not None and not writer.alpha:
        raise EncodeError(
            f"{writer.name} cannot hold an alpha channel; choose png, webp or tiff, or a --background"
        )
    height, width, channels = pixels.shape
    im = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if channels == 1 else pixels))
    exif = clean_exif(picture.exif, (width, height)) if picture.exif else None
    xmp = clean_xmp(picture.xmp) if picture.xmp else None
    # Into memory: Pillow also reports a picture that the format cannot hold as OSError, and that must not be
    # mistaken for a full disk.
    try:
        return _encoded(im, writer, picture.icc, exif, xmp)
    except PILLOW_ERRORS as exc:
        raise EncodeError(f"cannot be written as {writer.name}: {_one_line(exc)}") from exc


def _encoded(
    im: Image.Image, writer: _Writer, icc: bytes | None, exif: bytes | None, xmp: bytes | None
) -> bytes:
    """The file, and a warning for each block of metadata that it cannot hold."""
    options = dict(writer.options)
    out = io.BytesIO()
    blocks = {"the colour profile": icc, "EXIF": exif, "XMP": xmp}
    sizes = {"EXIF": _JPEG_SEGMENT - len(b"Exif\0\0"), "XMP": _JPEG_SEGMENT - _JPEG_XMP_PREFIX}
    for name, block in blocks.items():
        if block and not writer.metadata:
            warnings.warn(PictureWarning(f"{writer.name} cannot hold {name}: it is left out"), stacklevel=3)
        elif block and writer is _JPEG and len(block) > sizes.get(name, len(block)):
            warnings.warn(
                PictureWarning(f"{name} of {len(block)} bytes is too long for JPEG: it is left out"),
                stacklevel=3,
            )
            blocks[name] = None
    if writer.metadata:
        icc, exif, xmp = blocks.values()
        if writer is _TIFF:
            return _tiff(im, options, icc, exif, xmp)
        options["icc_profile"] = icc
        if exif:
            options["exif"] = b"Exif\0\0" + exif
            if dots := resolution(exif):
                options["dpi"] = dots
        if xmp and writer is _PNG:
            text = PngImagePlugin.PngInfo()
            text.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
            options["pnginfo"] = text
        elif xmp:
            options["xmp"] = xmp
    im.save(out, writer.name, **options)
    return out.getvalue()


def _tiff(
    im: Image.Image, options: dict[str, object], icc: bytes | None, exif: bytes | None, xmp: bytes | None
) -> bytes:
    """A TIFF file with metadata.

    Libtiff cannot write the directories of EXIF. So the file begins with the EXIF block, a TIFF file without
    pixels, and a new first directory has its entries and those of the pixels, which follow.
    """
    plain = io.BytesIO()
    im.save(plain, "TIFF", **options)
    plain.seek(0)
    with TiffImagePlugin.TiffImageFile(plain) as written:
        tags = written.tag_v2
        entries = {tag: (tags.tagtype[tag], np.atleast_1d(tags[tag]).tolist()) for tag in tags}
    entries |= {_TIFF_ICC: (UNDEFINED, icc)} if icc else {}
    entries |= {_TIFF_XMP: (BYTE, xmp)} if xmp else {}

    def after(head: bytes) -> bytes:
        head += bytes(len(head) % 2)
        strips = [offset + len(head) for offset in entries[_TIFF_STRIPS][1]]
        return with_entries(head, entries | {_TIFF_STRIPS: (LONG, strips)}, plain.getvalue())

    try:
        return after(exif or EMPTY)
    except ValueError:
        warnings.warn(PictureWarning("a broken EXIF block is left out"), stacklevel=4)
        return after(EMPTY)


def _over(
    colour: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8], background: tuple[int, int, int]
) -> npt.NDArray[np.uint8]:
    """(H, W, 1 or 3) pixels laid over a colour by their alpha, (H, W); grey stays so where both are."""
    share = alpha[:, :, None].astype(np.uint32)
    below = np.array(background, np.uint32)
    if colour.shape[2] == 1 and len(set(background)) == 1:
        below = below[:1]
    mixed = colour.astype(np.uint32) * share + below * (255 - share)
    result: npt.NDArray[np.uint8] = ((mixed + 127) // 255).astype(np.uint8)
    return result


def _writer_for(file_format: str) -> _Writer:
    """The writer of a format name or extension (without dot, any case).

    Raises:
        EncodeError: no such output format.
    """
    writer = _WRITERS.get(file_format.lower())
    if writer is None:
        raise EncodeError(f"unknown output format {file_format!r}; choose one of {', '.join(_WRITERS)}")
    return writer


def _one_line(exc: BaseException) -> str:
    """The message of an exception as one line."""
    return " ".join(str(exc).split()) or type(exc).__name__
