"""The .sinr container: sections of bytes and back. Standard library only; FORMAT.md is its specification."""

import struct
import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

from inrcodec.errors import FormatError, LimitError
from inrcodec.limits import DEFAULT_LIMITS, Limits

MAGIC = b"SINR"
VERSION = 6
TILE = 1024
"""Side of a tile in samples; tiles are coded independently of each other, and restored together."""
ENTROPY = ("rans", "zstd")
SECTIONS = {"alpha": 0, "icc": 1, "exif": 2, "xmp": 7}
"""Optional sections in the order of the file, and the bits of the flags that announce them."""

_ENTROPY_BIT = 3
_GREY_BIT = 4
_WEIGHTED_BIT = 5
_WEAKENED_BIT = 6
_EXTENDED_BIT = 8
_FLAGS = 1 << 14
"""Flags are a number below this."""
_KNOWN_FLAGS = (1 << 9) - 1
_MAGIC_AND_VERSION = struct.Struct("<4sB")
_CODEBOOK_BYTES = 4
_KINDS = 65535
"""Kinds of extensions are numbers up to this."""
_UNKNOWN = "the file uses features this program does not know"
_WEIGHTING = struct.Struct("<4B")
_CRC = struct.Struct("<I")


MAX_ACTIVITY = 15


class Weighting(NamedTuple):
    """How quantiser steps differ from the picture's.

    Attributes:
        luma, chroma: eighths by which the step has grown at the highest frequency, 0 to 255.
        activity: exponent of activity in sixteenths, 0 to MAX_ACTIVITY.
        ratio: factor on the steps of chroma in 64ths, 1 to 255.
    """

    luma: int
    chroma: int
    activity: int
    ratio: int

    @property
    def in_range(self) -> bool:
        """Whether a file can hold it."""
        return all(0 <= value <= 255 for value in self) and self.activity <= MAX_ACTIVITY and self.ratio > 0


FLAT = Weighting(0, 0, 0, 64)
"""Every weight has the picture's step: the least squared error."""

FULL_STRENGTH = 16
"""Strength of restoration at which all of its correction is added."""


@dataclass(frozen=True)
class Container:
    """Content of a .sinr file, entropy-coded parts unread.

    Attributes:
        width, height: pixels, 1 to 65535.
        grey: one plane instead of three.
        step: quantiser step in fixed-point units.
        codebook: id of the codebook.
        entropy: one of `ENTROPY`.
        tiles: one stream per tile, in raster order.
        sections: the optional sections that are there, by name.
        weighting: how the quantiser steps of weights differ from the picture's.
        strength: of restoration, 0 to FULL_STRENGTH.
    """

    width: int
    height: int
    grey: bool
    step: int
    codebook: bytes
    entropy: str
    tiles: tuple[bytes, ...]
    sections: dict[str, bytes] = field(default_factory=dict)
    weighting: Weighting = FLAT
    strength: int = FULL_STRENGTH


def tile_grid(width: int, height: int) -> tuple[int, int]:
    """Tile rows and columns of a picture."""
    return -(-height // TILE), -(-width // TILE)


def write_varint(value: int) -> bytes:
    """LEB128: seven bits per byte, least significant first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Reader:
    """Bounded reading from bytes; every failure is a FormatError."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self.left:
            raise FormatError("the file is truncated")
        self._at += count
        return bytes(self._data[self._at - count : self._at])

    def varint(self, largest: int) -> int:
        """A LEB128 number of at most `largest`, in its shortest form."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            # No number is longer than five bytes, not even one of zeros.
            if value > largest or shift > 28:
                raise FormatError("a number in the file is out of range")
            if byte < 0x80:
                if byte == 0 and shift:
                    raise FormatError("a number in the file is not in its shortest form")
                return value
            shift += 7


def pack(container: Container) -> bytes:
    """Bytes of a .sinr file."""
    flags = sum(1 << bit for name, bit in SECTIONS.items() if name in container.sections)
    flags |= ENTROPY.index(container.entropy) << _ENTROPY_BIT | container.grey << _GREY_BIT
    weighted = container.weighting != FLAT
    weakened = container.strength != FULL_STRENGTH
    flags |= weighted << _WEIGHTED_BIT | weakened << _WEAKENED_BIT
    parts = [_MAGIC_AND_VERSION.pack(MAGIC, VERSION), write_varint(flags), container.codebook]
    parts += [write_varint(n) for n in (container.width, container.height, container.step)]
    if weighted:
        parts.append(_WEIGHTING.pack(*container.weighting))
    if weakened:
        parts.append(bytes([container.strength]))
    for name in SECTIONS:
        if name in container.sections:
            parts += [write_varint(len(container.sections[name])), container.sections[name]]
    # The last tile is what is left: a picture of one tile carries no length.
    for tile in container.tiles[:-1]:
        parts += [write_varint(len(tile)), tile]
    parts.append(container.tiles[-1])
    body = b"".join(parts)
    return body + _CRC.pack(zlib.crc32(body))


def unpack(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Container:
    """Reads a .sinr file.

    Raises:
        TypeError: no bytes.
        FormatError: it is not one, is damaged, or of another version.
        LimitError: the file or the picture is larger than `limits` allow.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"expected the bytes of a .sinr file, got {type(data).__name__}")
    if data[: len(MAGIC)] != MAGIC:
        raise FormatError("not a .sinr file (it does not begin with SINR)")
    if len(data) > limits.max_file_bytes:
        raise LimitError(f"the file exceeds the limit of {limits.max_file_bytes} bytes")
    if len(data) < _MAGIC_AND_VERSION.size + _CRC.size:
        raise FormatError("the file is truncated")
    _, version = _MAGIC_AND_VERSION.unpack_from(data)
    if version != VERSION:
        raise FormatError(f"the file has format version {version}; this program reads version {VERSION}")
    body = data[: -_CRC.size]
    if zlib.crc32(body) != _CRC.unpack_from(data, len(body))[0]:
        raise FormatError("the file is damaged: its checksum does not match")
    reader = Reader(body)
    reader.take(_MAGIC_AND_VERSION.size)
    flags = reader.varint(_FLAGS - 1)
    if flags & ~_KNOWN_FLAGS:
        raise FormatError(_UNKNOWN)
    codebook = reader.take(_CODEBOOK_BYTES)
    width, height = reader.varint(65535), reader.varint(65535)
    step = reader.varint(1 << 13)
    if not width or not height or not step:
        raise FormatError("the file declares an empty picture or a quantiser step of zero")
    limits.check(width, height)
    weighting = _read_weighting(reader) if flags >> _WEIGHTED_BIT & 1 else FLAT
    strength = _read_strength(reader) if flags >> _WEAKENED_BIT & 1 else FULL_STRENGTH
    if flags >> _EXTENDED_BIT & 1:
        _skip_extensions(reader)
    sections = {
        name: reader.take(reader.varint(reader.left)) for name, bit in SECTIONS.items() if flags >> bit & 1
    }
    rows, cols = tile_grid(width, height)
    tiles = [reader.take(reader.varint(reader.left)) for _ in range(rows * cols - 1)]
    tiles.append(reader.take(reader.left))
    return Container(
        width,
        height,
        bool(flags >> _GREY_BIT & 1),
        step,
        codebook,
        ENTROPY[flags >> _ENTROPY_BIT & 1],
        tuple(tiles),
        sections,
        weighting,
        strength,
    )


def _read_weighting(reader: Reader) -> Weighting:
    weighting = Weighting(*_WEIGHTING.unpack(reader.take(_WEIGHTING.size)))
    if not weighting.in_range or weighting == FLAT:
        raise FormatError("the file declares weights of quantiser steps that are out of range")
    return weighting


def _read_strength(reader: Reader) -> int:
    strength = reader.take(1)[0]
    if strength >= FULL_STRENGTH:
        raise FormatError("the file declares a strength of restoration that is out of range")
    return strength


def _skip_extensions(reader: Reader) -> None:
    """Passes over what later writers may add; what a decoder may not ignore has an even kind."""
    kind = reader.varint(_KINDS)
    if not kind:
        raise FormatError("the file announces extensions and has none")
    while kind:
        if kind % 2 == 0:
            raise FormatError(_UNKNOWN)
        reader.take(reader.varint(reader.left))
        kind = reader.varint(_KINDS)
