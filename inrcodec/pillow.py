"""A Pillow plugin: .sinr files for `Image.open`, `Image.save`, and whatever reads images through Pillow.

    import inrcodec.pillow

    inrcodec.pillow.register()

Pillow looks for no plugins of other packages: each program has to register this one.
"""

from dataclasses import replace
from typing import IO, Any, cast

import numpy as np
from PIL import Image, ImageFile

from inrcodec.codec import decode_picture, encode, inspect, metadata
from inrcodec.container import MAGIC
from inrcodec.decoding.view import View
from inrcodec.errors import InrCodecError
from inrcodec.limits import Limits
from inrcodec.pictures.files import from_pil
from inrcodec.pictures.pixel_formats import CHANNEL_MODES

FORMAT = "SINR"
MIME_TYPE = "image/x-sinr"

_LIMITS = Limits(max_pixels=65535**2)
"""Pillow has a limit of its own for pixels, `Image.MAX_IMAGE_PIXELS`, and whoever raises it means it."""

_EXIF_PREFIX = b"Exif\0\0"
_OPTIONS = ("quality", "bpp", "psnr", "max_bytes", "tune", "effort")


def register() -> None:
    """Teach Pillow to open and save .sinr files; a second call changes nothing.

    `Image.open` reads header and metadata; pixels are decoded when they are needed. `Image.draft(None, size)`
    makes that the smallest picture of the same shape that covers `size`; `Image.thumbnail` calls it. Whatever
    is wrong with a file raises OSError, as with other formats.

    `Image.save` takes `quality`, `bpp`, `psnr`, `max_bytes`, `tune` and `effort` of `inrcodec.encode`, and
    `icc_profile` and `xmp` (bytes) and `exif` (bytes or `Image.Exif`) in place of those of the image; None or
    b"" leave them out. As everywhere in this package, an orientation in EXIF is applied to pixels. An image
    that the format cannot hold raises OSError, and a wrong option ValueError.
    """
    Image.register_open(FORMAT, SinrImageFile, _is_sinr)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, ".sinr")
    Image.register_mime(FORMAT, MIME_TYPE)


class SinrImageFile(ImageFile.ImageFile):
    """An opened .sinr file; `info` holds its `icc_profile`, `exif` and `xmp`."""

    format = FORMAT
    format_description = "inrcodec image"

    def _open(self) -> None:
        self._data = cast(IO[bytes], self.fp).read()
        try:
            header = inspect(self._data, limits=_LIMITS)
            blocks = metadata(self._data, limits=_LIMITS)
        except InrCodecError as error:
            raise OSError(str(error)) from error
        self._whole = header.width, header.height
        self._mode = CHANNEL_MODES[header.channels]
        self._render_at(self._whole)
        if "icc" in blocks:
            self.info["icc_profile"] = blocks["icc"]
        if "exif" in blocks:
            self.info["exif"] = _EXIF_PREFIX + blocks["exif"]
        if "xmp" in blocks:
            self.info["xmp"] = blocks["xmp"]

    def _render_at(self, size: tuple[int, int]) -> None:
        self._size = size
        # As in any Pillow plugin, a tile is what is left to load; its codec is not used.
        self.tile = [ImageFile._Tile("raw", (0, 0, *size))]

    def draft(
        self, mode: str | None, size: tuple[int, int] | None
    ) -> tuple[str, tuple[int, int, float, float]] | None:
        """Decode at a smaller scale, if the pixels have not been loaded.

        Args:
            mode: ignored; the mode stays.
            size: width and height to cover.

        Returns:
            Mode, and (0, 0, width, height) of the whole picture at the new size; None if nothing changes.
        """
        if not self.tile or size is None:
            return None
        width, height = self._whole
        across, down = (max(1, length) for length in size)
        smaller = max(across, -(-down * width // height)), max(down, -(-across * height // width))
        if smaller[0] >= self.width or smaller[1] >= self.height:
            return None
        self._render_at(smaller)
        return self.mode, (0, 0, *smaller)

    def load(self) -> Any:
        """Decode, if that has not been done.

        Raises:
            OSError: the file is damaged, or needs a codebook that is not installed.
        """
        if self.tile:
            try:
                pixels = decode_picture(self._data, View(size=self.size), limits=_LIMITS).pixels
            except InrCodecError as error:
                raise OSError(str(error)) from error
            decoded = Image.fromarray(np.squeeze(pixels, 2) if pixels.shape[2] == 1 else pixels)
            self.im, self.readonly = decoded.im, decoded.readonly
            self.tile, self._data = [], b""
            if self._exclusive_fp and self.fp:
                self.fp.close()
            self.fp = None
        return super().load()


def _is_sinr(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def _save(im: Image.Image, fp: IO[bytes], _filename: str | bytes) -> None:
    given = im.encoderinfo
    options = {name: given[name] for name in _OPTIONS if name in given}
    exif = given.get("exif")
    source = im.copy()
    if exif:
        # Before the picture is turned: what is given describes the image as it is.
        source.info["exif"] = exif.tobytes() if isinstance(exif, Image.Exif) else exif
    if icc := given.get("icc_profile"):
        source.info["icc_profile"] = icc
    if "xmp" in given:
        source.info["xmp"] = given["xmp"]
    try:
        picture = from_pil(source)
        if "exif" in given and not exif:
            picture = replace(picture, exif=None)
        if "icc_profile" in given and not icc:
            picture = replace(picture, icc=None)
        fp.write(encode(picture, **options))
    except InrCodecError as error:
        raise OSError(f"cannot write as {FORMAT}: {error}") from error
