"""Which decoder opens an image file."""

import io
import struct
import zlib
from pathlib import PurePath
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from inrcodec.container import MAGIC
from inrcodec.errors import InputError
from inrcodec.limits import Limits
from inrcodec.pictures.jxl_header import SIGNATURES as JXL_SIGNATURES
from inrcodec.pictures.jxl_header import read_header as read_jxl_header
from inrcodec.pictures.png_chunks import SIGNATURE as PNG_SIGNATURE
from inrcodec.pictures.png_chunks import without_metadata

# A closed list: EPS starts Ghostscript, and formats that nobody photographs in only add attack surface.
# Pillow opens multi-picture JPEG (MPO) through JPEG.
_READABLE = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "QOI")
# What Pillow raises on broken files (the list its own fuzzers accept).
PILLOW_ERRORS = (
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
_HEAD_BYTES = 64
_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_PLUGIN_SUFFIXES = (".heic", ".heif", ".hif", ".jxl")
_TGA_FOOTER = b"TRUEVISION-XFILE.\0"
_TGA_SUFFIXES = frozenset((".tga", ".icb", ".vda", ".vst"))


def readable_suffixes() -> frozenset[str]:
    """What names of files in the formats that can be opened end in, in lower case, with the dot."""
    names = {*_READABLE, "MPO"}
    known = (suffix for suffix, name in Image.registered_extensions().items() if name in names)
    return frozenset((*known, *_TGA_SUFFIXES, *_PLUGIN_SUFFIXES))


def open_image(stream: BinaryIO, limits: Limits) -> Image.Image:
    """Open an image file; pixels are decoded later.

    Args:
        stream: seekable, at its beginning; its name tells files that have no signature.
        limits: bounds on the picture and its metadata.

    Raises:
        InputError: it is empty, no image, or the decoder is missing.
        LimitError: larger than `limits` allow.
        Exception: what Pillow raises on broken files.
    """
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    if not head:
        raise InputError("the input is empty")
    if head.startswith(MAGIC):
        raise InputError("this is already a .sinr file; use decode")
    if head.startswith(PNG_SIGNATURE):
        data, metadata = without_metadata(stream.read(), limits.max_metadata_bytes)
        im = _opened(io.BytesIO(data), head)
        im.info.update(metadata)
        return im
    if head[4:8] == b"ftyp" and _HEIC_BRANDS & {head[i : i + 4] for i in range(8, len(head), 4)}:
        return _open_heic(stream)
    if head.startswith(JXL_SIGNATURES):
        return _open_jxl(stream, limits)
    if _is_tga(stream):
        return _opened(stream, head, ("TGA",))
    return _opened(stream, head)


def _opened(stream: BinaryIO, head: bytes, formats: tuple[str, ...] = _READABLE) -> Image.Image:
    try:
        return Image.open(stream, formats=formats)
    except UnidentifiedImageError as error:
        for name in _READABLE:
            accept = Image.OPEN[name][1]
            if accept is not None and accept(head) is True:
                raise InputError(f"the image cannot be read: damaged {name}") from error
        raise InputError("not an image, or of a format that is not supported") from error


def _open_heic(stream: BinaryIO) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise InputError("HEIC needs pillow-heif: pip install 'inrcodec[heic]'") from error
    im: Image.Image = HeifImageFile(stream)
    return im


def _open_jxl(stream: BinaryIO, limits: Limits) -> Image.Image:
    try:
        from pillow_jxl.JpegXLImagePlugin import JXLImageFile
    except ImportError as error:
        raise InputError("JPEG XL needs pillow-jxl-plugin: pip install 'inrcodec[jxl]'") from error
    header = read_jxl_header(stream.read())
    limits.check(header.width, header.height)  # The plugin decodes pixels at once.
    if header.animated:
        raise InputError("animated JPEG XL images are not supported; extract one frame first")
    stream.seek(0)
    im: Image.Image = JXLImageFile(stream)
    if header.xmp:
        im.info["xmp"] = header.xmp
    im.info["bit_depth"] = header.bit_depth
    return im


def _is_tga(stream: BinaryIO) -> bool:
    """TGA has no signature: a footer, in files of version 2, or the name of the file tells it."""
    stream.seek(0, io.SEEK_END)
    stream.seek(max(0, stream.tell() - len(_TGA_FOOTER)))
    footer = stream.read()
    stream.seek(0)
    name = getattr(stream, "name", None)
    named = isinstance(name, str) and PurePath(name).suffix.lower() in _TGA_SUFFIXES
    return footer == _TGA_FOOTER or named
