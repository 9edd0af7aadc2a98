"""The library in C that native/sinr.h describes decodes what `inrcodec.decode` does, and refuses the rest."""

import ctypes
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from synthetic import broken_codebooks, codebook_tensors, draw, layers, sealed, weakened, with_extensions

import inrcodec
from inrcodec.codebook import load_codebook, serialise
from inrcodec.container import FLAT, FULL_STRENGTH, SECTIONS, pack, unpack, write_varint
from inrcodec.errors import InrCodecError
from inrcodec.kernels import compiled
from inrcodec.signal.quantiser import VISUAL

NATIVE = Path(__file__).parents[2] / "native"
BOOK = NATIVE.parent / "pretrained" / "default.safetensors"
OK, TRUNCATED, CORRUPT, LEFT_OVER, RANGE, VERSION, UNSUPPORTED, CODEBOOK, ARGUMENT, TOO_LARGE, _ = range(11)
"""`sinr_status`."""


GOLDEN = sorted(
    path.name
    for path in (Path(__file__).parents[1] / "golden").glob("*.sinr")
    if unpack(path.read_bytes()).entropy == "rans"
)


def golden(name):
    """A golden file."""
    return (Path(__file__).parents[1] / "golden" / name).read_bytes()


def colours(file):
    """Pixels without alpha, of which `tests/test_golden.py` knows that they are right."""
    pixels = inrcodec.decode(file)
    if unpack(file).grey:
        return pixels.reshape(*pixels.shape[:2], -1)[..., 0]
    return pixels[..., :3]


class Section(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("offset", "length")]


class Info(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int) for name in ("width", "height", "channels", "step")),
        *((name, ctypes.c_ubyte) for name in ("luma", "chroma", "activity", "ratio")),
        ("codebook", ctypes.c_ubyte * 4),
        ("strength", ctypes.c_ubyte),
        ("zstd", ctypes.c_int),
        *((name, Section) for name in SECTIONS),
    ]


class View(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("x", "y", "width", "height", "columns", "rows")]


@pytest.fixture(scope="module")
def library():
    """The compiled library."""
    if not compiled():
        pytest.skip("not compiled: there was no C compiler")
    spec = find_spec("inrcodec.kernels._native")
    found = ctypes.CDLL(spec.origin if spec else None)
    found.sinr_pool_start.restype = ctypes.c_void_p
    found.sinr_message.restype = ctypes.c_char_p
    found.sinr_codebook_id.restype = ctypes.POINTER(ctypes.c_ubyte * 4)
    return found


class Book:
    """A codebook in C; `status` tells whether it is one."""

    def __init__(self, library, content):
        needed, self.pointer = ctypes.c_size_t(), ctypes.c_void_p()
        arguments = content, ctypes.c_size_t(len(content))
        self.status = library.sinr_codebook_make(*arguments, None, ctypes.byref(needed), None)
        if self.status == OK:
            # Memory of any alignment, and not a byte more.
            self.memory = ctypes.create_string_buffer(needed.value + 1)
            place = ctypes.byref(self.memory, 1)
            self.status = library.sinr_codebook_make(
                *arguments, place, ctypes.byref(needed), ctypes.byref(self.pointer)
            )
        if self.status == OK:
            self.id = bytes(library.sinr_codebook_id(self.pointer).contents)


@pytest.fixture(scope="module")
def book(library):
    """The default codebook."""
    return Book(library, BOOK.read_bytes())


def inspect(library, file):
    """Status, and what the file says."""
    info = Info()
    return library.sinr_inspect(file, ctypes.c_size_t(len(file)), ctypes.byref(info)), info


def decode(library, file, book, view=None, threads=1):
    """Pixels, or the status of a refusal."""
    status, info = inspect(library, file)
    if status:
        return status
    x, y, width, height, columns, rows = view or (0, 0, info.width, info.height, info.width, info.height)
    pixels = np.zeros(rows * columns * info.channels, np.uint8)
    reference = ctypes.byref(View(x, y, width, height, columns, rows)) if view else None
    pool = ctypes.c_void_p(library.sinr_pool_start(threads))
    status = library.sinr_decode(
        file, ctypes.c_size_t(len(file)), book.pointer, reference, ctypes.c_void_p(pixels.ctypes.data), pool
    )
    library.sinr_pool_stop(pool)
    return status or pixels.reshape((rows, columns) if info.channels == 1 else (rows, columns, 3))


def by_python(file, **view):
    """Pixels, or None if it is refused."""
    try:
        return inrcodec.decode(file, **view)
    except InrCodecError:
        return None


@pytest.fixture(scope="module")
def files():
    """Pictures of several kinds: grey, colour, weighted, one pixel, of two tiles."""
    photo, camera = data.astronaut(), data.camera()
    return {
        "grey": inrcodec.encode(camera[100:177, 200:253], quality=50),
        "rgb": inrcodec.encode(photo[80:120, 180:243], quality=75),
        "weighted": inrcodec.encode(photo[80:130, 180:283], quality=60, tune="visual"),
        "pixel": inrcodec.encode(photo[:1, :1], quality=40),
        **{
            name: weakened(inrcodec.encode(photo[80:120, 180:243], quality=75), strength)
            for name, strength in (("weakened", 5), ("unrestored", 0))
        },
        "tiles": inrcodec.encode(np.tile(photo[180:213], (1, 3, 1))[:, :1041], quality=5),
    }


KINDS = ["grey", "rgb", "weighted", "pixel", "tiles", "weakened", "unrestored"]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_files(library, book, name):
    assert np.array_equal(decode(library, golden(name), book), colours(golden(name)))


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_the_same(library, book, files, kind):
    file = files[kind]
    expected = inrcodec.decode(file)
    for threads in (1, 3):
        assert np.array_equal(decode(library, file, book, None, threads), expected)
    status, info = inspect(library, file)
    container = unpack(file)
    assert status == OK
    assert (info.width, info.height, info.step) == (container.width, container.height, container.step)
    assert bytes(info.codebook) == container.codebook == book.id
    assert (info.luma, info.chroma, info.activity, info.ratio) == container.weighting
    assert info.strength == container.strength
    assert container.weighting == (VISUAL if kind == "weighted" else FLAT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [2, 0.7, 0.01])
def test_other_sizes_agree_within_a_level(library, book, files, kind, scale):
    file = files[kind]
    expected = inrcodec.decode(file, scale=scale)
    rows, columns = expected.shape[:2]
    width, height = unpack(file).width, unpack(file).height
    found = decode(library, file, book, (0, 0, width, height, columns, rows))
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(40, 1), (1, 1), (90, 2)])
def test_rows_of_more_than_a_strip_are_gathered(library, book, size):
    photo = np.tile(data.astronaut()[:, 200:240], (3, 1, 1))[:1100]
    file = inrcodec.encode(photo, quality=5)
    found = decode(library, file, book, (0, 0, 40, 1100, *size))
    assert np.abs(found.astype(int) - inrcodec.decode(file, size=size)).max() <= 1


def test_regions(library, book, files):
    file = files["tiles"]
    for crop in ((1020, 3, 9, 20), (0, 32, 1041, 1), (1023, 0, 2, 33)):
        found = decode(library, file, book, (*crop, *crop[2:]))
        assert np.array_equal(found, inrcodec.decode(file, crop=crop))
        found = decode(library, file, book, (*crop, 31, 17))
        expected = inrcodec.decode(file, crop=crop, size=(31, 17))
        assert np.abs(found.astype(int) - expected).max() <= 1
    for view in ((-1, 0, 4, 4, 4, 4), (1040, 0, 2, 1, 2, 1), (0, 0, 4, 0, 4, 4), (0, 0, 4, 4, 0, 4)):
        assert decode(library, file, book, view) == ARGUMENT
    assert decode(library, file, book, (0, 0, 1, 1, 65536, 1)) == TOO_LARGE


def test_a_view_needs_only_its_tiles(library, book, files):
    """As in Python: what is not rendered is not decoded."""
    container = unpack(files["tiles"])
    first, second = container.tiles
    file = pack(replace(container, tiles=(first, second[:-1])))
    assert isinstance(decode(library, file, book, (0, 0, 512, 33, 512, 33)), np.ndarray)
    assert isinstance(decode(library, file, book), int)


def test_sections_are_left_to_others(library, book):
    pixels = draw("alpha", (9, 13, 4), 0, 255).astype(np.uint8)
    file = inrcodec.encode(inrcodec.Picture(pixels, b"profile", b"II*\0 block", b"<x:xmpmeta/>"))
    _, info = inspect(library, file)
    for name, content in unpack(file).sections.items():
        section = getattr(info, name)
        assert file[section.offset : section.offset + section.length] == content
    assert np.array_equal(decode(library, file, book), inrcodec.decode(file)[..., :3])


def test_extensions(library, book, files):
    file = files["weighted"]
    ignored = b"\1\3abc" + write_varint(65535) + b"\0\0"
    assert np.array_equal(decode(library, with_extensions(file, ignored), book), inrcodec.decode(file))
    for wrong, status in (
        (b"\2\0\0", UNSUPPORTED),
        (b"\1\0\4\0\0", UNSUPPORTED),
        (b"\0", RANGE),
        (write_varint(65536) + b"\0\0", RANGE),
        (b"\1" + write_varint(1 << 20), RANGE),
    ):
        assert decode(library, with_extensions(file, wrong), book) == status


def test_refusals(library, book, files, synthetic_path):
    file = weakened(files["rgb"], FULL_STRENGTH)
    assert decode(library, file, Book(library, synthetic_path.read_bytes())) == CODEBOOK
    zstd = inrcodec.encode(data.camera()[:9, :9], entropy="zstd")
    assert decode(library, zstd, book) == UNSUPPORTED
    assert decode(library, b"", book) == CORRUPT
    assert decode(library, b"SINR", book) == TRUNCATED
    assert decode(library, file[:4] + b"\x05" + file[5:], book) == VERSION
    assert decode(library, sealed(file[:5] + bytes([file[5] | 128, 4]) + file[6:-4]), book) == UNSUPPORTED
    # 65535 x 65535 pixels, and a number that is longer than it need be.
    assert decode(library, sealed(file[:10] + b"\xff\xff\x03\xff\xff\x03" + file[12:-4]), book) == TOO_LARGE
    assert decode(library, sealed(file[:10] + b"\xbf\x00" + file[11:-4]), book) == RANGE
    messages = [library.sinr_message(status) for status in range(12)]
    assert len(set(messages)) == 12


@pytest.mark.parametrize("kind", ["grey", "weighted", "tiles"])
def test_damaged_files_are_refused(library, book, files, kind):
    file = files[kind]
    for length in range(0, len(file), 1 + len(file) // 200):
        assert isinstance(decode(library, file[:length], book), int)
    for place, bit in draw(f"damage {kind}", (100, 2), 0, 2**30):
        damaged = bytearray(file)
        damaged[place % len(file)] ^= 1 << bit % 8
        assert isinstance(decode(library, bytes(damaged), book), int)


@pytest.mark.parametrize("kind", ["grey", "weighted", "tiles"])
def test_mutants_are_what_python_takes_them_for(library, book, files, kind):
    file = files[kind]
    refused = 0
    # What says how large the picture is stays: mutants should not take long.
    for place, value, count in draw(f"mutants {kind}", (25, 3), 0, 2**30):
        at = 14 + place % (len(file) - 18)
        cut = -4 if count % 3 else -5 - count % 20
        body = bytearray(file[:cut])
        body[min(at, len(body) - 1)] = value % 256
        expected, found = by_python(sealed(body)), decode(library, sealed(body), book)
        if expected is None:
            assert isinstance(found, int)
            refused += 1
        else:
            assert np.array_equal(found, expected)
    assert refused > 10


BROKEN = dict(broken_codebooks())


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_codebooks_are_refused(library, fault):
    assert Book(library, serialise(BROKEN[fault], {})).status == CODEBOOK


def test_codebooks_are_known_by_their_content(library, synthetic_path, synthetic_codebook):
    assert Book(library, synthetic_path.read_bytes()).id == synthetic_codebook.id
    other = codebook_tensors()
    other["splits"] = other["splits"][::-1]
    path = synthetic_path.with_name("other.safetensors")
    path.write_bytes(serialise(other, {"a": '"\\\n'}))
    assert Book(library, path.read_bytes()).id == load_codebook(path).id != synthetic_codebook.id
    largest = Book(library, serialise(codebook_tensors() | layers(16), {}))
    assert largest.status == OK


def test_damaged_codebooks_are_refused_or_others(library, synthetic_path, synthetic_codebook):
    content = synthetic_path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    for length in (0, 7, 8, 9, header - 1, header, len(content) - 1):
        assert Book(library, content[:length]).status == CODEBOOK
    assert Book(library, content + b"\0").status == CODEBOOK
    metadata = content.index(b'"last_diagonals')
    for place, value in draw("books", (300, 2), 0, 2**30):
        at = place % header
        mutant = bytearray(content)
        mutant[at] = value % 256
        found = Book(library, bytes(mutant))
        if found.status == OK and mutant != content and at > metadata:
            assert found.id != synthetic_codebook.id


def compiler(prefix=""):
    """A C compiler; the test is skipped if there is none."""
    found = shutil.which(f"{prefix}gcc") or (not prefix and shutil.which("cc"))
    if not found:
        pytest.skip(f"there is no {prefix}gcc")
    return found


def run(command, file, tmp_path, *more):
    """Pixels that the program writes of a file."""
    path = tmp_path / "picture.sinr"
    path.write_bytes(file)
    result = subprocess.run([*command, BOOK, path, *more], capture_output=True, check=True)
    kind, size, most, pixels = result.stdout.split(b"\n", 3)
    width, height = map(int, size.split())
    assert most == b"255"
    shape = (height, width) if kind == b"P5" else (height, width, 3)
    return np.frombuffer(pixels, np.uint8).reshape(shape)


@pytest.mark.skipif(sys.platform != "linux", reason="links with a library that is made to be loaded")
def test_the_example_writes_pictures(library, files, tmp_path):
    program = tmp_path / "sinr2ppm"
    source = NATIVE / "examples" / "sinr2ppm.c"
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    subprocess.run([compiler(), *warnings, source, library._name, "-lm", "-o", program], check=True)
    for kind in ("grey", "weighted"):
        assert np.array_equal(run([program], files[kind], tmp_path), inrcodec.decode(files[kind]))
    twice = run([program], files["rgb"], tmp_path, "2", "2")
    assert np.abs(twice.astype(int) - inrcodec.decode(files["rgb"], scale=2)).max() <= 1
    path = tmp_path / "no.sinr"
    path.write_bytes(b"no")
    refused = subprocess.run([program, BOOK, path], capture_output=True, check=False)
    assert refused.returncode == 1
    assert b"not a .sinr file" in refused.stderr
    assert subprocess.run([program], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("machine", ["aarch64", "s390x"])
def test_other_machines_give_the_same_pixels(tmp_path, machine):
    """s390x is big-endian. Programs of these machines run in an emulator."""
    emulator = shutil.which(f"qemu-{machine}")
    if not emulator:
        pytest.skip(f"there is no qemu-{machine}")
    program, tools = tmp_path / "sinr2ppm", f"{machine}-linux-gnu-"
    sources = [*sorted((NATIVE / "src").glob("*.c")), NATIVE / "examples" / "sinr2ppm.c"]
    options = ["-std=gnu99", "-O1", "-static", "-pthread"]
    subprocess.run([compiler(tools), *options, *sources, "-lm", "-o", program], check=True)
    for name in GOLDEN:
        assert np.array_equal(run([emulator, program], golden(name), tmp_path), colours(golden(name))), name


class Part(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("columns", "rows", "x", "y", "width", "height")]


class Picture:
    """A picture that is looked at, in C; `status` tells whether it can be."""

    def __init__(self, library, file, book, memory=1 << 28):
        self.library, self.pointer, self.kept = library, ctypes.c_void_p(), (file, book)
        self.status = library.sinr_picture_open(
            file,
            ctypes.c_size_t(len(file)),
            book.pointer,
            ctypes.c_size_t(memory),
            ctypes.byref(self.pointer),
        )
        self.channels = inspect(library, file)[1].channels

    def render(self, size, part=None, draft=False):
        """Pixels (height, width, channels) of a part (x, y, width, height), and how many pieces were left."""
        part = part or (0, 0, *size)
        pixels = np.zeros((part[3], part[2], self.channels), np.uint8)
        pieces: list[int] = []
        left = ctypes.c_int(1)
        while left.value:
            status = self.library.sinr_picture_render(
                self.pointer,
                ctypes.byref(Part(*size, *part)),
                draft,
                ctypes.c_void_p(pixels.ctypes.data),
                ctypes.byref(left),
                None,
            )
            if status:
                return status, pieces
            pieces.append(left.value)
        return pixels, pieces

    def close(self):
        self.library.sinr_picture_close(self.pointer)


@pytest.fixture(scope="module")
def tiled(photo):
    """A file of six tiles, and its size."""
    pixels = np.tile(photo, (6, 9, 1))[:1100, :2100]
    return inrcodec.encode(pixels, quality=10), (2100, 1100)


def test_a_picture_shows_the_pixels_of_decode_and_works_once(library, book, tiled):
    file, size = tiled
    picture = Picture(library, file, book)
    assert picture.status == OK
    pixels, pieces = picture.render(size)
    assert np.array_equal(pixels, inrcodec.decode(file))
    assert pieces == [*range(6 + 9 * 5, -1, -1)]
    again, pieces = picture.render(size, (1000, 1000, 100, 70))
    assert np.array_equal(again, pixels[1000:1070, 1000:1100])
    assert pieces == [0]
    picture.close()


@pytest.mark.parametrize("size", [(313, 171), (2100, 1101), (6301, 3299)], ids=str)
def test_parts_of_a_picture_at_any_size_fit(library, book, tiled, size):
    file, _ = tiled
    picture = Picture(library, file, book)
    corner = (size[0] - 150, size[1] - 100, 150, 100)
    whole, _ = picture.render(size, corner)
    x, y, width, height = corner
    halves = [picture.render(size, (x + n * 75, y, 75, height))[0] for n in range(2)]
    assert np.abs(np.hstack(halves).astype(int) - whole).max() <= 1
    expected = inrcodec.decode(file, size=size)[y : y + height, x : x + width]
    assert np.abs(expected.astype(int) - whole).max() <= 1
    picture.close()


def test_a_draft_needs_no_restoration_and_no_neighbours(library, book, tiled):
    file, size = tiled
    picture = Picture(library, file, book)
    part = (1200, 100, 50, 40)
    draft, pieces = picture.render(size, part, draft=True)
    assert pieces == [1, 0]
    sharp, pieces = picture.render(size, part)
    assert pieces == [2, 1, 0]  # The tile to the left, and a patch.
    assert 0 < np.abs(draft.astype(int) - sharp).mean() < 10
    assert np.array_equal(picture.render(size, part, draft=True)[0], sharp)
    picture.close()


def test_a_picture_keeps_what_was_looked_at_last(library, book, tiled):
    file, size = tiled
    right, left = (2090, 1090, 10, 10), (0, 0, 10, 10)
    expected = inrcodec.decode(file)[1090:, 2090:]
    for memory, looks in (
        (1 << 28, ((right, 5), (left, 2), (right, 0), (left, 0))),
        # No room but for what is looked at: a patch, and the tiles around it.
        (0, ((right, 5), (right, 0), (left, 2), (right, 5))),
    ):
        picture = Picture(library, file, book, memory)
        for part, pieces in looks:
            pixels, done = picture.render(size, part)
            assert done == [*range(pieces, -1, -1)]
            assert part == left or np.array_equal(pixels, expected)
        picture.close()


@pytest.mark.parametrize("size", [(10, 10), (-5, 10), (10, 0)], ids=str)
@pytest.mark.parametrize(
    "part", [(-1, 0, 5, 5), (6, 0, 5, 5), (0, 6, 5, 5), (0, 0, 0, 5), (11, 0, 5, 5)], ids=str
)
def test_a_part_that_is_none_is_refused(library, book, tiled, size, part):
    picture = Picture(library, tiled[0], book)
    x, y, width, height = part
    left, pixels = ctypes.c_int(7), np.zeros(1000, np.uint8)
    found = ctypes.byref(Part(*size, x, y, width, height)), 0, ctypes.c_void_p(pixels.ctypes.data)
    assert library.sinr_picture_render(picture.pointer, *found, ctypes.byref(left), None) == ARGUMENT
    picture.close()


def test_a_damaged_tile_is_refused_where_it_is_looked_at(library, book, tiled):
    file, size = tiled
    assert Picture(library, file[:-1], book).status in (TRUNCATED, CORRUPT)
    container = unpack(file)
    tiles = (*container.tiles[:-1], container.tiles[-1] + b"\0")
    broken = Picture(library, pack(replace(container, tiles=tiles)), book)
    assert broken.status == OK
    assert broken.render(size, (0, 0, 100, 100))[0].shape == (100, 100, 3)
    for _ in range(2):
        assert broken.render(size)[0] == LEFT_OVER
    broken.close()
