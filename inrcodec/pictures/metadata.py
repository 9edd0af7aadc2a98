"""What travels with the pixels of an image file: colour profile, EXIF, XMP, resolution."""

import re
import warnings
from typing import Any

from PIL import Image

from inrcodec.errors import LimitError, PictureWarning
from inrcodec.limits import Limits
from inrcodec.pictures.color_space import ADOBE_RGB, ColourSpace, coded_colour_space, png_colour_space
from inrcodec.pictures.exif import EMPTY, LAYOUT, clean_exif, resolution, with_resolution
from inrcodec.pictures.opening import PILLOW_ERRORS
from inrcodec.pictures.pixel_formats import is_srgb, profile_fits
from inrcodec.pictures.xmp import clean_xmp

_GAIN_MAP = re.compile(
    rb"hdr-gain-map/1\.0|aux:hdrgainmap|urn:iso:std:iso:ts:21496|infe.{8,12}tmap|\0\0\0.jhgm", re.DOTALL
)
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/"
_CODED = ("PNG", "AVIF", "HEIF")
_EXIF_DIRECTORY, _GPS_DIRECTORY, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
_X_RESOLUTION = 282
_NOT_DESCRIPTIVE = frozenset((274, _X_RESOLUTION, 283, 296))
"""Orientation and resolution."""
_DEFAULT_DPI = 72
"""What a picture without a resolution is taken to have (EXIF 2.3, 4.6.4)."""


def colour_space(im: Image.Image) -> ColourSpace | None:
    """The colour space that a file tells otherwise than by an ICC profile; None for sRGB.

    Args:
        im: just opened, so that the file behind it can be read.

    Raises:
        InputError: one that cannot be kept.
    """
    if im.info.get("icc_profile"):
        return None
    if (data := _file_of(im)) and im.format in _CODED and (found := coded_colour_space(data)):
        return found
    if im.format == "PNG":
        return png_colour_space(im.info)
    if im.format == "JPEG" and _interoperability(im) == "R03":
        return ADOBE_RGB
    return None


def metadata_of(im: Image.Image) -> dict[str, Any]:
    """EXIF, XMP and dots per inch as the file has them, by the names of Pillow; warns of what is left behind.

    Args:
        im: just opened, so that the file behind it can be read.
    """
    found = {name: im.info.get(name) for name in ("exif", "xmp", "dpi")}
    if im.format == "TIFF":
        found["exif"] = _exif_of_tiff(im)
        if _X_RESOLUTION not in getattr(im, "tag_v2", {}):
            found["dpi"] = None  # Pillow's default is 1.
    elif not found["exif"] and (text := im.info.get("Raw profile type exif")):
        found["exif"] = bytes.fromhex("".join(text.split("\n")[3:]))
    if isinstance(found["xmp"], str):
        found["xmp"] = found["xmp"].encode()
    data = _file_of(im)
    for present, name in (
        (data and im.format != "PNG" and _GAIN_MAP.search(data), "its gain map (HDR)"),
        (any(segment[1].startswith(_EXTENDED_XMP) for segment in getattr(im, "applist", ())), "extended XMP"),
        (0x0404 in _photoshop(im), "its IPTC block"),
    ):
        if present:
            _left_out(name)
    return found


def icc_profile(
    im: Image.Image, profile: bytes | None, space: ColourSpace | None, channels: int, limits: Limits
) -> bytes | None:
    """The ICC profile that a picture keeps: none if its colours are sRGB.

    Args:
        im: as opened.
        profile: the file's.
        space: what the file tells otherwise.
        channels: of the picture, 1 to 4.
        limits: bound on the profile.

    Raises:
        LimitError: the profile is larger than `limits` allow.
    """
    if space is not None:
        return space.profile(channels)
    if not profile:
        return None
    if len(profile) > limits.max_metadata_bytes:
        raise LimitError(
            f"the ICC profile of {len(profile)} bytes exceeds the limit of {limits.max_metadata_bytes}"
        )
    if is_srgb(profile):
        return None
    if not profile_fits(profile, channels):
        if im.mode not in ("CMYK", "LAB", "YCbCr"):
            _left_out("an ICC profile for other channels")
        return None
    return profile


def kept_blocks(
    found: dict[str, Any], size: tuple[int, int], limits: Limits
) -> tuple[bytes | None, bytes | None]:
    """The EXIF block and the XMP packet of an upright picture of a size (width, height), within limits."""
    exif = clean_exif(found["exif"], size) if found["exif"] else None
    if found["dpi"] and not (exif and resolution(exif)):
        try:
            dots = x, y = [float(value) for value in found["dpi"]]
            if min(dots) > 0 and [round(value) for value in dots] != [_DEFAULT_DPI] * 2:
                # Files tell dots per metre: 11811 of them are 300 per inch.
                exif = with_resolution(exif or EMPTY, (round(x, 2), round(y, 2)))
        except (ValueError, TypeError, OverflowError):
            pass  # No number, or a broken block, which must not cost the photo.
    xmp = clean_xmp(found["xmp"]) if found["xmp"] else None
    blocks = {"EXIF block": exif, "XMP packet": xmp}
    for name, block in blocks.items():
        if block and len(block) > limits.max_metadata_bytes:
            _left_out(f"its {name} of {len(block)} bytes, above the limit of {limits.max_metadata_bytes},")
            blocks[name] = None
    return blocks["EXIF block"] or None, blocks["XMP packet"] or None


def _left_out(name: str) -> None:
    warnings.warn(PictureWarning(f"{name} is left out"), stacklevel=3)


def _file_of(im: Image.Image) -> bytes:
    """The file behind an image, nothing once it is closed."""
    stream = getattr(im, "fp", None) or getattr(im, "fc", None)  # The JPEG XL plugin keeps the bytes.
    if stream is None or isinstance(stream, bytes):
        return stream or b""
    position = stream.tell()
    stream.seek(0)
    data: bytes = stream.read()
    stream.seek(position)
    return data


def _photoshop(im: Image.Image) -> dict[int, Any]:
    found = im.info.get("photoshop")
    return found if isinstance(found, dict) and im.format in ("JPEG", "MPO") else {}


def _interoperability(im: Image.Image) -> object:
    """Index of the interoperability directory: R03 is how cameras tell Adobe RGB (DCF 2.0, 4.5.3)."""
    try:
        return im.getexif().get_ifd(_INTEROPERABILITY).get(1)
    except PILLOW_ERRORS:
        return None


def _exif_of_tiff(im: Image.Image) -> bytes | None:
    """What describes the picture among the tags of a TIFF file, which is one EXIF block with pixels."""
    exif, kept = im.getexif(), Image.Exif()
    try:
        for tag, value in exif.items():
            if tag not in LAYOUT:
                kept[tag] = value
        for directory in (_EXIF_DIRECTORY, _GPS_DIRECTORY):
            kept.pop(directory, None)
            if inside := dict(exif.get_ifd(directory)):
                if _INTEROPERABILITY in inside:
                    inside[_INTEROPERABILITY] = exif.get_ifd(_INTEROPERABILITY)
                kept[directory] = inside
        return kept.tobytes() if set(kept) - _NOT_DESCRIPTIVE else None
    except PILLOW_ERRORS:
        _left_out("EXIF that cannot be read")
        return None
