"""Metadata chunks of PNG files, read within bounds of our own.

Pillow refuses a picture for a long or damaged text, be it one that nobody wants. So it gets the file without
texts, profile and EXIF, and they are read here (PNG specification, third edition, section 11.3).
"""

import re
import warnings
import zlib
from collections.abc import Iterator

from inrcodec.errors import LimitError, PictureWarning

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_METADATA = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf")
_RAW_PROFILES = {b"exif": "exif", b"APP1": "exif", b"xmp": "xmp"}
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type of each chunk that is there as a whole, and where it begins and ends, its frame included."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        yield data[at + 4 : at + 8], at, end
        at = end


def without_metadata(data: bytes, largest: int) -> tuple[bytes, dict[str, bytes]]:
    """A PNG file without metadata, and its metadata.

    Args:
        data: the file.
        largest: bytes that a block of metadata may have.

    Returns:
        The rest of the file, and what there is of "icc_profile", "exif" and "xmp".

    Raises:
        LimitError: the colour profile is too large; other blocks are left out with a warning.
    """
    rest: list[bytes] = []
    found: dict[str, bytes] = {}
    at = 0
    for kind, start, end in chunks(data):
        if kind not in _METADATA:
            continue
        rest.append(data[at:start])
        at = end
        body = data[start + 8 : end - 4]
        if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(data[end - 4 : end], "big"):
            warnings.warn(PictureWarning(f"a damaged {kind.decode()} chunk is left out"), stacklevel=2)
            continue
        try:
            found |= _block(kind, body, largest)
        except LimitError as error:
            if kind == b"iCCP":
                raise
            warnings.warn(PictureWarning(f"{error}; it is left out"), stacklevel=2)
        except (ValueError, zlib.error):
            warnings.warn(PictureWarning(f"a damaged {kind.decode()} chunk is left out"), stacklevel=2)
    rest.append(data[at:])
    return b"".join(rest), found


def _block(kind: bytes, body: bytes, largest: int) -> dict[str, bytes]:
    """What a chunk holds of metadata; nothing if it is a text for people.

    Raises:
        LimitError: it is too large.
        ValueError: it is damaged; or zlib.error.
    """
    if kind == b"eXIf":
        return {"exif": body}
    keyword, _, value = body.partition(b"\0")
    if kind == b"iCCP":
        return {"icc_profile": _inflated(value[1:], largest, "ICC profile")}
    if kind == b"iTXt" and keyword == _XMP_KEYWORD:
        compressed, text = value[:1] == b"\1", value[2:].split(b"\0", 2)[2:]
        packet = text[0] if text else b""
        return {"xmp": _inflated(packet, largest, "XMP packet") if compressed else packet}
    name = _RAW_PROFILES.get(keyword.removeprefix(b"Raw profile type "))
    if name is None or kind == b"iTXt" or not keyword.startswith(b"Raw"):
        return {}
    # ImageMagick's way: a name, a length, and hexadecimal digits.
    content = value if kind == b"tEXt" else _inflated(value[1:], 3 * largest, f"{name.upper()} block")
    digits = re.fullmatch(rb"\s*\w+\s+\d+\s+([0-9A-Fa-f\s]*)", content)
    if digits is None:
        raise ValueError("not a raw profile")
    block = bytes.fromhex(digits[1].decode())
    if block.startswith(_XMP_PREFIX):
        return {"xmp": block.removeprefix(_XMP_PREFIX)}
    return {name: block}


def _inflated(data: bytes, largest: int, name: str) -> bytes:
    stream = zlib.decompressobj()
    content = stream.decompress(data, largest + 1)
    if len(content) > largest:
        raise LimitError(f"the {name} exceeds the limit of {largest} bytes")
    if not stream.eof:
        raise ValueError("truncated")
    return content
