"""Which files are opened, and what of them: frames, depth, truncated files, plugins."""

import builtins
import io
import struct

import numpy as np
import pytest
from PIL import ExifTags, Image

from inrcodec.errors import InputError, LimitError, PictureWarning
from inrcodec.limits import Limits
from inrcodec.pictures.files import read_picture
from inrcodec.pictures.jxl_header import read_header

Y, X = np.mgrid[:24, :32]
PIXELS = np.dstack([8 * X, 10 * Y, 4 * (X + Y)]).astype(np.uint8)


def saved(im, file_format="PNG", **options):
    out = io.BytesIO()
    im.save(out, file_format, **options)
    return out.getvalue()


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_one_frame_of_several(file_format):
    colours = ["red", "lime", "blue"]
    frames = [Image.new("RGB", (16, 16), colour) for colour in colours]
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = saved(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
    for number in (1, 2, 3):
        assert np.argmax(read_picture(data, frame=number).pixels[8, 8]) == number - 1
    for number in (0, 4):
        with pytest.raises(InputError, match=f"no frame or page {number}: it has 3"):
            read_picture(data, frame=number)
    assert read_picture(saved(frames[0]), frame=1).pixels.shape == (16, 16, 3)


def test_a_truncated_jpeg_is_read_as_far_as_it_goes():
    whole = saved(Image.fromarray(np.tile(PIXELS, (4, 4, 1))), "JPEG")
    data = whole[: len(whole) * 2 // 3]
    with pytest.raises(InputError, match="truncated"):
        read_picture(data)
    with pytest.warns(PictureWarning, match="JPEG is truncated"):
        pixels = read_picture(data, lenient=True).pixels
    intact = read_picture(whole, lenient=True).pixels
    assert pixels.shape == intact.shape
    assert np.array_equal(pixels[:24], intact[:24])
    assert not np.array_equal(pixels, intact)
    with pytest.raises(InputError, match="cannot be read"):
        read_picture(saved(Image.fromarray(PIXELS))[:-40], lenient=True)


def deep_tiff(levels, photometric=1):
    """A 16-bit grey TIFF."""
    data = saved(Image.fromarray(levels), "TIFF")
    entry = struct.pack("<HHLH", 262, 3, 1, 1)
    assert data.count(entry) == 1
    return data.replace(entry, struct.pack("<HHLH", 262, 3, 1, photometric))


def test_deep_samples_are_converted_when_asked_for():
    levels = np.array([[0, 128, 129, 257, 65535, 40000]], np.uint16)
    rounded = [0, 0, 1, 1, 255, 156]
    for data in (saved(Image.fromarray(levels)), deep_tiff(levels)):
        with pytest.raises(InputError, match=r"16-bit images are not supported; ask for 8 bits \(--depth 8"):
            read_picture(data)
        assert read_picture(data, depth=8).pixels[0, :, 0].tolist() == rounded
    negative = read_picture(deep_tiff(levels, photometric=0), depth=8).pixels
    assert negative[0, :, 0].tolist() == [255 - level for level in (0, 0, 1, 1, 255, 156)]
    netpbm = b"P5 2 1 1023\n" + struct.pack(">HH", 1023, 512)
    assert read_picture(netpbm, depth=8).pixels[0, :, 0].tolist() == [255, 128]
    colour = b"P6 1 1 65535\n" + struct.pack(">HHH", 65535, 32768, 0)
    assert read_picture(colour, depth=8).pixels.tolist() == [[[255, 128, 0]]]
    with pytest.raises(InputError, match="floating-point"):
        read_picture(saved(Image.new("F", (2, 2)), "TIFF"), depth=8)
    with pytest.raises(ValueError, match="depth must be 8"):
        read_picture(netpbm, depth=10)


def test_tga_is_told_by_its_footer_or_name(tmp_path):
    data = saved(Image.fromarray(PIXELS), "TGA")
    assert np.array_equal(read_picture(data).pixels, PIXELS)
    old = data[: -len(b"\0" * 8 + b"TRUEVISION-XFILE.\0")]
    for wrong in (old, b"text" + data):
        with pytest.raises(InputError, match="not an image"):
            read_picture(wrong)
    path = tmp_path / "x.TGA"
    path.write_bytes(old)
    assert np.array_equal(read_picture(path).pixels, PIXELS)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
JXL = b"\xff\x0a" + bytes(40)


@pytest.mark.parametrize(
    ("data", "module", "extra"), [(HEIC, "pillow_heif", "heic"), (JXL, "pillow_jxl", "jxl")]
)
def test_a_missing_plugin_is_named(monkeypatch, data, module, extra):
    real = builtins.__import__

    def missing(name, *arguments):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(name=name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=rf"pip install 'inrcodec\[{extra}\]'"):
        read_picture(data)


def test_heic():
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Maker"
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(PIXELS)).save(out, quality=95, exif=exif.tobytes())
    picture = read_picture(out.getvalue())
    assert picture.pixels.shape == (32, 24, 3)
    assert np.abs(picture.pixels.astype(int) - np.rot90(PIXELS, -1)).mean() < 4
    assert picture.exif
    assert b"Maker" in picture.exif
    with pytest.raises(LimitError):
        read_picture(out.getvalue(), Limits(max_side=20))
    deep = pillow_heif.from_bytes("RGB;16", (8, 8), bytes(8 * 8 * 6))
    out = io.BytesIO()
    deep.save(out)
    with pytest.raises(InputError, match=r"1[02]-bit"):
        read_picture(out.getvalue())
    assert read_picture(out.getvalue(), depth=8).pixels.shape == (8, 8, 3)


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_jxl():
    pytest.importorskip("pillow_jxl")
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Orientation] = 6  # which JPEG XL files tell themselves
    data = saved(
        Image.fromarray(PIXELS), "JXL", lossless=True, exif=exif.tobytes(), xmp=b"<x/>", use_container=True
    )
    picture = read_picture(data)
    assert np.array_equal(picture.pixels, PIXELS)
    assert picture.xmp == b"<x/>"
    assert picture.exif
    assert b"Maker" in picture.exif
    assert picture.icc is None
    with pytest.raises(LimitError):
        read_picture(data, Limits(max_side=20))
    deep = saved(Image.fromarray(PIXELS[:, :, 0].astype(np.uint16) * 257), "JXL", lossless=True)
    with pytest.raises(InputError, match="16-bit"):
        read_picture(deep)
    assert np.array_equal(read_picture(deep, depth=8).pixels, PIXELS[:, :, :1])


class Bits:
    """Writes numbers, the least significant bit first."""

    def __init__(self):
        self.value, self.count = 0, 0

    def put(self, *fields):
        for value, width in fields:
            self.value |= value << self.count
            self.count += width
        return self

    def file(self):
        return b"\xff\x0a" + self.value.to_bytes(70, "little")


def test_headers_of_jxl():
    small = read_header(Bits().put((1, 1), (2, 5), (1, 3), (1, 1)).file())
    assert (small.width, small.height, small.bit_depth, small.animated) == (24, 24, 8, False)
    size = ((0, 1), (0, 2), (99, 9), (0, 3), (1, 2), (299, 13))  # 100 high, 300 wide
    deep = read_header(Bits().put(*size, (0, 1), (1, 1), (5, 3), (0, 3), (0, 1), (1, 2)).file())
    assert (deep.width, deep.height, deep.bit_depth) == (100, 300, 10)  # it lies on its side
    moving = read_header(Bits().put(*size, (0, 1), (1, 1), (0, 3), (0, 2), (1, 1)).file())
    assert moving.animated
    for wrong in (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"):
        with pytest.raises(InputError, match="JPEG XL"):
            read_header(wrong)
