"""What travels with pixels: EXIF, XMP, resolution, and what is said where something cannot."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, TiffImagePlugin

from inrcodec.errors import EncodeError, InputError, LimitError, PictureWarning
from inrcodec.limits import Limits
from inrcodec.pictures.exif import EMPTY, resolution, with_entries
from inrcodec.pictures.files import read_picture, write_picture
from inrcodec.pictures.picture import Picture
from inrcodec.pictures.png_chunks import chunks

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="Cat">'
    b"<tiff:ImageWidth>99</tiff:ImageWidth><exif:PixelXDimension>9</exif:PixelXDimension>"
    b"<xmp:Rating>5</xmp:Rating></rdf:Description></x:xmpmeta>"
)
CLEAN_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:title="Cat">'
    b"<xmp:Rating>5</xmp:Rating></rdf:Description></x:xmpmeta>"
)


def saved(im, file_format="PNG", **options):
    out = io.BytesIO()
    im.save(out, file_format, **options)
    return out.getvalue()


def written(picture, file_format, **options):
    out = io.BytesIO()
    write_picture(picture, out, file_format, **options)
    return out.getvalue()


def chunk(kind, body, *, wrong=False):
    crc = zlib.crc32(kind + body) ^ wrong
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", crc)


def png_with(*inserted, im=None):
    """A PNG with chunks after its header."""
    data = saved(im or Image.fromarray(PIXELS))
    return data[:33] + b"".join(inserted) + data[33:]


def camera_exif(order="II"):
    """A block as cameras write it, with tags about another file's layout, in this byte order."""
    exif = Image.Exif()
    exif.endian = "<" if order == "II" else ">"
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.ImageWidth] = 9999
    exif[ExifTags.Base.ImageLength] = 8888
    exif[ExifTags.Base.PhotometricInterpretation] = 6
    exif[ExifTags.Base.SamplesPerPixel] = 1
    exif[ExifTags.Base.Compression] = 6
    exif[ExifTags.Base.XResolution] = TiffImagePlugin.IFDRational(300)
    exif[ExifTags.Base.YResolution] = TiffImagePlugin.IFDRational(300)
    exif[ExifTags.Base.ResolutionUnit] = 2
    exif.get_ifd(ExifTags.IFD.Exif).update({36867: "2026:01:02 03:04:05", 0xA002: 9999, 0xA003: 8888})
    exif.get_ifd(ExifTags.IFD.Exif)[0x927C] = b"MAKERNOTE"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (48.0, 8.0, 15.0)})
    return exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("file_format", ["tiff", "jpg", "png", "webp"])
def test_camera_exif_goes_into_every_format_without_touching_its_pixels(file_format, order):
    exif = camera_exif(order)
    assert exif.startswith(order.encode())
    data = written(Picture(PIXELS, exif=exif, xmp=XMP), file_format)
    with Image.open(io.BytesIO(data)) as im:
        assert im.size == (8, 6)
        error = np.abs(np.array(im.convert("RGB")).astype(int) - PIXELS)
        assert error.mean() < (5 if file_format == "jpg" else 1e-9)
        found = im.getexif()
        assert found[ExifTags.Base.Make] == "Maker"
        inside = found.get_ifd(ExifTags.IFD.Exif)
        assert inside[36867] == "2026:01:02 03:04:05"
        assert (inside[0xA002], inside[0xA003]) == (8, 6)
        assert inside[0x927C] == b"MAKERNOTE"
        assert found.get_ifd(ExifTags.IFD.GPSInfo)[2] == (48.0, 8.0, 15.0)
        if file_format != "tiff":
            assert ExifTags.Base.PhotometricInterpretation not in found
            assert ExifTags.Base.ImageWidth not in found
    again = read_picture(data)
    assert again.xmp == CLEAN_XMP or file_format != "png"
    assert again.exif
    assert resolution(again.exif) == (300, 300)


def test_other_programs_read_the_tiff():
    tifffile = pytest.importorskip("tifffile")
    big = np.tile(PIXELS, (60, 70, 1))  # several strips
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = written(Picture(big, icc, camera_exif("MM"), CLEAN_XMP), "tiff")
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages[0]
        assert np.array_equal(page.asarray(), big)
        assert page.tags[34665].value["DateTimeOriginal"] == "2026:01:02 03:04:05"
        assert page.tags[34675].value == icc
        assert page.tags[700].value == CLEAN_XMP


def test_a_broken_exif_block_does_not_stop_the_tiff():
    with pytest.warns(PictureWarning, match="broken EXIF"):
        data = written(Picture(PIXELS, exif=b"II*\0\xff\xff\xff\xff"), "tiff")
    assert np.array_equal(read_picture(data).pixels, PIXELS)


@pytest.mark.parametrize(
    "broken",
    [
        b"MM\0*" + struct.pack(">LH", 8, 32) + bytes(90),  # a directory longer than the block
        with_entries(EMPTY, {282: (7, bytes(10)), 283: (7, bytes(10)), 296: (3, (3,))}),  # no rationals
    ],
    ids=["overrun", "resolution"],
)
def test_directories_that_would_break_the_tiff_do_not_get_in(broken):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PictureWarning)
        data = written(Picture(PIXELS, exif=broken), "tiff")
    assert np.array_equal(read_picture(data).pixels, PIXELS)


def test_exif_of_a_tiff_is_kept():
    data = written(Picture(PIXELS, exif=camera_exif()), "tiff")
    exif = read_picture(data).exif
    found = Image.Exif()
    assert exif
    found.load(exif)
    assert found[ExifTags.Base.Make] == "Maker"
    assert found.get_ifd(ExifTags.IFD.Exif)[36867] == "2026:01:02 03:04:05"
    assert not set(found) & {256, 257, 258, 259, 262, 273, 277}
    assert read_picture(written(Picture(PIXELS), "tiff")).exif is None


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_xmp_is_kept_without_what_it_says_about_the_file(file_format):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    options: dict[str, object] = {"exif": exif, "xmp": XMP}
    if file_format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"] = text
    elif file_format == "TIFF":
        options["tiffinfo"] = {700: XMP}
    picture = read_picture(saved(Image.fromarray(PIXELS), file_format, **options))
    assert picture.xmp == CLEAN_XMP
    for target in ("png", "jpg", "webp", "tiff"):
        assert read_picture(written(picture, target)).xmp == CLEAN_XMP


@pytest.mark.parametrize(
    "marker",
    [b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"', b"urn:com:apple:photo:2020:aux:hdrgainmap"],
)
def test_a_gain_map_is_dropped_aloud(marker):
    xmp = b"<rdf:Description " + marker + b' hdrgm:Version="1.0"/>'
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "MPO", save_all=True, append_images=frames[1:], xmp=xmp)
    with pytest.warns(PictureWarning, match="gain map"):
        picture = read_picture(data)
    assert picture.xmp
    assert b"hdrgm:Version" not in picture.xmp


@pytest.mark.parametrize("kind", ["text", "xmp", "wrong checksum"])
def test_long_or_damaged_texts_do_not_cost_the_picture(kind):
    """More than the 1 MiB that Pillow takes, and a checksum that is not right."""
    long = b"<x>" + bytes(3 << 20) + b"</x>"
    if kind == "text":
        assert read_picture(png_with(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(long)))).xmp is None
    elif kind == "xmp":
        body = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(long)
        assert read_picture(png_with(chunk(b"iTXt", body))).xmp == long
        with pytest.warns(PictureWarning, match="XMP packet exceeds the limit of 1000 bytes"):
            assert read_picture(png_with(chunk(b"iTXt", body)), Limits(max_metadata_bytes=1000)).xmp is None
    else:
        with pytest.warns(PictureWarning, match="damaged tEXt"):
            picture = read_picture(png_with(chunk(b"tEXt", b"Author\0me", wrong=True)))
        assert np.array_equal(picture.pixels, PIXELS)


def test_a_profile_above_the_limit_is_refused():
    data = png_with(chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(3000))))
    with pytest.raises(LimitError, match="ICC profile exceeds"):
        read_picture(data, Limits(max_metadata_bytes=1000))


def test_a_damaged_png_is_no_stranger():
    data = saved(Image.fromarray(PIXELS))
    with pytest.raises(InputError, match="damaged PNG"):
        read_picture(data[:20] + b"\xff" + data[21:])


def test_exif_in_a_raw_profile_turns_the_picture_and_is_kept():
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Orientation] = 6
    block = exif.tobytes()
    text = b"\nexif\n%8d\n" % len(block) + block.hex().encode() + b"\n"
    body = b"Raw profile type exif\0\0" + zlib.compress(text)
    picture = read_picture(png_with(chunk(b"zTXt", body)))
    assert picture.pixels.shape == (8, 6, 3)
    kept = Image.Exif()
    assert picture.exif
    kept.load(picture.exif)
    assert (kept[ExifTags.Base.Make], kept[ExifTags.Base.Orientation]) == ("Maker", 1)


@pytest.mark.parametrize("name", ["exif", "xmp"])
def test_what_is_too_long_for_jpeg_is_left_out_aloud(name):
    block = {"exif": with_entries(EMPTY, {0x927C: (7, bytes(70000))}), "xmp": b"<x>" + bytes(70000) + b"</x>"}
    picture = Picture(PIXELS, **{name: block[name]})
    with pytest.warns(PictureWarning, match=f"{name.upper()} of .* too long for JPEG"):
        data = written(picture, "jpg")
    assert read_picture(data).pixels.shape == PIXELS.shape
    assert read_picture(written(picture, "png")).pixels.shape == PIXELS.shape


@pytest.mark.parametrize("file_format", ["bmp", "ppm"])
def test_formats_without_metadata_say_so(file_format):
    with pytest.warns(PictureWarning, match="cannot hold EXIF"):
        written(Picture(PIXELS, exif=camera_exif()), file_format)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("dots", [(300, 300), (600, 300), (72, 72)])
def test_print_resolution_is_kept(file_format, dots):
    picture = read_picture(saved(Image.fromarray(PIXELS), file_format, dpi=dots))
    if dots == (72, 72):  # what a picture without a resolution is taken to have
        assert picture.exif is None
        return
    for target in ("png", "jpg", "tiff"):
        with Image.open(io.BytesIO(written(picture, target))) as im:
            assert im.info["dpi"] == pytest.approx(dots, abs=0.05)


def tiff(samples, bits=8, **tags):
    """An uncompressed little-endian TIFF of samples (H, W, C), with other values of tags."""
    height, width, channels = samples.shape
    entries = {256: width, 257: height, 258: [bits] * channels, 259: 1, 262: 2 if channels > 2 else 1}
    entries |= {277: channels, 278: height, 279: samples.nbytes, 273: 0} | {
        int(k[1:]): v for k, v in tags.items()
    }
    directory = {
        tag: (3 if tag != 273 else 4, value if isinstance(value, list) else [value])
        for tag, value in entries.items()
    }
    start = len(EMPTY)
    directory[273] = (4, [start])
    return with_entries(EMPTY + samples.tobytes(), directory)


def test_extra_samples_are_dropped_aloud():
    samples = np.dstack([PIXELS, PIXELS[:, :, :2]])
    with pytest.warns(PictureWarning, match="2 extra samples"):
        picture = read_picture(tiff(samples, t338=[0, 0]))
    assert np.array_equal(picture.pixels, PIXELS)
    assert np.array_equal(read_picture(tiff(PIXELS)).pixels, PIXELS)
    alpha = np.dstack([PIXELS, PIXELS[:, :, 0]])
    assert np.array_equal(read_picture(tiff(alpha, t338=2)).pixels, alpha)


def test_signed_samples_are_refused():
    with pytest.raises(InputError, match="signed"):
        read_picture(tiff(PIXELS[:, :, :1], t339=2))


def test_alpha_is_laid_over_a_background():
    pixels = np.array([[[200, 0], [200, 255], [200, 51]]], np.uint8)
    with pytest.raises(EncodeError, match="--background"):
        written(Picture(pixels), "bmp")
    grey = read_picture(written(Picture(pixels), "bmp", background=(100, 100, 100))).pixels
    assert grey[0, :, 0].tolist() == [100, 200, 120]
    colour = read_picture(written(Picture(pixels), "ppm", background=(255, 0, 0))).pixels
    assert colour[0].tolist() == [[255, 0, 0], [200, 200, 200], [244, 40, 40]]


def test_chunks_end_with_the_file():
    data = saved(Image.fromarray(PIXELS))
    assert [kind for kind, _, _ in chunks(data)] == [b"IHDR", b"IDAT", b"IEND"]
    assert [kind for kind, _, _ in chunks(data[:-1])] == [b"IHDR", b"IDAT"]
