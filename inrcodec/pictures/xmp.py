"""XMP packets: without what they say about the file that they came from."""

import re

# Written by name space prefix, as all programs do, as an attribute or as an element.
_LAYOUT = (
    rb"tiff:(?:Orientation|Image(?:Width|Length)|BitsPerSample|Compression|PhotometricInterpretation"
    rb"|SamplesPerPixel|PlanarConfiguration|YCbCr\w+)|exif:Pixel[XY]Dimension|(?:xmp|xap):Thumbnails"
    rb"|hdrgm:\w+|xmpNote:HasExtendedXMP"
)
_ATTRIBUTE = re.compile(rb"\s+(?:" + _LAYOUT + rb""")\s*=\s*(?:"[^"]*"|'[^']*')""")
_ELEMENT = re.compile(rb"<(" + _LAYOUT + rb")(?:\s[^>]*)?(?:/>|(?<!/)>.*?</\1\s*>)", re.DOTALL)


def clean_xmp(packet: bytes) -> bytes:
    """The packet for a picture that has been turned upright and is going into another file.

    Orientation, sizes, thumbnails go, and what tells of a gain map or a second packet, which do not come
    along.

    Args:
        packet: XMP in UTF-8; in another encoding it stays as it is.
    """
    return _ELEMENT.sub(b"", _ATTRIBUTE.sub(b"", packet)).rstrip(b"\0")
