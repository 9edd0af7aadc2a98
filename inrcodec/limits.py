"""Limits that are checked before anything is allocated."""

from dataclasses import dataclass

from inrcodec.errors import LimitError


@dataclass(frozen=True)
class Limits:
    """Upper bounds for untrusted input.

    Attributes:
        max_pixels: pixels of a picture, stored or rendered (default 2**28, about 268 megapixels).
        max_side: width or height in pixels (default 65535, the format's own bound).
        max_metadata_bytes: bytes of one ICC, EXIF or XMP section after decompression.
        max_file_bytes: bytes of a file (default 2**30); no picture within the other limits comes near it.
    """

    max_pixels: int = 2**28
    max_side: int = 65535
    max_metadata_bytes: int = 2**22
    max_file_bytes: int = 2**30

    def check(self, width: int, height: int) -> None:
        """Refuse a picture that is too large, stored or rendered.

        Raises:
            LimitError: it has more pixels, or a longer side, than these limits allow.
        """
        if width * height > self.max_pixels or max(width, height) > self.max_side:
            raise LimitError(
                f"a picture of {width} x {height} pixels exceeds the limit of {self.max_pixels} pixels "
                f"and {self.max_side} pixels per side"
            )


DEFAULT_LIMITS = Limits()
