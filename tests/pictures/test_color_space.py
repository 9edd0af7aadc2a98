"""Colour spaces told by code points or by gAMA and cHRM are kept as profiles, or refused; never forgotten."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from inrcodec.errors import InputError
from inrcodec.pictures.files import from_pil, read_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def saved(im, file_format="PNG", **options):
    out = io.BytesIO()
    im.save(out, file_format, **options)
    return out.getvalue()


def png_with(*inserted, pixels=PIXELS):
    data = saved(Image.fromarray(pixels))
    framed = [struct.pack(">L", len(b)) + k + b + struct.pack(">L", zlib.crc32(k + b)) for k, b in inserted]
    return data[:33] + b"".join(framed) + data[33:]


def to_srgb(profile, mode, colour):
    """What littleCMS makes of a colour."""
    transform = ImageCms.buildTransform(
        io.BytesIO(profile),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    return transform.apply(Image.new(mode, (1, 1), colour)).getpixel((0, 0))


def cicp(primaries, transfer, full=1):
    return b"cICP", bytes([primaries, transfer, 0, full])


def chrm(*numbers):
    return b"cHRM", struct.pack(">8L", *(round(100000 * n) for n in numbers))


def gama(value):
    return b"gAMA", struct.pack(">L", round(100000 * value))


SRGB_CHRM = chrm(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3_CHRM = chrm(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def test_display_p3_of_cicp_becomes_a_profile():
    """As the usual matrix of linear Display P3 to linear sRGB says."""
    profile = read_picture(png_with(cicp(12, 13))).icc
    assert profile
    assert to_srgb(profile, "RGB", (204, 102, 51)) == pytest.approx((219, 94, 31), abs=2)
    with Image.open(io.BytesIO(png_with(cicp(12, 13)))) as im:
        assert from_pil(im).icc == profile
    assert len(zlib.compress(profile)) < 320


def test_colours_that_are_srgb_need_no_profile():
    for chunks in ([cicp(1, 13)], [cicp(2, 2)], [gama(1 / 2.2), SRGB_CHRM], [gama(1 / 2.2)], [SRGB_CHRM]):
        assert read_picture(png_with(*chunks)).icc is None
    assert read_picture(png_with((b"sRGB", b"\0"), gama(1.0))).icc is None


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_refused(transfer, name):
    with pytest.raises(InputError, match=rf"HDR \({name}\)"):
        read_picture(png_with(cicp(9, transfer)))


def test_unknown_code_points_are_refused():
    for chunk, words in (
        (cicp(77, 13), "primaries 77"),
        (cicp(1, 12), "transfer 12"),
        (cicp(1, 1, 0), "narrow"),
    ):
        with pytest.raises(InputError, match=words):
            read_picture(png_with(chunk))


def test_gamma_and_chromaticities_become_a_profile():
    linear = read_picture(png_with(gama(1.0))).icc
    assert linear
    assert to_srgb(linear, "RGB", (55, 55, 55)) == pytest.approx((128, 128, 128), abs=1)
    assert read_picture(png_with(P3_CHRM)).icc == read_picture(png_with(cicp(12, 13))).icc
    grey = read_picture(png_with(gama(1.0), pixels=PIXELS[:, :, 0])).icc
    assert grey
    assert to_srgb(grey, "L", 55) == pytest.approx((128, 128, 128), abs=1)
    with pytest.raises(InputError, match="no colours"):
        read_picture(png_with(chrm(*[0.3] * 8)))


def nclx(primaries, transfer):
    return b"colrnclx" + struct.pack(">HHHB", primaries, transfer, 6, 0x80)


def test_code_points_of_avif_become_a_profile():
    data = saved(Image.new("RGB", (16, 16), (200, 30, 60)), "AVIF")
    assert data.count(nclx(1, 13)) == 1
    assert read_picture(data).icc is None
    p3 = data.replace(nclx(1, 13), nclx(12, 13))
    assert read_picture(p3).icc == read_picture(png_with(cicp(12, 13))).icc
    with pytest.raises(InputError, match="PQ"):
        read_picture(data.replace(nclx(1, 13), nclx(9, 16)))


def test_adobe_rgb_of_cameras_becomes_a_profile():
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[0xA005] = {1: "R03"}
    profile = read_picture(saved(Image.fromarray(PIXELS), "JPEG", exif=exif)).icc
    assert profile
    # By the usual matrix; the red lies outside of sRGB.
    red, green, blue = to_srgb(profile, "RGB", (100, 200, 100))
    assert red < 20
    assert (green, blue) == pytest.approx((201, 92), abs=2)
