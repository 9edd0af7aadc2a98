"""From what an image file holds to the four native layouts: L, LA, RGB, RGBA at 8 bits."""

import io
import warnings
from itertools import product

import numpy as np
from PIL import Image, ImageChops, ImageCms

from inrcodec.errors import InputError, PictureWarning
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
_REFUSED = {"F": "floating-point", "I": "deep integer"}
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_TIFF_BITS_PER_SAMPLE, _TIFF_PHOTOMETRIC, _TIFF_SAMPLES, _TIFF_SAMPLE_FORMAT = 258, 262, 277, 339
_TIFF_SIGNED = 2
_SRGB_TOLERANCE = 1  # levels; the usual sRGB profiles differ from each other by rounding


def check_samples(im: Image.Image, *, convert: bool = False) -> int:
    """Refuse samples, also those of the file behind a lazily opened image, that 8 bits cannot hold.

    Args:
        im: just opened.
        convert: whether up to 16 bits may become 8.

    Returns:
        Bits per sample, 8 for fewer.

    Raises:
        InputError: the message names what they are.
    """
    tags = im.tag_v2 if im.format == "TIFF" and hasattr(im, "tag_v2") else {}
    if _TIFF_SIGNED in tags.get(_TIFF_SAMPLE_FORMAT, ()):
        raise InputError("images of signed samples are not supported; convert to 8 bits per channel first")
    from_netpbm = im.mode == "I" and im.format == "PPM"  # Pillow makes 16 bits of any depth.
    known = im.mode in CHANNEL_MODES.values() or im.mode in _CONVERSIONS
    if not known and im.mode not in _SIXTEEN_BITS and not from_netpbm:
        kind = _REFUSED.get(im.mode, im.mode)
        raise InputError(f"{kind} images are not supported; convert to 8 bits per channel first")
    depth = 8 if known else 16
    if tags:
        depth = max(tags.get(_TIFF_BITS_PER_SAMPLE, (1,)))
    elif "bit_depth" in im.info:  # of HEIC and JPEG XL, by their plugins
        depth = im.info["bit_depth"]
    elif (stream := getattr(im, "fp", None)) is not None and im.format:
        depth = stored_bit_depth(stream, im.format) if known or from_netpbm else 16
    if depth > 16 or (depth > 8 and not convert):
        remedy = (
            "ask for 8 bits (--depth 8, depth=8)" if depth <= 16 else "convert to 8 bits per channel first"
        )
        raise InputError(f"{depth}-bit images are not supported; {remedy}")
    extra = tags.get(_TIFF_SAMPLES, 1) - len(im.getbands())
    if im.mode == "RGBX":
        extra += 1
    if extra > 0 and im.mode not in ("P", "PA"):
        warnings.warn(
            PictureWarning(f"{extra} extra samples of each pixel, without a meaning, are left out"),
            stacklevel=3,
        )
    return max(depth, 8)


def to_native_mode(im: Image.Image, depth: int) -> Image.Image:
    """Bring an image that `check_samples` accepts to L, LA, RGB or RGBA.

    Args:
        im: the image.
        depth: what `check_samples` returned.
    """
    if im.mode in _SIXTEEN_BITS or im.mode == "I":
        return _rounded(im, depth if im.format == "TIFF" else 16)
    if im.mode in ("CMYK", "LAB"):
        return _to_srgb(im)
    mode = _CONVERSIONS.get(im.mode, im.mode)
    if im.has_transparency_data and mode in ("L", "RGB"):
        mode += "A"
    return im if mode == im.mode else im.convert(mode)


def _rounded(im: Image.Image, depth: int) -> Image.Image:
    """Deep grey as 8 bits; a grey level that stands for transparency becomes alpha."""
    levels, largest = np.array(im).astype(np.int64), (1 << depth) - 1
    if im.format == "TIFF" and hasattr(im, "tag_v2") and im.tag_v2.get(_TIFF_PHOTOMETRIC) == 0:
        levels = largest - levels
    grey = Image.fromarray(np.clip((levels * 255 + largest // 2) // largest, 0, 255).astype(np.uint8))
    key = im.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(((levels != key) * 255).astype(np.uint8)))
    return grey


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
