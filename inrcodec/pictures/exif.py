"""EXIF blocks, edited in place: a rewrite would break maker notes, which hold offsets of their own.

An EXIF block is a TIFF file without pixels (TIFF 6.0, section 2; EXIF 2.3, 4.5.2): a header that says where
the first directory lies, and directories of 12-byte entries whose values, unless they fit, lie elsewhere.
"""

import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction

EMPTY = struct.pack("<4sLHL", b"II*\0", 8, 0, 0)
"""A block that says nothing."""

BYTE, SHORT, LONG, RATIONAL, UNDEFINED = 1, 3, 4, 5, 7
Entry = tuple[int, Sequence[int]]
"""Type of a value and its numbers, two for each RATIONAL."""

_CODES = {BYTE: "B", SHORT: "H", LONG: "L", RATIONAL: "L", UNDEFINED: "B"}
_BYTES = dict.fromkeys((1, 2, 6, 7), 1) | {3: 2, 8: 2, 4: 4, 9: 4, 11: 4, 13: 4, 5: 8, 10: 8, 12: 8}
_ORIENTATION = 0x0112
_THUMBNAIL = (0x0201, 0x0202)  # where it begins, its length
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_PER_INCH = {2: Fraction(1), 3: Fraction(254, 100)}  # units: inch, centimetre
_EXIF_DIRECTORY = 0x8769
_PIXEL_DIMENSIONS = (0xA002, 0xA003)  # width, height

_LAYOUT_RANGES: tuple[tuple[int, int], ...] = (
    *((254, 266), (273, 273), (277, 281), (284, 284), (288, 293), (301, 301), (317, 325), (330, 334)),
    *((336, 347), (512, 521), (529, 532), (559, 559), (700, 700), (34377, 34377), (34675, 34675)),
    (37724, 37724),
)
LAYOUT = frozenset(tag for first, last in _LAYOUT_RANGES for tag in range(first, last + 1))
"""Tags about the pixels of the file that they stand in, and its other parts: sizes, strips, colours, XMP."""
_EXIF_LAYOUT = frozenset((0x9101, 0x9102))  # order of components, bits per pixel of the JPEG


def clean_exif(exif: bytes, size: tuple[int, int]) -> bytes:
    """The EXIF block for a picture that has been turned upright and is going into another file.

    No prefix, orientation 1, no thumbnail, and nothing about the layout of the file that it came from. What
    goes is zeroed, so that it costs next to nothing once compressed.

    Args:
        exif: the block, with or without prefix; what is broken in it stays.
        size: width and height of the picture, put where the block tells them.
    """
    block = bytearray(exif.removeprefix(b"Exif\0\0"))
    order = _order(block)
    if order is None:
        return bytes(block)
    try:
        (first,) = struct.unpack_from(order + "L", block, 4)
        wrong = {tag for tag in (_X_RESOLUTION, _Y_RESOLUTION) if _kind(block, order, first, tag) != RATIONAL}
        entries, link = _without(block, order, first, LAYOUT | wrong)
        if _ORIENTATION in entries:
            # One SHORT that fills the first half of the value field.
            struct.pack_into(order + "HLHH", block, entries[_ORIENTATION] + 2, SHORT, 1, 1, 0)
        if _EXIF_DIRECTORY in entries:
            (inner,) = struct.unpack_from(order + "L", block, entries[_EXIF_DIRECTORY] + 8)
            inside, _ = _without(block, order, inner, _EXIF_LAYOUT)
            for tag, length in zip(_PIXEL_DIMENSIONS, size, strict=True):
                if tag in inside:
                    struct.pack_into(order + "HLL", block, inside[tag] + 2, LONG, 1, length)
        (second,) = struct.unpack_from(order + "L", block, link)
        if second:
            struct.pack_into(order + "L", block, link, 0)
            entries, _ = _directory(block, order, second)
            start, length = (
                struct.unpack_from(order + "L", block, entries[tag] + 8)[0] for tag in _THUMBNAIL
            )
            _zero(block, start, length)
    except (struct.error, KeyError):
        pass  # A broken directory: what cannot be found here, readers will not find either.
    return bytes(block)


def with_entries(exif: bytes, entries: Mapping[int, Entry], data: bytes = b"") -> bytes:
    """The block with these entries in its first directory, in place of those of the same tags.

    Everything else stays where it is: the directory is written anew at the end.

    Args:
        exif: the block, without prefix.
        entries: by tag.
        data: put between the block and the new directory.

    Raises:
        ValueError: the block has no first directory.
    """
    block = bytearray(exif)
    order = _order(block)
    try:
        if order is None:
            raise ValueError("not an EXIF block")
        (first,) = struct.unpack_from(order + "L", block, 4)
        starts, link = _directory(block, order, first)
        records = {tag: bytes(block[start : start + 12]) for tag, start in starts.items()}
        (second,) = struct.unpack_from(order + "L", block, link)
    except struct.error as error:
        raise ValueError("the EXIF block is damaged") from error
    block += data
    for tag, (kind, numbers) in entries.items():
        value = struct.pack(f"{order}{len(numbers)}{_CODES[kind]}", *numbers)
        count = len(value) // _BYTES[kind]
        if len(value) > 4:
            block += bytes(len(block) % 2)
            value, place = struct.pack(order + "L", len(block)), value
            block += place
        records[tag] = struct.pack(order + "HHL4s", tag, kind, count, value)
    block += bytes(len(block) % 2)
    struct.pack_into(order + "L", block, 4, len(block))
    block += struct.pack(order + "H", len(records))
    for tag in sorted(records):
        block += records[tag]
    return bytes(block + struct.pack(order + "L", second))


def resolution(exif: bytes) -> tuple[float, float] | None:
    """Dots per inch across and down, if a block (without prefix) tells them."""
    order = _order(exif)
    try:
        if order is None:
            return None
        entries, _ = _directory(exif, order, struct.unpack_from(order + "L", exif, 4)[0])
        unit = struct.unpack_from(order + "H", exif, entries[_RESOLUTION_UNIT] + 8)[0]
        places = (
            struct.unpack_from(order + "L", exif, entries[tag] + 8)[0]
            for tag in (_X_RESOLUTION, _Y_RESOLUTION)
        )
        x, y = (
            Fraction(*struct.unpack_from(order + "LL", exif, place)) * _PER_INCH[unit] for place in places
        )
    except (struct.error, KeyError, ZeroDivisionError):
        return None
    return (float(x), float(y)) if x and y else None


def with_resolution(exif: bytes, dots: tuple[float, float]) -> bytes:
    """The block, without prefix, telling dots per inch across and down.

    Raises:
        ValueError: the block has no first directory.
    """
    x, y = (Fraction(value).limit_denominator(1000) for value in dots)
    return with_entries(
        exif,
        {
            _X_RESOLUTION: (RATIONAL, (x.numerator, x.denominator)),
            _Y_RESOLUTION: (RATIONAL, (y.numerator, y.denominator)),
            _RESOLUTION_UNIT: (SHORT, (2,)),
        },
    )


def _order(block: bytes | bytearray) -> str | None:
    """Byte order of a block, as `struct` writes it; None if it is none."""
    return {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))


def _directory(block: bytes | bytearray, order: str, offset: int) -> tuple[dict[int, int], int]:
    """Where the entry of each tag of a directory begins, and where its link to the next one is."""
    (count,) = struct.unpack_from(order + "H", block, offset)
    starts = range(offset + 2, offset + 2 + 12 * count, 12)
    return {struct.unpack_from(order + "H", block, start)[0]: start for start in starts}, starts.stop


def _kind(block: bytearray, order: str, offset: int, tag: int) -> int | None:
    """Type of an entry of a directory."""
    start = _directory(block, order, offset)[0].get(tag)
    return None if start is None else int(struct.unpack_from(order + "H", block, start + 2)[0])


def _without(block: bytearray, order: str, offset: int, tags: frozenset[int]) -> tuple[dict[int, int], int]:
    """`_directory` of a directory from which entries were taken out, and their values zeroed."""
    entries, link = _directory(block, order, offset)
    gone = tags & entries.keys()
    if not gone:
        return entries, link
    for tag in gone:
        kind, count, place = struct.unpack_from(order + "HLL", block, entries[tag] + 2)
        length = count * _BYTES.get(kind, 0)
        if length > 4:
            _zero(block, place, length)
    left = [bytes(block[start : start + 12]) for tag, start in entries.items() if tag not in gone]
    body = struct.pack(order + "H", len(left)) + b"".join(left) + bytes(block[link : link + 4])
    block[offset : link + 4] = body + bytes(link + 4 - offset - len(body))
    return _directory(block, order, offset)


def _zero(block: bytearray, start: int, length: int) -> None:
    end = min(start + length, len(block))
    block[start:end] = bytes(max(0, end - start))
