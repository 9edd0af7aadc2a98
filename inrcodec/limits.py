"""Limits that are checked before anything is allocated."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Upper bounds for untrusted input.

    Attributes:
        max_pixels: pixels of a picture, stored or rendered (default 2**28, about 268 megapixels).
        max_side: width or height in pixels (default 65535, the format's own bound).
        max_metadata_bytes: bytes of one ICC or EXIF section after decompression.
    """

    max_pixels: int = 2**28
    max_side: int = 65535
    max_metadata_bytes: int = 2**22


DEFAULT_LIMITS = Limits()
