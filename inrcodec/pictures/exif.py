"""EXIF blocks, patched in place."""

import struct

_EXIF_ORIENTATION = 0x0112
_EXIF_THUMBNAIL = (0x0201, 0x0202)  # where it begins, its length


def clean_exif(exif: bytes) -> bytes:
    """The EXIF block for a picture that has been turned upright: no prefix, orientation 1, no thumbnail.

    Patching in place (TIFF 6.0, section 2; EXIF 2.3, 4.5.2) keeps maker notes, whose offsets a rewrite would
    break. The thumbnail, which would show the old orientation, is zeroed, so that it costs next to nothing
    once compressed.

    Args:
        exif: the block, with or without prefix; what is broken in it stays.
    """
    block = bytearray(exif.removeprefix(b"Exif\0\0"))
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None:
        return bytes(block)
    try:
        (first,) = struct.unpack_from(order + "L", block, 4)
        entries, link = _directory(block, order, first)
        if _EXIF_ORIENTATION in entries:
            # One SHORT (type 3) that fills the first half of the value field.
            struct.pack_into(order + "HLHH", block, entries[_EXIF_ORIENTATION] + 2, 3, 1, 1, 0)
        (second,) = struct.unpack_from(order + "L", block, link)
        if second:
            entries, _ = _directory(block, order, second)
            start, length = (
                struct.unpack_from(order + "L", block, entries[tag] + 8)[0] for tag in _EXIF_THUMBNAIL
            )
            end = min(start + length, len(block))
            block[start:end] = bytes(max(0, end - start))
            struct.pack_into(order + "L", block, link, 0)
    except (struct.error, KeyError):
        pass  # A broken directory: what cannot be found here, readers will not find either.
    return bytes(block)


def _directory(block: bytearray, order: str, offset: int) -> tuple[dict[int, int], int]:
    """Where the entry of each tag of a TIFF directory begins, and where its link to the next one is."""
    (count,) = struct.unpack_from(order + "H", block, offset)
    starts = range(offset + 2, offset + 2 + 12 * count, 12)
    return {struct.unpack_from(order + "H", block, start)[0]: start for start in starts}, starts.stop
