"""From what an image file holds to the four native layouts: L, LA, RGB, RGBA at 8 bits."""

import io
from itertools import product

from PIL import Image, ImageChops, ImageCms

from inrcodec.errors import InputError
from inrcodec.pictures.bit_depth import stored_bit_depth

CHANNEL_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_CONVERSIONS = {
    "1": "L",
    "P": "RGB",
    "PA": "RGBA",
    "La": "LA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
    "CMYK": "RGB",
    "LAB": "RGB",
}
_REFUSED = {"F": "floating-point", "I": "deep integer"} | dict.fromkeys(
    ("I;16", "I;16B", "I;16L", "I;16N"), "16-bit"
)
_TIFF_BITS_PER_SAMPLE = 258
_SRGB_TOLERANCE = 1  # levels; the usual sRGB profiles differ from each other by rounding


def check_depth(im: Image.Image) -> None:
    """Refuse modes, and files behind a lazily opened image, with more than 8 bits per sample.

    Raises:
        InputError: the message names the depth.
    """
    if im.mode not in CHANNEL_MODES.values() and im.mode not in _CONVERSIONS:
        kind = _REFUSED.get(im.mode, im.mode)
        raise InputError(f"{kind} images are not supported; convert to 8 bits per channel first")
    depth = 8
    if im.format == "TIFF" and hasattr(im, "tag_v2"):
        depth = max(im.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (1,)))
    elif (stream := getattr(im, "fp", None)) is not None and im.format:
        depth = stored_bit_depth(stream, im.format)
    if depth > 8:
        raise InputError(f"{depth}-bit images are not supported; convert to 8 bits per channel first")


def to_native_mode(im: Image.Image) -> Image.Image:
    """Bring an image of a mode that `check_depth` accepts to L, LA, RGB or RGBA."""
    if im.mode in ("CMYK", "LAB"):
        return _to_srgb(im)
    mode = _CONVERSIONS.get(im.mode, im.mode)
    if im.has_transparency_data and mode in ("L", "RGB"):
        mode += "A"
    return im if mode == im.mode else im.convert(mode)


def _to_srgb(im: Image.Image) -> Image.Image:
    """Convert CMYK by its own profile where it has a usable one, and Lab by definition."""
    srgb = ImageCms.createProfile("sRGB")
    if im.mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), srgb, "LAB", "RGB")
        return transform.apply(im)
    profile = im.info.get("icc_profile") or b""
    if profile[16:20] == b"CMYK":
        try:
            return ImageCms.buildTransform(io.BytesIO(profile), srgb, "CMYK", "RGB").apply(im)
        except (ImageCms.PyCMSError, OSError):
            pass  # A broken profile says nothing about the colours: convert as if there were none.
    return im.convert("RGB")


def profile_fits(icc: bytes, channels: int) -> bool:
    """Whether an ICC profile is for 1 to 4 channels (ICC.1:2022, 7.2.6: colour space, byte 16)."""
    return icc[16:20] == (b"GRAY" if channels < 3 else b"RGB ")


def is_srgb(icc: bytes) -> bool:
    """Whether an ICC profile for RGB says what is understood without one: the colours are sRGB.

    Judged by what it does to a grid of colours, not by its name. Such a profile (3 kB in most photos
    that have one) would be a good part of a small file and say nothing. One that cannot be read is none.
    """
    levels = bytes(range(0, 256, 15))
    colours = Image.frombytes(
        "RGB", (len(levels) ** 2, len(levels)), bytes(v for rgb in product(levels, repeat=3) for v in rgb)
    )
    try:
        transform = ImageCms.buildTransform(io.BytesIO(icc), ImageCms.createProfile("sRGB"), "RGB", "RGB")
        changed = ImageChops.difference(transform.apply(colours), colours)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False
    return max(changed.tobytes()) <= _SRGB_TOLERANCE
