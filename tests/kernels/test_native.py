"""The native kernels: there or not, with any number of threads, deciding as well as numpy's."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
from synthetic import tile_symbols

import inrcodec
from inrcodec import kernels
from inrcodec.codebook import load_codebook
from inrcodec.decisions.effort import DEFAULT_EFFORT, EFFORTS
from inrcodec.errors import EncodeError, FormatError
from inrcodec.kernels import VARIABLE, compiled, native, select
from inrcodec.signal.color import to_planes
from inrcodec.signal.quantiser import DEFAULT_TUNE, TUNES, Quantiser

needs_library = pytest.mark.skipif(not compiled(), reason="not compiled: there was no C compiler")
NUMPY = select("cpu", "numpy")


def test_without_a_compiler_numpy_does_the_work(monkeypatch, photo):
    monkeypatch.delenv(VARIABLE, raising=False)
    for module in (kernels, native):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setattr(native, "_library", native._library.__wrapped__)
    assert select().name == "numpy"
    with pytest.raises(EncodeError, match="no C compiler"):
        select(name="native")
    monkeypatch.setenv(VARIABLE, "native")
    with pytest.raises(EncodeError, match="no C compiler"):
        inrcodec.encode(photo[:16, :16])


@needs_library
def test_there_is_no_native_gpu():
    with pytest.raises(EncodeError, match="cuda"):
        select("cuda", "native")


@needs_library
def test_threads_do_not_matter(photo):
    book, quantiser = load_codebook(), Quantiser(400)
    planes = to_planes(photo)
    sets = [select("cpu", "native", jobs) for jobs in (1, 2, 5)]
    fits = [k.fit_tile(planes, quantiser, book.predictors, book.entropy, EFFORTS[8]) for k in sets]
    files = [k.write_tile(fit.symbols, 400, book.entropy) for k, fit in zip(sets, fits, strict=True)]
    assert files[1] == files[0] == files[2]
    box = 0, 0, *planes.shape[1:]
    cells = fits[0].symbols.cells
    for k in sets:
        drawn = k.reconstruct(fits[0].symbols, quantiser, book.predictors)
        assert np.array_equal(drawn, fits[0].planes)
        restored = k.restore(book.restoration, drawn, cells, 400, 11, box)
        assert np.array_equal(restored, NUMPY.restore(book.restoration, drawn, cells, 400, 11, box))


@needs_library
@pytest.mark.parametrize(
    ("tune", "effort"), [*((tune, DEFAULT_EFFORT) for tune in TUNES), (DEFAULT_TUNE, 1), (DEFAULT_TUNE, 8)]
)
def test_decisions_are_as_good_as_numpys(photo, tune, effort):
    """Rate and distortion together; one by one, what ties in numpy may fall the other way here."""
    book, quantiser = load_codebook(), Quantiser(300, TUNES[tune])
    planes = to_planes(photo)
    costs = {}
    for k in (select("cpu", "native"), NUMPY):
        fit = k.fit_tile(planes, quantiser, book.predictors, book.entropy, EFFORTS[effort])
        bits = 8 * len(k.write_tile(fit.symbols, quantiser.step, book.entropy))
        costs[k.name] = bits / planes[0].size, np.square(planes - fit.planes).mean()
    found, reference = costs["native"], costs["numpy"]
    # At a fixed slope, a per cent of rate is about as much as 0.05 dB.
    rate, error = np.log(found[0] / reference[0]), np.log(found[1] / reference[1])
    assert abs(rate) < 0.03
    assert abs(error) < 0.03
    assert rate + error < 0.01


@needs_library
def test_arrays_of_other_types_and_strides_are_understood(synthetic_codebook):
    book, ours = synthetic_codebook, select("cpu", "native")
    symbols = tile_symbols("strides", (2, 3), 3)
    planes = NUMPY.reconstruct(symbols, Quantiser(320), book.predictors)
    wide = np.repeat(planes, 2, axis=2)[:, :, ::2]
    assert not wide.flags.c_contiguous
    box = 8, 16, 40, 64
    expected = NUMPY.restore(book.restoration, planes, symbols.cells, 320, 16, box)
    assert np.array_equal(ours.restore(book.restoration, wide, symbols.cells, 320, 16, box), expected)
    assert np.array_equal(ours.to_pixels(wide), NUMPY.to_pixels(planes))


@needs_library
def test_a_codebook_out_of_range_is_refused_before_it_is_used(synthetic_codebook):
    ours = select("cpu", "native")
    network = synthetic_codebook.restoration
    first = network.head[0]
    wrong = replace(network, head=(replace(first, weight=first.weight * 1e6), *network.head[1:]))
    symbols = tile_symbols("range", (1, 1), 3)
    planes = np.zeros((3, 32, 32), np.int16)
    with pytest.raises(FormatError, match="range"):
        ours.restore(wrong, planes, symbols.cells, 320, 16, (0, 0, 32, 32))


@needs_library
def test_networks_stay_while_they_are_used(monkeypatch, synthetic_codebook):
    """Of threads that make the same one at the same time, a cache keeps that of one."""
    book, ours = synthetic_codebook, select("cpu", "native")
    symbols = tile_symbols("networks", (1, 2), 3)
    made: list[weakref.ref[object]] = []
    alive: list[bool] = []

    def uncached(make):
        def of(network):
            found = make.__wrapped__(network)
            made.append(weakref.ref(found))
            return found

        return of

    def status(self, function, *arguments):
        alive.extend(network() is not None for network in made)
        return 0

    for name in ("_entropy", "_predictor", "_restorer"):
        monkeypatch.setattr(native, name, uncached(getattr(native, name)))
    monkeypatch.setattr(native.NativeKernels, "_status", status)
    planes = np.zeros((3, 32, 64), np.int16)
    quantiser, box = Quantiser(320), (0, 0, 32, 64)
    calls = [
        lambda: ours.write_tile(symbols, 320, book.entropy),
        lambda: ours.read_tile(b"", (1, 2), 3, 320, book.entropy),
        lambda: ours.reconstruct(symbols, quantiser, book.predictors),
        lambda: ours.restore(book.restoration, planes, symbols.cells, 320, 16, box),
        lambda: ours.fit_tile(
            planes.astype(np.float32), quantiser, book.predictors, book.entropy, EFFORTS[1]
        ),
    ]
    for call in calls:
        made.clear()
        call()
    assert alive == [True] * (1 + 1 + 3 + 1 + 4)
