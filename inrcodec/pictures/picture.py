"""An 8-bit picture in memory."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inrcodec.errors import InputError

CHANNELS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Picture:
    r"""An 8-bit picture and the metadata that travels with it.

    Attributes:
        pixels: (H, W, C) uint8; C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA; alpha is not premultiplied.
        icc: ICC profile that describes the pixels, or None.
        exif: EXIF block without the `Exif\0\0` prefix, or None.
        xmp: XMP packet, or None.
    """

    pixels: npt.NDArray[np.uint8]
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what is not an 8-bit picture.

        Raises:
            InputError: wrong dtype, shape or channel count, or no pixels.
        """
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8:
            raise InputError(f"pixels must be uint8, not {self.pixels.dtype}")
        if len(shape) != 3 or shape[2] not in CHANNELS:
            raise InputError(f"pixels must have shape (height, width, 1 to 4 channels), not {shape}")
        if 0 in shape:
            raise InputError("the image has no pixels")

    @property
    def colour(self) -> npt.NDArray[np.uint8]:
        """(H, W, 1 or 3) uint8 pixels without alpha."""
        return self.pixels if self.alpha is None else self.pixels[:, :, :-1]

    @property
    def alpha(self) -> npt.NDArray[np.uint8] | None:
        """(H, W) uint8, or None without an alpha channel."""
        return self.pixels[:, :, -1] if self.pixels.shape[2] in (2, 4) else None

    @property
    def visible(self) -> npt.NDArray[np.bool_] | None:
        """(H, W) bool, which pixels are not fully transparent; None without an alpha channel."""
        return None if self.alpha is None else self.alpha > 0
