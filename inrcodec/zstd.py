"""Zstandard frames, read within bounds."""

from inrcodec.errors import FormatError

_LEVEL = 19
_PIECE = 256


def compress(data: bytes, *, tells_size: bool = True) -> bytes:
    """A frame, which tells how long its content is or leaves that to its reader."""
    import zstandard  # Most files have no such frame.

    return zstandard.ZstdCompressor(level=_LEVEL, write_content_size=tells_size).compress(data)


def decompress(data: bytes, largest: int) -> bytes:
    """Content of a zstd frame of at most `largest` bytes.

    Raises:
        FormatError: the frame is corrupt, truncated, holds more, or is followed by something.
    """
    import zstandard

    # zstandard ignores `max_output_size` when a frame declares its own size; a piece of the frame, at most
    # 128 KiB of content per 4 bytes, bounds what one call can return.
    stream = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    body = bytearray()
    try:
        for begin in range(0, len(data), _PIECE):
            body += stream.decompress(data[begin : begin + _PIECE])
            if len(body) > largest:
                raise FormatError("a compressed section is larger than it may be")
    except zstandard.ZstdError as error:
        raise FormatError(f"a compressed section is corrupt: {error}") from error
    if not stream.eof or stream.unused_data:
        raise FormatError("a compressed section is truncated, or followed by something")
    return bytes(body)
