"""The container: exact round trips, and one error tree for everything else that could be in a file."""

import struct
import time
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import draw, tile_symbols, with_extensions, write_payload

import inrcodec
from inrcodec.codec import decode_picture
from inrcodec.container import (
    FLAT,
    FULL_STRENGTH,
    MAGIC,
    MAX_ACTIVITY,
    TILE,
    VERSION,
    Container,
    Reader,
    Weighting,
    pack,
    tile_grid,
    unpack,
    write_varint,
)
from inrcodec.errors import FormatError, InrCodecError, LimitError
from inrcodec.limits import Limits

STEP = 500
SMALL = Limits(max_pixels=1 << 14, max_side=1 << 9, max_metadata_bytes=1000)


def compressed(data):
    return zstandard.ZstdCompressor().compress(data)


def small_container(codebook, entropy="rans", channels=1):
    """19 x 23 pixels of one block, with every optional section."""
    symbols = tile_symbols("small", (1, 1), channels, 20, 60)
    tile = write_payload(symbols, STEP, codebook.entropy, entropy)
    alpha = compressed(draw("alpha", (19 * 23,), 0, 3).astype(np.uint8).tobytes())
    sections = {
        "alpha": alpha,
        "icc": compressed(b"profile"),
        "exif": compressed(b"MM\0*"),
        "xmp": compressed(b"<x/>"),
    }
    return Container(19, 23, channels == 1, STEP, codebook.id, entropy, (tile,), sections)


def sealed(data):
    """The same file with a matching checksum."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def test_every_field_comes_back(synthetic_codebook):
    for entropy in ("rans", "zstd"):
        for channels in (1, 3):
            container = small_container(synthetic_codebook, entropy, channels)
            for names in ((), ("icc",), ("alpha", "exif"), ("xmp",), ("alpha", "icc", "exif", "xmp")):
                kept = {name: container.sections[name] for name in names}
                wanted = replace(container, sections=kept)
                assert unpack(pack(wanted)) == wanted
    weighted = replace(container, weighting=Weighting(255, 1, MAX_ACTIVITY, 63))
    assert unpack(pack(weighted)) == weighted
    assert len(pack(weighted)) == len(pack(container)) + 4
    for strength in (0, FULL_STRENGTH - 1):
        weaker = replace(weighted, strength=strength)
        assert unpack(pack(weaker)) == weaker
        assert len(pack(weaker)) == len(pack(weighted)) + 1


@pytest.mark.parametrize(
    "wrong",
    [Weighting(1, 1, MAX_ACTIVITY + 1, 64), Weighting(1, 1, 1, 0), FLAT],
    ids=["activity", "ratio", "flat"],
)
def test_weightings_out_of_range_are_refused(synthetic_codebook, wrong):
    right = Weighting(7, 9, 11, 13)
    data = pack(replace(small_container(synthetic_codebook), weighting=right, sections={}))
    assert data.count(bytes(right)) == 1
    with pytest.raises(FormatError, match="out of range"):
        unpack(sealed(data.replace(bytes(right), bytes(wrong))))


def test_many_tiles_come_back():
    width, height = 2 * TILE + 1, TILE + 1
    assert tile_grid(width, height) == (2, 3)
    assert tile_grid(TILE, 1) == (1, 1)
    tiles = tuple(bytes([i]) * (200 * i) for i in range(6))
    container = Container(width, height, False, 16, b"1234", "rans", tiles)
    assert unpack(pack(container)) == container


@given(st.integers(0, 2**35 - 1))
def test_numbers(value):
    data = write_varint(value)
    reader = Reader(data)
    assert reader.varint(2**35) == value
    assert reader.left == 0
    if value:
        with pytest.raises(FormatError, match="range"):
            Reader(data).varint(value - 1)
    with pytest.raises(FormatError, match="truncated"):
        Reader(data[:-1]).varint(2**35)


def test_numbers_have_one_form():
    assert Reader(b"\x05").varint(9) == 5
    with pytest.raises(FormatError, match="shortest"):
        Reader(b"\x85\x00").varint(9)
    with pytest.raises(FormatError, match="range"):
        Reader(b"\xff" * 1000).varint(9)


def test_every_flipped_bit_is_noticed(synthetic_codebook):
    data = pack(small_container(synthetic_codebook))
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            unpack(bytes(damaged))


def test_every_truncation_and_trailing_bytes_are_noticed(synthetic_codebook, synthetic_path):
    data = pack(small_container(synthetic_codebook))
    for wrong in [data[:end] for end in range(len(data))] + [data + b"\0", data + data]:
        with pytest.raises(FormatError):
            inrcodec.decode(wrong, codebook=synthetic_path)
        with pytest.raises(FormatError):
            inrcodec.inspect(wrong)


@pytest.mark.parametrize("entropy", ["rans", "zstd"])
def test_bytes_after_the_tile_are_noticed_whatever_the_checksum(synthetic_codebook, synthetic_path, entropy):
    container = small_container(synthetic_codebook, entropy)
    for extra in (b"\0", b"\1\2", b"\xff" * 9):
        data = pack(replace(container, tiles=(container.tiles[0] + extra,)))
        with pytest.raises(FormatError, match=r"left over|followed by something"):
            inrcodec.decode(data, codebook=synthetic_path)


@pytest.mark.parametrize(("entropy", "count"), [("rans", 300), ("zstd", 2500)])
def test_mutants_with_a_valid_checksum(synthetic_codebook, synthetic_path, entropy, count):
    """An error of the package's own or a picture, soon; nothing else."""
    data = pack(small_container(synthetic_codebook, entropy, 3))
    rng = np.random.default_rng(11)
    pictures = 0
    for number in range(count):
        mutant = bytearray(data)
        # The header takes few of the bytes, but most of the decisions.
        reach = 20 if number % 3 == 0 else len(data) - 4
        for place in rng.integers(5, reach, rng.integers(1, 4)):
            mutant[place] = rng.integers(256) if number % 2 else mutant[place] ^ 1 << rng.integers(8)
        if number % 5 == 0:
            place = rng.integers(5, len(data) - 12)
            del mutant[place : place + rng.integers(1, 9)]
        begin = time.perf_counter()
        try:
            picture = decode_picture(
                sealed(bytes(mutant)), codebook=synthetic_path, device="cpu", limits=SMALL
            )
            assert picture.pixels.dtype == np.uint8
            pictures += 1
        except InrCodecError:
            pass
        assert time.perf_counter() - begin < 5
    assert 0 < pictures < count


@pytest.mark.parametrize(("width", "height"), [(65535, 65535), (65535, 1 << 13), (1 << 15, (1 << 13) + 1)])
def test_absurd_sizes_are_refused_before_anything_is_allocated(synthetic_codebook, width, height):
    container = small_container(synthetic_codebook)
    tiles = (b"",) * int(np.prod(tile_grid(width, height)))
    data = pack(replace(container, width=width, height=height, tiles=tiles))
    tracemalloc.start()
    try:
        with pytest.raises(LimitError):
            inrcodec.decode(data)
        with pytest.raises(LimitError):
            inrcodec.inspect(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_absurd_targets_are_refused_before_anything_is_allocated(synthetic_codebook, synthetic_path):
    data = pack(small_container(synthetic_codebook))
    for options in ({"scale": 10_000.0}, {"size": (65536, 1)}, {"size": (1 << 15, 1 << 14)}):
        with pytest.raises(LimitError):
            inrcodec.decode(data, codebook=synthetic_path, **options)
    assert inrcodec.decode(data, codebook=synthetic_path, size=(1, 1)).shape == (1, 1, 2)


def test_limits_are_the_callers(synthetic_codebook, synthetic_path):
    data = pack(small_container(synthetic_codebook))
    tight = Limits(max_pixels=19 * 23 - 1)
    for call in (inrcodec.inspect, inrcodec.decode):
        with pytest.raises(LimitError):
            call(data, limits=tight)
    with pytest.raises(LimitError):
        inrcodec.inspect(data, limits=Limits(max_side=22))
    assert inrcodec.inspect(data, limits=Limits(max_pixels=19 * 23, max_side=23)).width == 19
    # One block of 32 x 32 is decoded, whatever is shown of it.
    inrcodec.decode(data, codebook=synthetic_path, crop=(3, 3, 1, 1), limits=Limits(max_decoded_pixels=1024))
    with pytest.raises(LimitError, match="1024 pixels"):
        decode_picture(data, codebook=synthetic_path, limits=Limits(max_decoded_pixels=1023))
    with pytest.raises(FormatError, match="larger"):
        decode_picture(data, codebook=synthetic_path, limits=Limits(max_metadata_bytes=3))


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("section", ["alpha", "icc", "exif", "xmp", "tile"])
def test_compression_bombs_are_refused(synthetic_codebook, synthetic_path, section, declared):
    bomb = zstandard.ZstdCompressor(write_content_size=declared).compress(bytes(1 << 27))
    container = small_container(synthetic_codebook, "zstd")
    if section == "tile":
        container = replace(container, tiles=(b"\1" + bomb,))
    else:
        container = replace(container, sections=container.sections | {section: bomb})
    data = pack(container)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="larger"):
            decode_picture(data, codebook=synthetic_path, device="cpu")
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()


def test_other_versions_and_unknown_features(synthetic_codebook):
    data = bytearray(pack(small_container(synthetic_codebook)))
    data[4] += 1
    with pytest.raises(FormatError, match="version"):
        unpack(sealed(bytes(data)))
    data[4] -= 1
    data[5:7] = write_varint(Reader(bytes(data[5:])).varint(1 << 14) | 1 << 9)
    with pytest.raises(FormatError, match="features"):
        unpack(sealed(bytes(data)))


def test_extensions_that_may_be_ignored_are(synthetic_codebook):
    container = replace(small_container(synthetic_codebook), strength=3)
    some = write_varint(1) + write_varint(3) + b"abc" + write_varint(65535) + write_varint(0) + b"\0"
    assert unpack(with_extensions(pack(container), some)) == container


@pytest.mark.parametrize(
    ("extensions", "told"),
    [
        (write_varint(2) + b"\1a\0", "features"),
        (write_varint(1) + b"\1a" + write_varint(4) + b"\0\0", "features"),
        (b"\0", "none"),
        (write_varint(65536) + b"\0\0", "range"),
        (write_varint(1) + write_varint(1 << 20), "range"),
    ],
    ids=["even", "second", "none", "kind", "long"],
)
def test_extensions_that_may_not_be_ignored_are_refused(synthetic_codebook, extensions, told):
    with pytest.raises(FormatError, match=told):
        unpack(with_extensions(pack(small_container(synthetic_codebook)), extensions))


@pytest.mark.parametrize("strength", [FULL_STRENGTH, 255])
def test_strengths_out_of_range_are_refused(synthetic_codebook, strength):
    data = bytearray(pack(replace(small_container(synthetic_codebook), strength=3)))
    # After magic, version, two bytes of flags, codebook, width, height and two bytes of a step.
    assert data[15] == 3
    data[15] = strength
    with pytest.raises(FormatError, match="strength"):
        unpack(sealed(bytes(data)))


@pytest.mark.parametrize("field", ["width", "height", "step"])
def test_empty_pictures_and_steps_are_refused(synthetic_codebook, field):
    with pytest.raises(FormatError, match="empty"):
        unpack(pack(replace(small_container(synthetic_codebook), **{field: 0})))


@settings(max_examples=50)
@given(st.binary(max_size=60))
def test_other_files_are_refused(data):
    for wrong in (data, MAGIC + data, sealed(MAGIC + bytes([VERSION]) + data + b"....")):
        with pytest.raises(InrCodecError):
            inrcodec.decode(wrong)


def test_a_number_without_end_is_refused_at_once():
    head = MAGIC + bytes([VERSION, 0]) + b"book"
    body = head + b"\x80" * 1000
    data = body + zlib.crc32(body).to_bytes(4, "little")
    with pytest.raises(FormatError, match="out of range"):
        unpack(data)
    with pytest.raises(FormatError, match="out of range"):
        Reader(b"\x80" * 6).varint(1 << 30)


def test_a_file_beyond_the_limit_is_refused():
    with pytest.raises(LimitError, match="1000 bytes"):
        unpack(MAGIC + bytes(1000), Limits(max_file_bytes=1000))


@pytest.mark.parametrize("given", ["photo.sinr", None, [83, 73]])
def test_only_bytes_are_read(given):
    with pytest.raises(TypeError, match="bytes of a"):
        unpack(given)
