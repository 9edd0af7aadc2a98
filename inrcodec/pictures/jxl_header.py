"""What a JPEG XL file says of itself before its pixels (ISO/IEC 18181-1, annex D; 18181-2)."""

from dataclasses import dataclass

from inrcodec.errors import InputError

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
SIGNATURES = (_CODESTREAM, _CONTAINER)

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


@dataclass(frozen=True)
class JxlHeader:
    """The header of a JPEG XL file.

    Attributes:
        width, height: of the picture as it is shown.
        bit_depth: of its colour samples.
        animated: whether there are several frames.
        xmp: the XMP packet, unless it is compressed.
    """

    width: int
    height: int
    bit_depth: int
    animated: bool
    xmp: bytes | None


class _Bits:
    """Bits of a codestream, the least significant of a byte first."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise InputError("the image cannot be read: truncated JPEG XL")
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        return value

    def one_of(self, *choices: tuple[int, int]) -> int:
        """A number by a selector of two bits: an offset and that many more bits."""
        offset, count = choices[self.take(2)]
        return offset + self.take(count)

    def size(self) -> tuple[int, int]:
        """Width and height."""
        lengths = ((1, 9), (1, 13), (1, 18), (1, 30))
        in_eights = self.take(1)

        def length() -> int:
            return 8 * (1 + self.take(5)) if in_eights else self.one_of(*lengths)

        height = length()
        ratio = self.take(3)
        if not ratio:
            return length(), height
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height


def read_header(data: bytes) -> JxlHeader:
    """The header of a file.

    Raises:
        InputError: it has none.
    """
    codestream, xmp = (data, None) if data.startswith(_CODESTREAM) else _unboxed(data)
    if not codestream.startswith(_CODESTREAM):
        raise InputError("the image cannot be read: a JPEG XL file without codestream")
    bits = _Bits(codestream[2:66])
    width, height = bits.size()
    bit_depth, animated = 8, False
    if not bits.take(1):  # not everything at its default
        if bits.take(1):
            if bits.take(3) >= 4:  # EXIF's orientation less 1; from 5 on pictures lie on their sides
                width, height = height, width
            if bits.take(1):
                bits.size()
            if bits.take(1):
                return JxlHeader(width, height, bit_depth, animated, xmp)  # A preview: read no further.
            animated = bool(bits.take(1))
        if not animated:
            floats = bits.take(1)
            bit_depth = (
                bits.one_of((32, 0), (16, 0), (24, 0), (1, 6))
                if floats
                else bits.one_of((8, 0), (10, 0), (12, 0), (1, 6))
            )
    return JxlHeader(width, height, bit_depth, animated, xmp)


def _unboxed(data: bytes) -> tuple[bytes, bytes | None]:
    """The beginning of the codestream in a container, and an XMP packet."""
    codestream, xmp, at = b"", None, 0
    while at + 8 <= len(data):
        length, kind, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if length == 1:
            length, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        end = at + length if length else len(data)
        if end < start:
            break
        if kind == b"jxlc":
            codestream = codestream or data[start:end]
        elif kind == b"jxlp":
            codestream += data[start + 4 : end]
        elif kind == b"xml ":
            xmp = data[start:end]
        at = end
    return codestream, xmp
