"""Image files in and out: modes, depth, alpha, orientation, profiles, limits, broken input."""

import base64
import io
import random
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image, ImageCms

from inrcodec.errors import EncodeError, InputError, LimitError, PictureWarning
from inrcodec.limits import Limits
from inrcodec.pictures.files import from_pil, read_picture, write_picture
from inrcodec.pictures.picture import Picture

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# A profile of its own: sRGB with the primaries of red and green exchanged.
RGB_PROFILE = SRGB_PROFILE.replace(b"rXYZ", b"....").replace(b"gXYZ", b"rXYZ").replace(b"....", b"gXYZ")
GREY_PROFILE = RGB_PROFILE[:16] + b"GRAY" + RGB_PROFILE[20:]


def noise(*shape, seed=0):
    """Random uint8 array."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def saved(im, file_format="PNG", **options):
    """The bytes of a Pillow image in a file format."""
    out = io.BytesIO()
    im.save(out, file_format, **options)
    return out.getvalue()


def deep_png(colour_type, width=3, height=2, depth=16):
    """A PNG with more than 8 bits per sample, built by hand: Pillow does not write all of them."""

    def chunk(kind, body):
        return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))

    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    rows = b"".join(b"\0" + bytes(width * channels * depth // 8) for _ in range(height))
    head = struct.pack(">LLBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def deep_tiff():
    """A little-endian 16-bit RGB TIFF of 2 x 1 pixels."""
    pixels = struct.pack("<6H", *range(0, 60000, 10000))
    entries = [
        (256, 3, 1, 2),
        (257, 3, 1, 1),
        (258, 3, 3, 0),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 0),
        (277, 3, 1, 3),
        (278, 3, 1, 1),
        (279, 4, 1, len(pixels)),
    ]
    after = 8 + 2 + 12 * len(entries) + 4
    offsets = {258: after, 273: after + 6}
    directory = b"".join(struct.pack("<HHLL", t, k, n, offsets.get(t, v)) for t, k, n, v in entries)
    return (
        b"II*\0"
        + struct.pack("<LH", 8, len(entries))
        + directory
        + struct.pack("<L3H", 0, 16, 16, 16)
        + pixels
    )


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("extension", ["png", "tiff", "webp"])
def test_native_layouts_come_back_unchanged(tmp_path, channels, extension):
    pixels = noise(5, 7, channels)
    if channels in (2, 4):
        pixels[..., -1] |= 1  # lossless WebP may recolour fully transparent pixels
    path = tmp_path / f"x.{extension}"
    write_picture(Picture(pixels), path)
    back = read_picture(path).pixels
    if extension == "webp" and channels < 3:  # WebP has no grey mode
        assert (back[..., 0] == back[..., 1]).all()
        back = np.concatenate([back[..., :1], back[..., 3:]], axis=2)
    np.testing.assert_array_equal(back, pixels)


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)], ids=["L", "LA", "RGB", "RGBA"]
)
def test_from_pil_keeps_the_layout(mode, channels):
    im = Image.new(mode, (3, 2))
    assert from_pil(im).pixels.shape == (2, 3, channels)


def test_bilevel_becomes_grey():
    im = Image.fromarray(noise(4, 5) > 128)
    pixels = read_picture(saved(im)).pixels
    assert pixels.shape == (4, 5, 1)
    np.testing.assert_array_equal(pixels[..., 0], np.array(im) * 255)


def test_palette_is_expanded():
    im = Image.fromarray(noise(6, 6, 3)).quantize(16)
    np.testing.assert_array_equal(read_picture(saved(im)).pixels, np.array(im.convert("RGB")))


@pytest.mark.parametrize("transparency", [3, bytes([0, 128, 255])], ids=["one index", "table"])
def test_palette_transparency_becomes_alpha(transparency):
    im = Image.fromarray(noise(6, 6, 3)).quantize(8)
    data = saved(im, transparency=transparency)
    pixels = read_picture(data).pixels
    assert pixels.shape == (6, 6, 4)
    np.testing.assert_array_equal(pixels, np.array(Image.open(io.BytesIO(data)).convert("RGBA")))
    assert pixels[..., 3].min() < 255


@pytest.mark.parametrize(("mode", "key", "channels"), [("L", 7, 2), ("RGB", (7, 7, 7), 4), ("1", 0, 2)])
def test_colour_key_transparency_becomes_alpha(mode, key, channels):
    im = Image.new(mode, (2, 1), 255 if mode != "RGB" else (9, 9, 9))
    im.putpixel((0, 0), key)
    pixels = read_picture(saved(im, transparency=key)).pixels
    assert pixels.shape == (1, 2, channels)
    assert pixels[0, :, -1].tolist() == [0, 255]


def test_cmyk_is_converted_and_its_profile_dropped():
    cmyk = Image.new("CMYK", (2, 2), (255, 0, 0, 0))
    picture = read_picture(saved(cmyk, "TIFF", icc_profile=RGB_PROFILE[:16] + b"CMYK" + RGB_PROFILE[20:]))
    assert picture.icc is None
    assert picture.pixels[0, 0].tolist() == [0, 255, 255]


def test_cmyk_jpeg_is_not_inverted():
    data = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = read_picture(data).pixels[8, 8].tolist()
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.skipif(int(PIL.__version__.partition(".")[0]) < 13, reason="Pillow before 13 cannot read it")
def test_ycbcr_tiff_is_converted():
    im = Image.new("RGB", (16, 16), (200, 30, 60))
    data = saved(im.convert("YCbCr"), "TIFF")
    np.testing.assert_allclose(read_picture(data).pixels[8, 8], [200, 30, 60], atol=3)


def test_lab_tiff_is_converted():
    lab = Image.new("LAB", (2, 2), (255, 128, 128))
    np.testing.assert_allclose(read_picture(saved(lab, "TIFF")).pixels[0, 0], [255, 255, 255], atol=1)
    red = Image.new("LAB", (2, 2), (138, 128 + 81, 128 + 70))  # CIE Lab of sRGB red (D50): 54.3, 80.8, 69.9
    np.testing.assert_allclose(read_picture(saved(red, "TIFF")).pixels[0, 0], [255, 0, 0], atol=8)


@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
def test_16_bit_png_is_refused(colour_type):
    with pytest.raises(InputError, match="16-bit"):
        read_picture(deep_png(colour_type))


def test_16_bit_png_opened_lazily_by_the_caller_is_refused():
    with Image.open(io.BytesIO(deep_png(2))) as im, pytest.raises(InputError, match="16-bit"):
        from_pil(im)


def test_16_bit_tiff_is_refused():
    with Image.open(io.BytesIO(deep_tiff())) as im:
        assert im.mode == "RGB"  # what makes the check necessary
    with pytest.raises(InputError, match="16-bit"):
        read_picture(deep_tiff())


@pytest.mark.parametrize(("magic", "words"), [(b"P5", "10-bit"), (b"P6", "10-bit")])
def test_deep_netpbm_is_refused(magic, words):
    data = magic + b"\n# a comment 8\n2 1\n1023\n" + bytes(12)
    with pytest.raises(InputError, match=words):
        read_picture(data)


def test_shallow_netpbm_is_scaled():
    assert read_picture(b"P5 2 1 15 \x0f\x00").pixels[..., 0].tolist() == [[255, 0]]


def test_deep_jpeg2000_is_refused():
    data = bytearray(saved(Image.fromarray(noise(8, 8, 3)), "JPEG2000"))
    components = data.index(b"\xff\x4f\xff\x51") + 42
    data[components : components + 9 : 3] = bytes([11, 11, 11])
    with pytest.raises(InputError, match="12-bit"):
        read_picture(bytes(data))


# One grey of 4 x 4 pixels, made with imagecodecs 2026.3.6 (avif_encode); Pillow writes 8-bit AVIF only.
DEEP_AVIF = {
    10: (
        "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAA"
        "AAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAHwAAAChpaW5mAAAAAAABAAAA"
        "GmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAABAAAAAQAAAAQcGl4aQAA"
        "AAADCgoKAAAADGF2MUOBIEAAAAAAE2NvbHJuY2x4AAIAAgAGgAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAAJ21kYXQS"
        "AAoIOAR9vAgIGkAyERlCYwTAADQAAACQP5sMYJFg"
    ),
    12: (
        "AAAAHGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZgAAAOttZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
        "AAAAAAAAAA5waXRtAAAAAAABAAAAHmlsb2MAAAAARAAAAQABAAAAAQAAAQ8AAAAeAAAAKGlpbmYAAAAAAAEAAAAaaW5m"
        "ZQIAAAAAAQAAYXYwMUNvbG9yAAAAAGppcHJwAAAAS2lwY28AAAAUaXNwZQAAAAAAAAAEAAAABAAAABBwaXhpAAAAAAMM"
        "DAwAAAAMYXYxQ4FAYAAAAAATY29scm5jbHgAAgACAAaAAAAAF2lwbWEAAAAAAAAAAQABBAECgwQAAAAmbWRhdBIACghY"
        "BH2tAgIGiDIQGUJjBMAANAAAkD+bDGFFuA=="
    ),
}


@pytest.mark.parametrize("depth", DEEP_AVIF)
def test_deep_avif_is_refused(depth):
    with pytest.raises(InputError, match=f"{depth}-bit"):
        read_picture(base64.b64decode(DEEP_AVIF[depth]))


def test_8_bit_avif_is_read():
    data = saved(Image.new("RGB", (16, 16), (200, 30, 60)), "AVIF", quality=90)
    np.testing.assert_allclose(read_picture(data).pixels[8, 8], [200, 30, 60], atol=3)


@pytest.mark.parametrize("mode", ["F", "I", "I;16"])
def test_deep_modes_are_refused(mode):
    with pytest.raises(InputError, match="not supported"):
        from_pil(Image.new(mode, (2, 2)))
    with pytest.raises(InputError, match="not supported"):
        read_picture(saved(Image.new(mode, (2, 2)), "TIFF"))


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_frames_are_refused(file_format):
    frames = [Image.fromarray(noise(4, 4, 3, seed=i)) for i in range(3)]
    data = saved(frames[0], file_format, save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=r"3 frames or pages; choose one \(--page N, frame=N\)"):
        read_picture(data)


def test_main_picture_of_a_multi_picture_jpeg_is_read():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert read_picture(data).pixels[8, 8, 0] > 240


def upright_and_stored(orientation):
    """A picture as it should be seen, and as a camera held that way stores it."""
    upright = noise(4, 6, 3)
    undo = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    return upright, Image.fromarray(np.ascontiguousarray(undo[orientation]))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_orientation_is_applied_once(orientation, file_format):
    upright, stored = upright_and_stored(orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    picture = read_picture(saved(stored, file_format, exif=exif))
    np.testing.assert_array_equal(picture.pixels, upright)
    if file_format == "PNG":  # EXIF of a TIFF is the TIFF itself and is not kept
        kept = Image.Exif()
        assert picture.exif
        kept.load(picture.exif)
        assert kept[0x0112] == 1
        assert kept[0x010F] == "Maker"
        again = io.BytesIO()
        write_picture(picture, again)
        np.testing.assert_array_equal(read_picture(again.getvalue()).pixels, upright)


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "tiff"])
def test_metadata_travels(tmp_path, extension):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    picture = read_picture(saved(Image.fromarray(noise(8, 8, 3)), exif=exif, icc_profile=RGB_PROFILE))
    assert picture.icc == RGB_PROFILE
    path = tmp_path / f"x.{extension}"
    write_picture(picture, path)
    with Image.open(path) as im:
        assert im.getexif()[0x010F] == "Maker"
        assert im.info["icc_profile"] == RGB_PROFILE


def test_maker_notes_survive_a_turn():
    """Everything but the orientation stays, also what Pillow would not write back."""
    entries = struct.pack("<HHHLHHHHLL", 2, 0x0112, 3, 1, 6, 0, 0x927C, 7, 9, 38) + bytes(4) + b"MAKERNOTE"
    block = b"II*\0" + struct.pack("<L", 8) + entries
    picture = read_picture(saved(Image.new("RGB", (4, 2)), exif=b"Exif\0\0" + block))
    assert picture.pixels.shape == (4, 2, 3)
    assert picture.exif == block[:18] + b"\1" + block[19:]


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_thumbnail_goes(order):
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", 8)
    first = struct.pack(order + "HHHLHHL", 1, 0x0112, 3, 1, 8, 0, 26)
    second = struct.pack(order + "HHHLLHHLLL", 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, 9, 0)
    block = head + first + second + b"THUMBNAIL" + b"rest"
    picture = read_picture(saved(Image.new("RGB", (4, 2)), exif=b"Exif\0\0" + block))
    assert picture.pixels.shape == (4, 2, 3)
    upright = struct.pack(order + "HHHLHHL", 1, 0x0112, 3, 1, 1, 0, 0)
    assert picture.exif == head + upright + second + bytes(9) + b"rest"


@pytest.mark.parametrize(
    "exif", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"junk"]
)
@pytest.mark.filterwarnings("ignore:.*EXIF")
def test_broken_exif_does_no_harm(exif):
    im = Image.new("RGB", (4, 2))
    im.info["exif"] = b"Exif\0\0" + exif
    assert from_pil(im).pixels.shape == (2, 4, 3)


def test_profile_of_another_colour_space_is_dropped():
    grey, colour = Image.fromarray(noise(4, 4)), Image.fromarray(noise(4, 4, 3))
    assert read_picture(saved(grey, icc_profile=GREY_PROFILE)).icc == GREY_PROFILE
    for im, profile in ((grey, RGB_PROFILE), (colour, GREY_PROFILE)):
        with pytest.warns(PictureWarning, match="profile for other channels is left out"):
            assert read_picture(saved(im, "TIFF", icc_profile=profile)).icc is None


def test_a_profile_that_only_says_srgb_is_dropped():
    with Image.open(Path(__file__).parents[2] / "examples" / "chelsea.png") as im:
        assert len(im.info["icc_profile"]) == 3144  # the usual "sRGB IEC61966-2.1"
        assert from_pil(im).icc is None
    colour = Image.fromarray(noise(4, 4, 3))
    assert read_picture(saved(colour, icc_profile=SRGB_PROFILE)).icc is None
    broken = SRGB_PROFILE[:200]
    assert read_picture(saved(colour, icc_profile=broken)).icc == broken


def test_limits_hold_before_pixels_are_decoded():
    header = deep_png(2, depth=8).replace(struct.pack(">LL", 3, 2), struct.pack(">LL", 9000, 9000))
    start = header.index(b"IHDR")
    crc = struct.pack(">L", zlib.crc32(header[start : start + 17]))
    bomb = header[: start + 17] + crc + header[start + 21 :]
    with pytest.raises(LimitError, match="9000 x 9000"):
        read_picture(bomb, Limits(max_pixels=1_000_000))
    with pytest.raises(LimitError, match="9000 x 9000"):
        read_picture(bomb, Limits(max_side=8000))


def test_pillows_own_limit_is_reported_as_ours(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(LimitError, match=r"16 pixels.* exceeds limit of 10 pixels"):
        read_picture(saved(Image.new("L", (16, 1))))  # a warning, which this test run turns into an error
    with pytest.raises(LimitError, match=r"64 pixels.* exceeds limit of 20 pixels"):
        read_picture(saved(Image.new("L", (64, 1))))


def test_metadata_limit():
    data = saved(Image.new("RGB", (2, 2)), icc_profile=RGB_PROFILE)
    with pytest.raises(LimitError, match="ICC profile"):
        read_picture(data, Limits(max_metadata_bytes=100))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"SINR\x01....", "already a .sinr"),
        (b"hello, world", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "not an image"),
        (saved(Image.new("RGB", (64, 64)))[:60], "cannot be read"),
    ],
    ids=["empty", "sinr", "text", "eps", "truncated"],
)
def test_what_is_no_image_is_refused(data, message):
    with pytest.raises(InputError, match=message) as caught:
        read_picture(data)
    assert "\n" not in str(caught.value)


FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "JPEG2000", "QOI")


def flipped(data, place):
    """The same bytes, one of them inverted."""
    changed = bytearray(data)
    changed[place] ^= 0xFF
    return bytes(changed)


@pytest.mark.parametrize("file_format", FORMATS)
def test_damage_that_is_noticed_is_named(file_format):
    whole = saved(Image.fromarray(noise(12, 9, 3)), file_format)
    with pytest.raises(InputError, match=r"^not an image, or of a format that is not supported$"):
        read_picture(flipped(whole, 0))
    with pytest.raises(InputError, match=r"^the image cannot be read: \S"):
        read_picture(whole[: len(whole) // 2])


def test_a_broken_checksum_is_noticed():
    whole = saved(Image.fromarray(noise(12, 9, 3)))
    with pytest.raises(InputError, match=r"^the image cannot be read: \S"):
        read_picture(flipped(whole, len(whole) // 2))


@pytest.mark.parametrize("file_format", ["GIF", "BMP", "PPM", "TIFF", "QOI"])
def test_without_checksums_a_changed_byte_changes_one_pixel(file_format):
    whole = saved(Image.fromarray(noise(12, 9, 3)), file_format)
    found = read_picture(flipped(whole, len(whole) // 2)).pixels
    assert (found != read_picture(whole).pixels).any(-1).sum() == 1


@pytest.mark.parametrize("file_format", FORMATS)
def test_what_follows_an_image_is_ignored(file_format):
    whole = saved(Image.fromarray(noise(12, 9, 3)), file_format)
    np.testing.assert_array_equal(read_picture(whole + b"junk").pixels, read_picture(whole).pixels)


REFUSALS = {
    InputError: r"the input is empty|not an image, or.*|the image cannot be read: .+|.* images are not .*"
    r"|it has \d+ frames.*",
    LimitError: r"(a picture of \d+ x \d+|Image size \(\d+) pixels.* exceeds.*|the .+ of \d+ bytes exceeds.*",
}
"""The one line that errors say; Pillow tells of its own limit."""


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_give_small_pictures_or_errors_of_ours(file_format):
    rng = random.Random(file_format)  # noqa: S311
    whole = saved(Image.fromarray(noise(12, 9, 3)), file_format)
    intact = read_picture(whole).pixels
    shapes, refusals = [], []
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(min(len(data), 200))] = rng.randrange(256)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        try:
            pixels = read_picture(bytes(data), Limits(max_pixels=10_000)).pixels
        except (InputError, LimitError) as error:
            refusals.append(error)
        else:
            assert pixels.dtype == np.uint8
            assert pixels.shape[0] * pixels.shape[1] <= 10_000
            shapes.append(pixels.shape)
    assert intact.shape in shapes
    assert len(refusals) > 10
    assert [str(e) for e in refusals if not re.fullmatch(REFUSALS[type(e)], str(e))] == []


def test_paths_and_streams(tmp_path):
    data = saved(Image.fromarray(noise(4, 4, 3)))
    path = tmp_path / "x.png"
    path.write_bytes(data)

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    expected = read_picture(data).pixels
    for source in (path, str(path), io.BytesIO(data), Pipe(data), data, bytearray(data), memoryview(data)):
        np.testing.assert_array_equal(read_picture(source).pixels, expected)
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "missing.png")


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((2, 2, 3), np.float32), "not float32"),
        (np.zeros((2, 2), np.uint8), r"not \(2, 2\)"),
        (np.zeros((2, 2, 5), np.uint8), r"not \(2, 2, 5\)"),
    ],
    ids=["float", "two axes", "five channels"],
)
def test_picture_refuses_other_arrays(pixels, words):
    with pytest.raises(InputError, match=words):
        Picture(pixels)


def test_pictures_without_pixels_are_refused():
    with pytest.raises(InputError, match="no pixels"):
        from_pil(Image.new("RGB", (0, 0)))


@pytest.mark.parametrize("extension", ["jpg", "bmp", "ppm"])
def test_alpha_is_never_dropped_silently(tmp_path, extension):
    path = tmp_path / f"x.{extension}"
    with pytest.raises(EncodeError, match="alpha"):
        write_picture(Picture(noise(2, 2, 4)), path)
    assert not path.exists()


def test_formats_to_write(tmp_path):
    picture = Picture(noise(2, 3, 3))
    for extension in ("bmp", "ppm", "PNG"):
        write_picture(picture, tmp_path / f"x.{extension}")
        np.testing.assert_array_equal(read_picture(tmp_path / f"x.{extension}").pixels, picture.pixels)
    write_picture(picture, stream := io.BytesIO(), file_format="webp")
    assert stream.getvalue()[8:12] == b"WEBP"
    with pytest.raises(EncodeError, match="unknown output format 'xyz'"):
        write_picture(picture, Path("x.xyz"))
    with pytest.raises(EncodeError, match="WEBP"):
        write_picture(Picture(np.zeros((1, 20000, 3), np.uint8)), io.BytesIO(), file_format="webp")
