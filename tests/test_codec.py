"""encode, decode and inspect, as a user calls them."""

import json
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

import inrcodec
from inrcodec import codec
from inrcodec.container import FULL_STRENGTH, TILE, Weighting, pack, unpack
from inrcodec.decoding.picture import render_region
from inrcodec.errors import (
    CodebookNotFoundError,
    EncodeError,
    FormatError,
    InputError,
    LimitError,
)
from inrcodec.kernels import VARIABLE, compiled
from inrcodec.limits import DEFAULT_LIMITS
from inrcodec.metrics import ssimulacra2


def psnr(a, b):
    error = ((a.astype(np.float64) - b) ** 2).mean()
    return 10 * np.log10(255**2 / error)


@pytest.fixture(scope="module")
def encoded(photo):
    """The photo at the default quality."""
    return inrcodec.encode(photo)


@pytest.mark.parametrize("size", [(1, 1), (1, 17), (33, 5), (257, 65), (31, 32), (40, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_comes_back(size, channels):
    width, height = size
    pixels = data.astronaut()[:height, 100 : 100 + width, :channels]
    got = inrcodec.decode(inrcodec.encode(pixels, quality=90))
    assert got.shape == ((height, width) if channels == 1 else (height, width, 3))
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - pixels.reshape(got.shape)).mean() < 8


def test_decoding_is_the_same_however_it_is_asked_for(encoded, photo):
    picture = inrcodec.decode(encoded)
    assert psnr(picture, photo) > 28
    for options in ({"scale": 1.0}, {"size": (256, 192)}, {"crop": (0, 0, 256, 192)}, {"device": "cpu"}):
        assert np.array_equal(inrcodec.decode(encoded, **options), picture)
    assert np.array_equal(inrcodec.decode(cast(bytes, bytearray(encoded))), picture)


def test_channel_layouts(photo):
    alpha = np.random.default_rng(0).integers(0, 256, photo.shape[:2], dtype=np.uint8)[:, :, None]
    small, alpha = photo[:48, :64], alpha[:48, :64]
    layouts = {
        1: small[:, :, :1],
        2: np.concatenate([small[:, :, :1], alpha], 2),
        3: small,
        4: np.concatenate([small, alpha], 2),
    }
    for channels, pixels in layouts.items():
        file = inrcodec.encode(pixels)
        info = inrcodec.inspect(file)
        assert (info.channels, info.has_alpha) == (channels, channels in (2, 4))
        got = inrcodec.decode(file)
        assert got.shape == ((48, 64) if channels == 1 else (48, 64, channels))
        if info.has_alpha:
            assert np.array_equal(got[:, :, -1], alpha[:, :, 0])
    flat = inrcodec.encode(small[:, :, 0])
    assert flat == inrcodec.encode(small[:, :, :1])


def test_grey_stays_grey_and_costs_less_than_rgb(photo):
    grey = photo[:, :, :1]
    greys, colours = (
        [inrcodec.encode(pixels, quality=quality) for quality in (20, 50, 80)]
        for pixels in (grey, grey.repeat(3, 2))
    )
    # In sum: chroma of zeros costs some bytes, and so may other decisions about luma.
    assert sum(map(len, greys)) < sum(map(len, colours))
    rgb = inrcodec.decode(colours[1]).astype(int)
    assert np.abs(rgb[:, :, 0] - inrcodec.decode(greys[1])).mean() < 2


def test_alpha_follows_crop_and_scale(photo):
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8) * 4, (48, 64))[:, :, None]
    file = inrcodec.encode(np.concatenate([photo[:48, :64], ramp], 2))
    assert np.array_equal(inrcodec.decode(file, crop=(10, 5, 20, 30))[:, :, 3], ramp[5:35, 10:30, 0])
    whole = inrcodec.decode(file, scale=2)[:, :, 3]
    part = inrcodec.decode(file, scale=2, crop=(10, 5, 20, 30))[:, :, 3]
    assert np.abs(part.astype(int) - whole[10:70, 20:60]).max() <= 1


@pytest.mark.parametrize("kind", [Image.fromarray, inrcodec.Picture], ids=["pillow", "picture"])
def test_other_kinds_of_pictures(photo, kind):
    assert inrcodec.encode(kind(photo[:40, :40])) == inrcodec.encode(photo[:40, :40])


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 4, 3)), "uint8, not float64"),
        (np.zeros((4, 4, 5), np.uint8), "1 to 4 channels"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.zeros(4, np.uint8), "must have shape"),
        (np.zeros((4, 4), np.uint16), "uint8, not uint16"),
        (Image.new("F", (4, 4)), "floating-point images"),
        ("photo.png", "expected an array, .* got str"),
        ([[1, 2], [3, 4]], "expected an array, .* got list"),
        (None, "expected an array, .* got None"),
    ],
)
def test_what_is_no_8_bit_picture_is_refused(image, words):
    with pytest.raises(InputError, match=words):
        inrcodec.encode(image)


def test_pictures_that_could_not_be_decoded_are_refused():
    with pytest.raises(LimitError):
        inrcodec.encode(np.broadcast_to(np.uint8(0), (1, 65536)))
    with pytest.raises(LimitError):
        inrcodec.encode(np.broadcast_to(np.uint8(0), (1 << 14, (1 << 14) + 1)))


def test_quality_is_monotone(photo):
    sizes, errors = [], []
    small = photo[:96, :128]
    for quality in (1, 25, 50, 75, 100):
        file = inrcodec.encode(small, quality=quality)
        assert inrcodec.inspect(file).quality == quality
        sizes.append(len(file))
        errors.append(psnr(inrcodec.decode(file), small))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors)
    assert errors[0] < 28
    assert errors[-1] > 38


def test_rate_targets_are_met_and_nearly_used_up(photo):
    # Large enough that sizes hardly jump from step to step.
    small = photo[:128, :128]
    bits = 8 * len(inrcodec.encode(small, bpp=1.5)) / small[:, :, 0].size
    assert 1.45 < bits <= 1.5
    size = len(inrcodec.encode(small, max_bytes=1000))
    assert 950 < size <= 1000


@pytest.mark.parametrize("target", [{"bpp": 1e308}, {"max_bytes": 10**400}], ids=["bpp", "bytes"])
def test_generous_targets_take_what_there_is(photo, target):
    small = photo[:16, :16]
    finest = inrcodec.encode(small, max_bytes=10**6)
    assert inrcodec.encode(small, **target) == finest


def test_psnr_targets_are_met_and_hardly_exceeded(photo):
    # Large enough that quality hardly jumps from step to step.
    small = photo[:128, :128]
    for target in (28.0, 36.0):
        file = inrcodec.encode(small, psnr=target)
        assert target <= psnr(inrcodec.decode(file), small) < target + 0.3


def test_targets_out_of_reach(photo):
    small = photo[:32, :32]
    for options in ({"bpp": 0.001}, {"max_bytes": 5}):
        with pytest.raises(EncodeError, match=r"out of reach .*: \d+ bytes is the least") as least:
            inrcodec.encode(small, **options)
        smallest = int(str(least.value).split()[-5])
        assert len(inrcodec.encode(small, max_bytes=smallest)) == smallest
    with pytest.raises(EncodeError, match=r"out of reach .*: \d+\.\d dB is the most"):
        inrcodec.encode(small, psnr=90.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quality": 50, "bpp": 1.0}, "at most one of quality, bpp"),
        ({"psnr": 30.0, "max_bytes": 100}, "at most one of quality, bpp"),
        ({"quality": 0}, "quality must be between"),
        ({"quality": 101}, "quality must be between"),
        ({"bpp": 0.0}, "must be positive"),
        ({"bpp": float("inf")}, "must be positive"),
        ({"psnr": float("nan")}, "must be positive"),
        ({"max_bytes": -1}, "must be positive"),
        ({"effort": 0}, "effort must be between 1 and 9"),
        ({"effort": 10}, "effort must be between"),
        ({"entropy": "huffman"}, "entropy must be"),
        ({"tune": "piano"}, "tune must be"),
        ({"tune": Weighting(0, 256, 0, 64)}, "tune must be"),
        ({"tune": Weighting(0, 0, 16, 64)}, "tune must be"),
        ({"device": "abacus"}, "device must be"),
    ],
)
def test_wrong_arguments_of_encode(options, words):
    with pytest.raises(ValueError, match=words):
        inrcodec.encode(np.zeros((8, 8), np.uint8), **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": 1.0, "size": (4, 4)}, "only one of scale and size"),
        ({"scale": 0.0}, "scale must be"),
        ({"scale": float("nan")}, "scale must be"),
        ({"scale": float("inf")}, "scale must be"),
        ({"scale": 1e308}, "scale must be"),
        ({"size": (0, 5)}, "size must be at least 1 x 1"),
        ({"crop": (0, 0, 0, 5)}, "region 0,0,0,5 is not inside"),
        ({"crop": (-1, 0, 5, 5)}, "region -1,0,5,5 is not inside"),
        ({"crop": (250, 0, 7, 5)}, "region 250,0,7,5 is not inside"),
        ({"device": "abacus"}, "device must be"),
    ],
)
def test_wrong_arguments_of_decode(encoded, options, words):
    with pytest.raises(ValueError, match=words):
        inrcodec.decode(encoded, **options)


def test_entropy_coders_carry_the_same_picture(photo):
    small = photo[:64, :96]
    files = {name: inrcodec.encode(small, entropy=name) for name in ("auto", "rans", "zstd")}
    assert files["auto"] == files["rans"]
    assert inrcodec.inspect(files["zstd"]).entropy == "zstd"
    assert np.array_equal(inrcodec.decode(files["zstd"]), inrcodec.decode(files["rans"]))
    assert len(files["rans"]) < len(files["zstd"])


@pytest.mark.parametrize("crop", [(0, 0, 1, 1), (37, 21, 64, 50), (255, 191, 1, 1), (0, 100, 256, 3)])
def test_a_crop_is_cut_from_the_whole(encoded, crop):
    x, y, w, h = crop
    assert np.array_equal(inrcodec.decode(encoded, crop=crop), inrcodec.decode(encoded)[y : y + h, x : x + w])
    twice = inrcodec.decode(encoded, scale=2)[2 * y : 2 * (y + h), 2 * x : 2 * (x + w)]
    part = inrcodec.decode(encoded, scale=2, crop=crop)
    assert np.abs(part.astype(int) - twice).max() <= 1


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"scale": 2}, (384, 512)),
        ({"scale": 0.5}, (96, 128)),
        ({"scale": 0.001}, (1, 1)),
        ({"size": (100, 7)}, (7, 100)),
        ({"size": (30, 30), "crop": (10, 10, 10, 20)}, (30, 30)),
    ],
)
def test_output_sizes(encoded, options, shape):
    assert inrcodec.decode(encoded, **options).shape == (*shape, 3)


def test_smaller_output_is_close_to_a_mean(encoded, photo):
    half = inrcodec.decode(encoded, scale=0.5)
    box = photo.reshape(96, 2, 128, 2, 3).mean((1, 3))
    assert psnr(half, box) > 29


def test_a_picture_of_several_tiles():
    strip = np.tile(data.coffee()[200:232], (1, 4, 1))[:, : 2 * TILE + 40]
    file = inrcodec.encode(strip, quality=70)
    assert inrcodec.inspect(file).tiles == 3
    whole = inrcodec.decode(file)
    assert psnr(whole, strip) > 30
    for x in (TILE - 7, TILE - 1, TILE, 2 * TILE - 20):
        assert np.array_equal(inrcodec.decode(file, crop=(x, 3, 30, 20)), whole[3:23, x : x + 30])
    twice = inrcodec.decode(file, scale=2)
    part = inrcodec.decode(file, scale=2, crop=(TILE - 20, 0, 40, 32))
    assert np.abs(part.astype(int) - twice[:, 2 * TILE - 40 : 2 * TILE + 40]).max() <= 1
    # Across the seam, errors are not much larger than anywhere else.
    error = np.abs(whole.astype(int) - strip).mean((0, 2))
    assert error[TILE - 2 : TILE + 2].mean() < 3 * error.mean()


@pytest.mark.parametrize("name", ["native", "numpy"])
def test_threads_or_processes_share_the_work_and_change_nothing(monkeypatch, name):
    if name == "native" and not compiled():
        pytest.skip("not compiled: there was no C compiler")
    monkeypatch.setenv(VARIABLE, name)
    strip = np.tile(data.coffee()[200:232], (1, 4, 1))[:, : TILE + 40]
    targets: list[dict[str, Any]] = [{"quality": 30}, {"psnr": 30}]
    for options in targets:
        file = inrcodec.encode(strip, **options)
        assert inrcodec.encode(strip, **options, jobs=2) == file
    assert 30 <= psnr(inrcodec.decode(file), strip) < 30.3
    views: list[dict[str, Any]] = [{}, {"scale": 2, "crop": (TILE - 20, 0, 40, 32)}]
    for options in views:
        assert np.array_equal(inrcodec.decode(file, **options, jobs=2), inrcodec.decode(file, **options))
    container = unpack(file)
    damaged = pack(replace(container, tiles=(container.tiles[0], container.tiles[1][:-1])))
    with pytest.raises(FormatError, match=r"truncated|corrupt"):
        inrcodec.decode(damaged, jobs=2)
    with pytest.raises(ValueError, match="jobs"):
        inrcodec.encode(strip, jobs=0)
    with pytest.raises(ValueError, match="jobs"):
        inrcodec.decode(file, jobs=0)


def test_tall_pictures_have_tiles_too():
    strip = np.swapaxes(np.tile(data.coffee()[200:232], (1, 3, 1)), 0, 1)[: TILE + 40]
    file = inrcodec.encode(strip, quality=60)
    assert inrcodec.inspect(file).tiles == 2
    whole = inrcodec.decode(file)
    assert psnr(whole, strip) > 28
    assert np.array_equal(
        inrcodec.decode(file, crop=(1, TILE - 9, 20, 30)), whole[TILE - 9 : TILE + 21, 1:21]
    )


def test_inspect(encoded, photo):
    info = inrcodec.inspect(encoded)
    assert (info.width, info.height, info.channels, info.version) == (256, 192, 3, 6)
    assert (info.quality, info.quantiser_step) == (50, 32)
    assert info.restoration == unpack(encoded).strength / FULL_STRENGTH
    assert info.codebook == next(c.id for c in inrcodec.available_codebooks() if c.is_default)
    assert (info.entropy, info.tiles, info.has_alpha) == ("rans", 1, False)
    assert info.file_bytes == len(encoded)
    assert info.bpp == 8 * len(encoded) / (256 * 192)
    json.dumps(vars(info))


def test_tunes_differ_in_what_they_keep():
    """At no more bytes: less squared error, or a better look."""
    for name in ("grass", "camera"):
        photo = getattr(data, name)()[100:228, 100:260]
        file = inrcodec.encode(photo)
        assert file == inrcodec.encode(photo, tune="psnr")
        same = inrcodec.encode(photo, tune="visual")
        assert len(same) == pytest.approx(len(file), rel=0.3)
        for tune, found in (("psnr", file), ("visual", same)):
            info = inrcodec.inspect(found)
            assert info.tune == tune
            assert info.quality == pytest.approx(50, abs=0.1)
        visual = inrcodec.encode(photo, tune="visual", max_bytes=len(file))
        exact, pleasant = inrcodec.decode(file), inrcodec.decode(visual)
        assert psnr(photo, exact) > psnr(photo, pleasant)
        looks = [ssimulacra2(*(np.dstack([p] * 3) for p in (photo, found))) for found in (exact, pleasant)]
        assert looks[0] is not None
        assert looks[1] is not None
        assert looks[1] > looks[0] + 1


def test_a_weighting_of_ones_own(photo):
    weighting = inrcodec.Weighting(luma=8, chroma=16, activity=3, ratio=50)
    file = inrcodec.encode(photo[:64, :64], tune=weighting)
    assert unpack(file).weighting == weighting
    assert inrcodec.inspect(file).tune == "other"
    assert psnr(inrcodec.decode(file), photo[:64, :64]) > 28


def test_metadata_comes_back(photo):
    file = inrcodec.encode(inrcodec.Picture(photo[:16, :16], b"profile" * 9, b"MM\0*" * 9, b"<x/>" * 9))
    picture = inrcodec.decode_picture(file)
    assert (picture.icc, picture.exif, picture.xmp) == (b"profile" * 9, b"MM\0*" * 9, b"<x/>" * 9)
    assert picture.pixels.shape == (16, 16, 3)
    info = inrcodec.inspect(file)
    assert info.icc_bytes > 0
    assert info.exif_bytes > 0
    assert info.xmp_bytes > 0
    assert inrcodec.decode_picture(inrcodec.encode(photo[:16, :16, 0])).pixels.shape == (16, 16, 1)


@pytest.mark.parametrize("name", ["icc", "exif", "xmp"])
def test_metadata_that_no_decoder_would_read_is_refused(name):
    pixels = np.zeros((8, 8, 1), np.uint8)
    limit = DEFAULT_LIMITS.max_metadata_bytes
    inrcodec.decode_picture(inrcodec.encode(inrcodec.Picture(pixels, **{name: bytes(limit)})))
    with pytest.raises(InputError, match=name.upper()):
        inrcodec.encode(inrcodec.Picture(pixels, **{name: bytes(limit + 1)}))


def test_other_codebooks(photo, synthetic_path, synthetic_codebook):
    file = inrcodec.encode(photo[:48, :48], quality=80, codebook=synthetic_path)
    assert inrcodec.inspect(file).codebook == synthetic_codebook.id.hex()
    with pytest.raises(CodebookNotFoundError, match=synthetic_codebook.id.hex()):
        inrcodec.decode(file)
    with pytest.raises(FormatError, match="needs codebook"):
        inrcodec.decode(file, codebook="default")
    assert psnr(inrcodec.decode(file, codebook=synthetic_path), photo[:48, :48]) > 25
    with pytest.raises(CodebookNotFoundError, match="default"):
        inrcodec.encode(photo, codebook="no such codebook")


@pytest.mark.parametrize("options", [{"quality": 40}, {"bpp": 0.5}])
def test_progress_rises_to_one(photo, options):
    seen: list[float] = []
    inrcodec.encode(photo[:40, :40], progress=seen.append, **options)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_progress_of_decoding_rises_to_one(encoded):
    seen: list[float] = []
    inrcodec.decode_picture(encoded, inrcodec.View(size=(1024, 2500)), progress=seen.append)
    assert len(seen) == 3
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_encoding_is_deterministic(encoded, photo):
    assert inrcodec.encode(photo) == encoded


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_an_error_of_ours(encoded, photo):
    for call in (
        lambda: inrcodec.encode(photo, device="cuda"),
        lambda: inrcodec.decode(encoded, device="cuda"),
    ):
        with pytest.raises(EncodeError, match="CUDA"):
            call()


def test_matrix_products_of_numpy_take_one_thread_and_get_theirs_back(photo, monkeypatch, blas_threads):
    monkeypatch.setenv(VARIABLE, "numpy")

    def render(*arguments):
        seen.append(blas_threads())
        render_region(*arguments)

    seen: list[set[int]] = []
    monkeypatch.setattr(codec, "render_region", render)
    data = inrcodec.encode(photo[:64, :64], progress=lambda _: seen.append(blas_threads()))
    inrcodec.decode(data)
    assert blas_threads() == {2}
    assert len(seen) > 1
    assert all(found == {1} for found in seen)


def cut_out(photo, hidden):
    """A disc of a photo, and what alpha hides around it."""
    y, x = np.mgrid[:96, :128]
    visible = (y - 48) ** 2 + (x - 64) ** 2 < 30**2
    colour = np.where(visible[:, :, None], photo[:96, :128], hidden).astype(np.uint8)
    return np.dstack([colour, 255 * visible.astype(np.uint8)]), visible


def test_what_alpha_hides_is_nearly_free(photo):
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3))
    files = [inrcodec.encode(cut_out(photo, hidden)[0]) for hidden in (noise, photo[:96, :128], 0)]
    assert files[0] == files[1] == files[2]
    black, kept = (inrcodec.encode(cut_out(photo, hidden)[0], keep_hidden=True) for hidden in (0, noise))
    assert len(files[0]) < len(black) < len(kept) / 5
    visible = cut_out(photo, 0)[1]
    assert psnr(inrcodec.decode(files[0])[visible][:, :3], photo[:96, :128][visible]) > 28
    assert psnr(inrcodec.decode(kept)[~visible][:, :3], noise[~visible].astype(np.uint8)) > 20


def test_a_picture_that_hides_everything_is_one_colour():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 4), np.uint8)
    pixels[:, :, 3] = 0
    decoded = inrcodec.decode(inrcodec.encode(pixels))
    assert np.unique(decoded[:, :, :3]).tolist() == [128]
    assert inrcodec.inspect(inrcodec.encode(pixels, psnr=40)).has_alpha


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.5, 2, 4])
@pytest.mark.parametrize("keep_hidden", [False, True])
def test_hidden_colours_do_not_show_at_other_sizes(scale, keep_hidden):
    """A white disc over hidden black stays white but for coding noise, in parts and as a whole."""
    y, x = np.mgrid[:64, :64]
    disc = ((y - 32) ** 2 + (x - 32) ** 2 < 20**2) * 255
    pixels = np.dstack([disc, disc, disc, disc]).astype(np.uint8)
    file = inrcodec.encode(pixels, quality=90, keep_hidden=keep_hidden)
    whole = inrcodec.decode(file, scale=scale)
    assert whole[whole[:, :, 3] > 8][:, :3].min() >= 240
    part = inrcodec.decode(file, scale=scale, crop=(0, 20, 64, 20))
    assert part[part[:, :, 3] > 8][:, :3].min() >= 240
    assert np.array_equal(inrcodec.decode(file, size=(64, 64))[:, :, 3], pixels[:, :, 3])


def test_an_even_transparency_changes_nothing(photo):
    flat = np.full((48, 64, 1), 60, np.uint8)
    with_alpha = inrcodec.encode(np.dstack([photo[:48, :64], flat]))
    opaque = inrcodec.encode(photo[:48, :64])
    for scale in (1, 2, 0.5):
        assert np.array_equal(
            inrcodec.decode(with_alpha, scale=scale)[:, :, :3], inrcodec.decode(opaque, scale=scale)
        )


@pytest.mark.parametrize("keep_hidden", [False, True])
def test_a_target_of_psnr_counts_what_is_visible(photo, keep_hidden):
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3))
    pixels, visible = cut_out(photo, noise)
    decoded = inrcodec.decode(inrcodec.encode(pixels, psnr=36, keep_hidden=keep_hidden))
    assert 36 <= psnr(decoded[visible][:, :3], pixels[visible][:, :3]) < 36.1


@pytest.mark.parametrize("channels", [1, 3])
def test_opaque_alpha_is_dropped(photo, channels):
    colour = photo[:32, :32, :channels]
    opaque = np.dstack([colour, np.full((32, 32), 255, np.uint8)])
    assert inrcodec.encode(opaque) == inrcodec.encode(colour)
