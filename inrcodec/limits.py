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
        max_decoded_pixels: pixels that are decoded for a view, which bounds the time it takes: all of the
            tiles (1024 x 1024, padded to multiples of 32) that it touches, however little of them it shows.
            The default, 2**29, lets through every picture that the other defaults do; lower it to show
            regions of large pictures in bounded time. SECURITY.md has seconds per megapixel.
    """

    max_pixels: int = 2**28
    max_side: int = 65535
    max_metadata_bytes: int = 2**22
    max_file_bytes: int = 2**30
    max_decoded_pixels: int = 2**29

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

    def check_work(self, pixels: int) -> None:
        """Refuse a view that takes too much.

        Args:
            pixels: of all tiles that would be decoded, padded.

        Raises:
            LimitError: these are more than `max_decoded_pixels`.
        """
        if pixels > self.max_decoded_pixels:
            raise LimitError(
                f"the view takes {pixels} pixels of tiles; the limit is {self.max_decoded_pixels}"
            )


DEFAULT_LIMITS = Limits()
