"""The Pillow plugin: lazy opening, drafts, saving with metadata, and what reads images through Pillow."""

import io
import pickle
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import imageio.v3
import numpy as np
import pytest
import skimage.io
from PIL import Image, ImageCms

import inrcodec
import inrcodec.pillow
from inrcodec import codec
from inrcodec.container import MAGIC

ROOT = Path(__file__).parents[1]
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# A profile that is not dropped as being sRGB: red and green exchanged.
PROFILE = SRGB_PROFILE.replace(b"rXYZ", b"....").replace(b"gXYZ", b"rXYZ").replace(b"....", b"gXYZ")


@pytest.fixture(autouse=True)
def _registered():
    inrcodec.pillow.register()


def picture(channels=3, height=24, width=40):
    """Smooth uint8 pixels; grey without a third axis."""
    y, x = np.mgrid[:height, :width]
    planes = [128 + 100 * np.sin(x / (5 + c) + c) * np.cos(y / (7 - c)) for c in range(channels)]
    pixels = np.stack(planes, axis=-1).astype(np.uint8)
    return pixels[:, :, 0] if channels == 1 else pixels


def exif(**tags):
    """An EXIF block of a maker and an orientation."""
    block = Image.Exif()
    block[0x010F] = "Maker"
    if "orientation" in tags:
        block[0x0112] = tags["orientation"]
    return block


@pytest.fixture
def decoded(monkeypatch):
    """The (width, height) of every picture that the plugin decodes from now on."""
    sizes = []
    real = codec.decode_picture

    def decode_picture(*arguments, **options):
        result = real(*arguments, **options)
        sizes.append(result.pixels.shape[1::-1])
        return result

    monkeypatch.setattr(inrcodec.pillow, "decode_picture", decode_picture)
    return sizes


@pytest.fixture(params=[1, 2, 3, 4], ids=["L", "LA", "RGB", "RGBA"])
def file(request, tmp_path):
    """A .sinr file, and its pixels."""
    path = tmp_path / "x.sinr"
    path.write_bytes(inrcodec.encode(picture(request.param)))
    return path, inrcodec.decode(path.read_bytes())


def test_nothing_is_registered_unasked():
    code = "import inrcodec.pillow\nfrom PIL import Image\nImage.init()\nassert 'SINR' not in Image.OPEN"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_registering_twice_changes_nothing():
    names = list(Image.ID)
    inrcodec.pillow.register()
    assert names == Image.ID
    assert Image.registered_extensions()[".sinr"] == "SINR"


def test_opening_decodes_nothing(file, decoded):
    path, pixels = file
    with Image.open(path) as im:
        assert (im.format, im.get_format_mimetype()) == ("SINR", "image/x-sinr")
        assert (im.size, len(im.getbands())) == ((40, 24), 1 if pixels.ndim == 2 else pixels.shape[2])
        assert decoded == []
        np.testing.assert_array_equal(np.asarray(im), pixels)
        assert decoded == [(40, 24)]
        im.load()
        assert decoded == [(40, 24)]


def test_an_opened_image_is_like_any_other(file):
    path, pixels = file
    with Image.open(io.BytesIO(path.read_bytes())) as im:
        np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(im))), pixels)  # noqa: S301
        copy = im.copy()
        im.paste(7, (0, 0, 40, 24))
    assert (np.asarray(im).reshape(24, 40, -1)[:, :, 0] == 7).all()
    np.testing.assert_array_equal(np.asarray(copy), pixels)
    with Image.open(path) as im:
        im.verify()


@pytest.mark.parametrize(
    ("wanted", "size"),
    [((20, 12), (20, 12)), ((10, 10), (17, 10)), ((10, 1), (10, 6)), ((1, 1), (2, 1)), ((0, 0), (2, 1))],
)
def test_a_draft_is_decoded_at_its_scale(tmp_path, decoded, wanted, size):
    path = tmp_path / "x.sinr"
    path.write_bytes(inrcodec.encode(picture()))
    with Image.open(path) as im:
        assert im.draft(None, wanted) == ("RGB", (0, 0, *size))
        assert im.size == size
        assert decoded == []
        np.testing.assert_array_equal(np.asarray(im), inrcodec.decode(path.read_bytes(), size=size))
    assert decoded == [size]


@pytest.mark.parametrize("wanted", [None, (40, 24), (41, 1), (40, 1), (100, 100)])
def test_a_draft_never_enlarges(tmp_path, decoded, wanted):
    path = tmp_path / "x.sinr"
    path.write_bytes(inrcodec.encode(picture()))
    with Image.open(path) as im:
        assert im.draft("L", wanted) is None
        assert (im.size, im.mode) == ((40, 24), "RGB")
        im.draft(None, (10, 6))
        assert im.draft(None, (20, 12)) is None
        im.load()
        assert im.draft(None, (5, 3)) is None
    assert decoded == [(10, 6)]


def test_a_thumbnail_is_decoded_small(tmp_path, decoded):
    path = tmp_path / "x.sinr"
    path.write_bytes(inrcodec.encode(picture(height=96, width=160)))
    with Image.open(path) as im:
        im.thumbnail((20, 20))
        assert im.size == (20, 12)
    assert decoded == [(67, 40)]  # it covers twice what was asked for, as Pillow has it


@pytest.mark.parametrize(
    "options", [{}, {"quality": 90}, {"max_bytes": 300}, {"tune": "visual", "effort": 1}]
)
def test_saving_is_encoding(tmp_path, options):
    image = Image.fromarray(picture())
    image.save(tmp_path / "x.sinr", **options)
    assert (tmp_path / "x.sinr").read_bytes() == inrcodec.encode(image, **options)
    image.save(stream := io.BytesIO(), "SINR", **options)
    assert stream.getvalue() == (tmp_path / "x.sinr").read_bytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_modes_are_saved_as_they_are_seen(tmp_path, mode):
    image = Image.fromarray(picture()).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(200)  # Alpha that is opaque everywhere is dropped.
    image.save(tmp_path / "x.sinr", quality=100)
    kept = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}.get(mode, mode)
    with Image.open(tmp_path / "x.sinr") as im:
        assert im.mode == kept
        if mode != "CMYK":
            difference = np.asarray(im, np.int16) - np.asarray(image.convert(kept), np.int16)
            assert np.abs(difference).mean() < 4


def test_metadata_travels(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "x.jpg", exif=exif(), icc_profile=PROFILE)
    with Image.open(tmp_path / "x.jpg") as im:
        im.save(tmp_path / "x.sinr")
    with Image.open(tmp_path / "x.sinr") as im:
        assert im.info["icc_profile"] == PROFILE
        assert im.getexif()[0x010F] == "Maker"
        im.save(tmp_path / "y.jpg", exif=im.info["exif"], icc_profile=im.info["icc_profile"])
    with Image.open(tmp_path / "y.jpg") as im:
        assert im.info["icc_profile"] == PROFILE
        assert im.getexif()[0x010F] == "Maker"


@pytest.mark.parametrize("kind", ["bytes", "Exif"])
def test_metadata_can_be_given(tmp_path, kind):
    block = exif()
    given = block if kind == "Exif" else block.tobytes()
    Image.fromarray(picture()).save(tmp_path / "x.sinr", icc_profile=PROFILE, exif=given)
    with Image.open(tmp_path / "x.sinr") as im:
        assert im.info["icc_profile"] == PROFILE
        assert im.getexif()[0x010F] == "Maker"


@pytest.mark.parametrize("nothing", [None, b""])
@pytest.mark.parametrize("given", [True, False])
def test_orientation_is_applied_and_metadata_can_be_left_out(tmp_path, nothing, given):
    Image.fromarray(picture()).save(tmp_path / "x.jpg", exif=exif(orientation=6), icc_profile=PROFILE)
    with Image.open(tmp_path / "x.jpg") as im:
        if given:
            im.save(tmp_path / "x.sinr", exif=im.getexif())
        else:
            im.save(tmp_path / "x.sinr", exif=nothing, icc_profile=nothing)
    with Image.open(tmp_path / "x.sinr") as im:
        assert im.size == (24, 40)
        assert ("exif" in im.info, "icc_profile" in im.info) == (given, given)
        assert im.getexif().get(0x0112, 1) == 1


def test_what_cannot_be_held_is_an_oserror(tmp_path):
    path = tmp_path / "x.sinr"
    with pytest.raises(OSError, match="cannot write as SINR: floating-point images"):
        Image.new("F", (4, 4)).save(path)
    with pytest.raises(OSError, match="out of reach"):
        Image.new("L", (4, 4)).save(path, max_bytes=3)
    with pytest.raises(ValueError, match="quality must be"):
        Image.new("L", (4, 4)).save(path, quality=0)
    assert not path.exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "version", "magic only"])
def test_damaged_files_are_oserrors_that_say_so(tmp_path, damage):
    data = inrcodec.encode(picture())
    bad = {
        "cut": data[:-20],
        "flipped": data[:-9] + bytes([data[-9] ^ 16]) + data[-8:],
        "version": data[:4] + b"\xff" + data[5:],
        "magic only": data[:4],
    }[damage]
    with pytest.raises(OSError, match=r"damaged|version|truncated"):
        Image.open(io.BytesIO(bad))


def test_a_missing_codebook_is_told_when_pixels_are_needed(synthetic_path):
    data = inrcodec.encode(picture(), codebook=synthetic_path)
    with Image.open(io.BytesIO(data)) as im:
        assert im.size == (40, 24)
        with pytest.raises(OSError, match="codebook"):
            im.load()


def test_pillows_own_limit_holds(monkeypatch):
    data = inrcodec.encode(picture())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))


def test_imageio_and_scikit_image_read_the_same_pixels(file):
    path, pixels = file
    np.testing.assert_array_equal(imageio.v3.imread(path), pixels)
    np.testing.assert_array_equal(imageio.v3.imread(path.read_bytes()), pixels)
    np.testing.assert_array_equal(skimage.io.imread(path), pixels)


def test_imageio_and_scikit_image_write(tmp_path):
    pixels = picture()
    imageio.v3.imwrite(tmp_path / "a.sinr", pixels, quality=70)
    assert (tmp_path / "a.sinr").read_bytes() == inrcodec.encode(pixels, quality=70)
    skimage.io.imsave(tmp_path / "b.sinr", pixels)
    assert (tmp_path / "b.sinr").read_bytes() == inrcodec.encode(pixels)


def test_the_mime_type_is_described_for_desktops():
    prefix = "{http://www.freedesktop.org/standards/shared-mime-info}"
    (kind,) = ElementTree.parse(ROOT / "docs" / "inrcodec-sinr.xml").getroot()  # noqa: S314
    assert kind.get("type") == inrcodec.pillow.MIME_TYPE
    assert {(glob.get("pattern")) for glob in kind.iter(f"{prefix}glob")} == {"*.sinr"}
    (match,) = kind.iter(f"{prefix}match")
    assert (match.get("offset"), match.get("value")) == ("0", MAGIC.decode())
