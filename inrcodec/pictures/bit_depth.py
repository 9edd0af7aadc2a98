"""Bits per sample as stored in an image file, read from the file itself.

Pillow opens several deep formats as 8-bit modes without a word: 16-bit RGB PNG, TIFF and PPM, deep
JPEG 2000 components, 10- and 12-bit AVIF. Only the file can tell.
"""

import re
from typing import BinaryIO

_HEADER_BYTES = 65536
_JPEG2000_SIZ = b"\xff\x4f\xff\x51"
_AV1_CONFIG = re.compile(rb"av1C\x81.(.)", re.DOTALL)


def stored_bit_depth(stream: BinaryIO, file_format: str) -> int:
    """Largest number of bits per sample that the file declares.

    Args:
        stream: seekable binary stream holding the whole file; its position is left as it was.
        file_format: Pillow's name of the format. Formats that cannot hold more than 8 bits, and TIFF
            (whose depth Pillow itself reports faithfully), give 8.

    Returns:
        1 to 65535; 8 where the field cannot be found (such a file is then refused by its decoder).
    """
    reader = _READERS.get(file_format)
    if reader is None:
        return 8
    position = stream.tell()
    try:
        stream.seek(0)
        return reader(stream)
    finally:
        stream.seek(position)


def _png(stream: BinaryIO) -> int:
    """PNG specification, 11.2.1: IHDR holds width (4), height (4), bit depth (1)."""
    head = stream.read(_HEADER_BYTES)
    offset = head.find(b"IHDR") + 12
    return head[offset] if 12 <= offset < len(head) else 8


def _netpbm(stream: BinaryIO) -> int:
    """Netpbm: magic, width, height, maximum value, separated by white space and `#` comments."""
    tokens = re.sub(rb"#[^\r\n]*", b" ", stream.read(_HEADER_BYTES)).split(maxsplit=4)
    if tokens[0] not in (b"P2", b"P3", b"P5", b"P6") or len(tokens) < 4 or not tokens[3].isdigit():
        return 8
    return int(tokens[3]).bit_length()


def _jpeg2000(stream: BinaryIO) -> int:
    """ISO/IEC 15444-1, A.5.1: SIZ holds Csiz, then (Ssiz, XRsiz, YRsiz) for each component."""
    data = stream.read()
    marker = data.find(_JPEG2000_SIZ)
    if marker < 0 or len(data) < marker + 42:
        return 8
    components = int.from_bytes(data[marker + 40 : marker + 42], "big")
    depths = data[marker + 42 : marker + 42 + 3 * components : 3]
    return max(((depth & 0x7F) + 1 for depth in depths), default=8)


def _avif(stream: BinaryIO) -> int:
    """AV1 in ISOBMFF, 2.3.3: third byte of av1C is tier (1), high_bitdepth (1), twelve_bit (1), ..."""
    flags = [match.group(1)[0] for match in _AV1_CONFIG.finditer(stream.read())]
    return max((8 if not f & 0x40 else 12 if f & 0x20 else 10 for f in flags), default=8)


_READERS = {"PNG": _png, "PPM": _netpbm, "JPEG2000": _jpeg2000, "AVIF": _avif}
