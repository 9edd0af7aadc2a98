"""Every kernel set that this machine can run gives the same integers: those pinned here, and numpy's."""

import hashlib
import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from skimage import data
from synthetic import draw, tile_symbols, write_payload

import inrcodec
from inrcodec.codebook import load_codebook
from inrcodec.container import FLAT, FULL_STRENGTH, Container, Weighting, pack, write_varint
from inrcodec.encoding.tile import fit_tile
from inrcodec.errors import EncodeError, FormatError
from inrcodec.kernels import VARIABLE, compiled, select
from inrcodec.signal.color import to_planes
from inrcodec.signal.quantiser import TUNES, VISUAL, Quantiser
from inrcodec.signal.resampling import axis
from inrcodec.signal.restoration import INPUTS, KERNELS, SAMPLES, Layer, RestorationNetwork
from inrcodec.tile.fixed_point import SAMPLE_MAX, WEIGHT_MAX
from inrcodec.tile.partition import SIZES

STEP = 320
NUMPY = select("cpu", "numpy")


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def whole(planes):
    """The box of all samples."""
    return 0, 0, *planes.shape[1:]


WEIGHTED = Weighting(24, 12, 5, 51)
GOLDEN = {
    (1, FLAT): (
        "b619b90eb482064bdebc11a60f924c7e3878e16be1253f2b8406d6d8eddbd1db",
        "ad5f294987d834ca84e8ecd3e755fe0cb4545f44260a1b5072b50c014b03831b",
        "47c9e014aadf4e082d27bed31dcc378984ee8aa173003fd0d6a9b2913158e798",
        "99664afff27fe2b135c5e20ddbafe44af40488a519ebfebc5e7051e39878b6ac",
    ),
    (3, FLAT): (
        "94e7877b958db8e63d37d86ef35cc345bc61576a58f469cae116b9a0fe87c396",
        "c83a1169aa7264d0ae518bed50e0446e8c2dd1ed9053464d19ac3203cbfd804e",
        "a3b9bd0e66cba8df8e4b48825f403a2b70d319f0348c1b085167b46e5ef991bf",
        "f4abccebaeada47f7a49260c68235255995ab769a646e7d4164626ed5de263b6",
    ),
    (3, WEIGHTED): (
        "50d8a5ae19fd42bab9afd0a7520363ca4339f7ffe1a205125d53f83c8eacf2cc",
        "6c6ee95f15f322059bd7cee9c46b74466aec7c0e75e580c5cd4f696ea45a502d",
        "5b2e1e8ebbac184ff4812a97284776721d30d5c3436c140e09164abf6c81733e",
        "358928ea6b3af7eac9593c75403001a76be00e6644177eb3459103386e329fd9",
    ),
}
"""Per number of channels and weighting, SHA-256 of the planes (int16) before and after restoration, of the
pixels, and of the file."""


@pytest.mark.parametrize(("channels", "weighting"), GOLDEN)
@pytest.mark.parametrize("entropy", ["rans", "zstd"])
def test_golden_hashes(kernels, synthetic_codebook, synthetic_path, channels, weighting, entropy):
    """Pinned: a change of any of these numbers is a change of the format."""
    book = synthetic_codebook
    symbols = tile_symbols(f"golden {channels}", (3, 2), channels)
    quantiser = Quantiser(STEP, weighting)
    planes = kernels.reconstruct(symbols, quantiser, book.predictors)
    step = quantiser.restoration_step
    restored = kernels.restore(book.restoration, planes, symbols.cells, step, FULL_STRENGTH, whole(planes))
    if entropy == "rans":
        tile = kernels.write_tile(symbols, STEP, book.entropy)
    else:
        tile = write_payload(symbols, STEP, book.entropy, entropy)
    grey = channels == 1
    file = pack(Container(61, 90, grey, STEP, book.id, entropy, (tile,), weighting=weighting))
    pixels = inrcodec.decode(file, codebook=synthetic_path)
    assert pixels.shape == ((90, 61) if grey else (90, 61, 3))
    assert len(np.unique(pixels)) > 100
    *expected, expected_file = GOLDEN[channels, weighting]
    assert [sha(planes.astype("<i2")), sha(restored.astype("<i2")), sha(pixels)] == expected
    if entropy == "rans":
        assert sha(np.frombuffer(file, np.uint8)) == expected_file


@pytest.mark.parametrize(("channels", "blocks"), [(1, (2, 3)), (3, (2, 3)), (1, (9, 29))])
def test_symbols_survive(kernels, synthetic_codebook, channels, blocks):
    model = synthetic_codebook.entropy
    symbols = tile_symbols(f"twin {channels}", blocks, channels)
    coded = kernels.write_tile(symbols, STEP, model)
    assert coded == NUMPY.write_tile(symbols, STEP, model)
    found = kernels.read_tile(coded, blocks, channels, STEP, model)
    assert np.array_equal(found.modes, symbols.modes)
    assert np.array_equal(found.transforms, symbols.transforms)
    for size in SIZES:
        assert np.array_equal(found.residuals[size], symbols.residuals[size])
    with pytest.raises(FormatError):
        kernels.read_tile(coded[:-1], blocks, channels, STEP, model)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("step", [16, STEP, 8192])
@pytest.mark.parametrize("weighting", [FLAT, VISUAL, Weighting(255, 9, 15, 40)])
def test_planes_are_the_same(kernels, synthetic_codebook, channels, step, weighting):
    book, quantiser = synthetic_codebook, Quantiser(step, weighting)
    symbols = tile_symbols(f"twin {channels}", (2, 3), channels)
    planes = kernels.reconstruct(symbols, quantiser, book.predictors)
    assert planes.shape == (channels, 64, 96)
    assert planes.dtype == np.int16
    assert np.array_equal(planes, NUMPY.reconstruct(symbols, quantiser, book.predictors))
    for box in (whole(planes), (8, 16, 40, 64)):
        found, expected = (
            k.restore(book.restoration, planes, symbols.cells, step, 7, box) for k in (kernels, NUMPY)
        )
        assert found.dtype == np.int16
        assert np.array_equal(found, expected)


def restoration_network(head, branch, tail):
    """One with so many layers."""
    channels = {
        "head": [INPUTS, *[5] * head],
        "down": [20, 3],
        "branch": [3, *[4] * branch],
        "up": [4, 20],
        "tail": [*[5] * tail, SAMPLES],
    }
    parts = {
        part: [
            Layer(
                draw(f"{part} weight {number}", (*widths[::-1], side, side), -60, 60).astype(np.float32),
                draw(f"{part} bias {number}", widths[1:], -9999, 9999).astype(np.float32),
                8,
            )
            for number, widths in enumerate(pairwise(channels[part]))
        ]
        for part, side in KERNELS.items()
    }
    return RestorationNetwork.of(parts)


@pytest.mark.parametrize("layers", [(1, 1, 1), (3, 1, 4), (1, 4, 2)])
def test_restoration_may_have_any_number_of_layers(kernels, layers):
    network = restoration_network(*layers)
    cells = tile_symbols("layers", (2, 5), 3).cells
    planes = draw("layers", (3, 64, 160), -900, 900).astype(np.int16)
    for strength, box in ((16, whole(planes)), (1, (4, 12, 56, 132)), (9, (60, 0, 64, 4))):
        found, expected = (k.restore(network, planes, cells, STEP, strength, box) for k in (kernels, NUMPY))
        assert np.array_equal(found, expected)
        before = planes[:, box[0] : box[2], box[1] : box[3]]
        assert len(np.unique(found - before)) > 40


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_corrections_are_clipped(kernels, sign):
    """They take more than 32 bits."""
    network = restoration_network(1, 1, 1)
    last = Layer(np.zeros((SAMPLES, 5, 3, 3), np.float32), np.full(SAMPLES, sign * 2.0**23, np.float32), 0)
    cells = tile_symbols("largest", (1, 1), 3).cells
    planes = draw("largest", (3, 32, 32), -900, 900).astype(np.int16)
    found = kernels.restore(replace(network, tail=(last,)), planes, cells, 8192, FULL_STRENGTH, whole(planes))
    assert (found == sign * SAMPLE_MAX).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_the_same_and_other_sizes_within_a_level(kernels, channels):
    planes = np.random.default_rng(channels).integers(-4000, 4000, (channels, 40, 56)).astype(np.int16)
    assert np.array_equal(kernels.to_pixels(planes), NUMPY.to_pixels(planes))
    for count in (17, 40, 90):
        rows, cols = axis(0, 40, count), axis(3.5, 50, 2 * count)
        grid = (rows.sources(40), rows.taps), (cols.sources(56), cols.taps)
        found, expected = (k.render(planes, *grid).astype(int) for k in (kernels, NUMPY))
        assert found.shape == (count, 2 * count, channels)
        assert np.abs(found - expected).max() <= 1
        assert (found != expected).mean() < 0.01


@pytest.mark.parametrize("weighting", [FLAT, Weighting(255, 255, 15, 255)])
def test_hostile_residuals_stay_bounded_and_exact(kernels, synthetic_codebook, weighting):
    """The largest a file can hold: every sum must still be an exact integer."""
    step = 16
    symbols = tile_symbols("hostile", (2, 2), 3, WEIGHT_MAX // step, 1)
    for residuals in symbols.residuals.values():
        residuals[residuals > 0] = WEIGHT_MAX // step
        residuals[residuals < 0] = -(WEIGHT_MAX // step)
    quantiser = Quantiser(step, weighting)
    planes = kernels.reconstruct(symbols, quantiser, synthetic_codebook.predictors)
    assert 4000 < np.abs(planes).max() <= SAMPLE_MAX
    assert np.array_equal(planes, NUMPY.reconstruct(symbols, quantiser, synthetic_codebook.predictors))


@pytest.mark.parametrize("tune", TUNES)
def test_what_any_set_encodes_every_set_decodes(kernels, tune, monkeypatch):
    book, quantiser = load_codebook(), Quantiser(400, TUNES[tune])
    photo = data.astronaut()[:64, 100:196]
    fit = fit_tile(to_planes(photo), quantiser, book, kernels)
    assert np.array_equal(fit.planes, NUMPY.reconstruct(fit.symbols, quantiser, book.predictors))
    file = inrcodec.encode(photo, tune=tune)
    pixels = {}
    for name in {"numpy", kernels.name}:
        monkeypatch.setenv(VARIABLE, name)
        pixels[name] = inrcodec.decode(file, device="cpu")
    assert all(np.array_equal(found, pixels["numpy"]) for found in pixels.values())
    assert np.square(pixels["numpy"].astype(float) - photo).mean() < 100


def test_more_bytes_than_a_tile_can_need_are_refused_unread(kernels, synthetic_codebook):
    model = synthetic_codebook.entropy
    coded = kernels.write_tile(tile_symbols("long", (1, 1), 1), STEP, model)
    plain = 32 * 32 * 42 // 8 + 2
    with pytest.raises(FormatError, match="left over"):
        kernels.read_tile(coded + b"\xff" * plain, (1, 1), 1, STEP, model)
    words = 4 + 2 * (1 + 16 * 3 + 1024) + 2
    stream = b"\0\0\1\0" + b"\1" * (words - 4)
    with pytest.raises(FormatError, match="left over"):
        kernels.read_tile(write_varint(words) + stream, (1, 1), 1, STEP, model)


def test_bytes_that_are_no_tile_give_residuals_in_range_or_a_format_error(kernels, synthetic_codebook):
    model = synthetic_codebook.entropy
    coded = kernels.write_tile(tile_symbols("mutants", (1, 1), 3, 40, 30), STEP, model)
    refused = 0
    for number in range(40):
        mutant = bytearray(coded)
        for place, value in draw(f"mutant {number}", (2, 2), 0, 2**30):
            mutant[place % len(coded)] = value % 256
        try:
            found = kernels.read_tile(bytes(mutant), (1, 1), 3, STEP, model)
        except FormatError:
            refused += 1
        else:
            assert max(np.abs(v).max(initial=0) for v in found.residuals.values()) * STEP <= WEIGHT_MAX
    assert refused > 20


def test_sets_can_be_sent_to_other_processes(kernels):
    again = pickle.loads(pickle.dumps(kernels))  # noqa: S301
    assert (again.name, again.device) == (kernels.name, kernels.device)


def test_one_place_selects(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert (select().name, select().device) == ("native" if compiled() else "numpy", "cpu")
    assert select("cpu", "torch").name == "torch"
    monkeypatch.setenv(VARIABLE, "torch")
    assert (select().name, select().device) == ("torch", "cpu")
    assert select(name="numpy").name == "numpy"
    with pytest.raises(ValueError, match="device"):
        select("tpu")
    with pytest.raises(EncodeError, match="cuda"):
        select("cuda", "numpy")
    monkeypatch.setenv(VARIABLE, "fortran")
    with pytest.raises(EncodeError, match="fortran"):
        inrcodec.encode(np.zeros((8, 8), np.uint8))


def test_a_set_whose_library_is_missing_says_so(monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "inrcodec.kernels.torch", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EncodeError, match="torch kernels need"):
        select("cpu", "torch")
