"""A tile's integers as bytes and back, with both entropy coders."""

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import MODES, read_payload, tile_symbols, write_payload

from inrcodec.entropy.context_network import ESCAPE, ROWS
from inrcodec.entropy.payload import lanes
from inrcodec.entropy.sign_hiding import telling
from inrcodec.errors import FormatError
from inrcodec.tile.fixed_point import WEIGHT_MAX
from inrcodec.tile.partition import SIZES, Partition
from inrcodec.tile.symbols import TileSymbols, last_diagonals
from inrcodec.zstd import decompress

ENTROPY = ("rans", "zstd")
STEP = 200


def assert_same(found, expected):
    assert np.array_equal(found.partition.splits, expected.partition.splits)
    assert np.array_equal(found.modes, expected.modes)
    assert np.array_equal(found.transforms, expected.transforms)
    for size in SIZES:
        assert found.residuals[size].shape == expected.residuals[size].shape
        assert np.array_equal(found.residuals[size], expected.residuals[size])


def round_trip(symbols, model, entropy, step=STEP):
    data = write_payload(symbols, step, model, entropy)
    channels = symbols.channels
    found = read_payload(data, symbols.partition.splits.shape, channels, step, model, entropy)
    assert_same(found, symbols)
    return data


@pytest.mark.parametrize("entropy", ENTROPY)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    blocks=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels=st.sampled_from([1, 3]),
    largest=st.sampled_from([1, 14, 15, 16, 300]),
    sparsity=st.sampled_from([1, 5, 60]),
    step=st.sampled_from([16, 400, 800]),
)
def test_round_trip(synthetic_codebook, entropy, seed, blocks, channels, largest, sparsity, step):
    symbols = tile_symbols(str(seed), blocks, channels, largest, sparsity)
    round_trip(symbols, synthetic_codebook.entropy, entropy, step)


@pytest.mark.parametrize("entropy", ENTROPY)
@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_but_zeros(synthetic_codebook, entropy, channels):
    partition = Partition.from_splits(np.zeros((1, 1), np.int64))
    residuals = {s: np.zeros((len(partition.of_size(s)), channels, s, s), np.int64) for s in SIZES}
    symbols = TileSymbols(partition, np.zeros(1, np.int64), np.zeros(1, np.int64), residuals)
    data = round_trip(symbols, synthetic_codebook.entropy, entropy)
    assert len(data) < 40


@pytest.mark.parametrize(
    ("blocks", "expected"), [(1, 1), (64, 1), (127, 1), (128, 2), (255, 2), (384, 4), (1024, 16)]
)
def test_every_lane_has_64_blocks_where_there_are_so_many(blocks, expected):
    assert lanes(blocks) == expected


@pytest.mark.parametrize("entropy", ENTROPY)
def test_escaped_values(synthetic_codebook, entropy):
    symbols = tile_symbols("escapes", (1, 2), 3)
    largest = WEIGHT_MAX // 4
    extremes = [ESCAPE - 1, ESCAPE, ESCAPE + 1, ESCAPE + 2, -ESCAPE, 255, -256, 32767, -32768]
    extremes += [largest, -largest]
    size = next(s for s in SIZES if symbols.residuals[s].size >= len(extremes))
    symbols.residuals[size].reshape(-1)[: len(extremes)] = extremes
    symbols.residuals[size][:] = telling(symbols.residuals[size])
    round_trip(symbols, synthetic_codebook.entropy, entropy, 4)


@pytest.mark.parametrize("entropy", ENTROPY)
def test_values_out_of_range_are_refused(synthetic_codebook, entropy):
    symbols = tile_symbols("range", (1, 1), 1)
    size = next(s for s in SIZES if symbols.residuals[s].size)
    symbols.residuals[size].reshape(-1)[0] = WEIGHT_MAX // 16 + 1
    symbols.residuals[size][:] = telling(symbols.residuals[size])
    data = write_payload(symbols, 16, synthetic_codebook.entropy, entropy)
    with pytest.raises(FormatError, match="range"):
        read_payload(data, (1, 1), 1, 16, synthetic_codebook.entropy, entropy)


@pytest.mark.parametrize("entropy", ENTROPY)
def test_truncations_and_extra_bytes_are_noticed(synthetic_codebook, entropy):
    model = synthetic_codebook.entropy
    symbols = tile_symbols("cut", (1, 1), 1, 40, 30)
    data = write_payload(symbols, STEP, model, entropy)
    for wrong in [data[:end] for end in range(len(data))] + [data + b"\0", data + data]:
        with pytest.raises(FormatError):
            read_payload(wrong, (1, 1), 1, STEP, model, entropy)


@pytest.mark.parametrize("entropy", ENTROPY)
def test_any_other_bytes_give_symbols_in_range_or_a_format_error(synthetic_codebook, entropy):
    model = synthetic_codebook.entropy
    symbols = tile_symbols("mutants", (1, 1), 3, 40, 30)
    data = write_payload(symbols, STEP, model, entropy)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(80):
        mutant = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            mutant[place] = rng.integers(256)
        try:
            found = read_payload(bytes(mutant), (1, 1), 3, STEP, model, entropy)
        except FormatError:
            refused += 1
            continue
        assert found.modes.max() < MODES
        assert max(np.abs(v).max(initial=0) for v in found.residuals.values()) * STEP <= WEIGHT_MAX
    assert refused > 20


def test_a_compressed_section_never_grows_beyond_its_bound():
    for declared in (True, False):
        bomb = zstandard.ZstdCompressor(write_content_size=declared).compress(bytes(1 << 24))
        assert len(bomb) < 2000
        with pytest.raises(FormatError, match="larger"):
            decompress(bomb, 1000)
    frame = zstandard.ZstdCompressor().compress(b"abc")
    assert decompress(frame, 3) == b"abc"
    with pytest.raises(FormatError, match="larger"):
        decompress(frame, 2)
    with pytest.raises(FormatError, match="followed by something"):
        decompress(frame + b"x", 3)


@pytest.mark.parametrize("cut", [1, 4, 5])
def test_a_truncated_frame_is_noticed(cut):
    frame = zstandard.ZstdCompressor(write_checksum=True).compress(bytes(range(256)))
    with pytest.raises(FormatError, match="truncated"):
        decompress(frame[:-cut], 1000)


def test_last_diagonals_are_the_highest_plus_one():
    values = np.zeros((3, 1, 8, 8), np.int64)
    values[1, 0, 0, 0] = -1
    values[2, 0, 7, 7] = 5
    values[2, 0, 1, 2] = 5
    assert last_diagonals(values).ravel().tolist() == [0, 1, 15]
    symbols = tile_symbols("extents", (2, 2), 3)
    last = symbols.last_diagonals
    assert last.shape == (len(symbols.modes), 3)
    for size in SIZES:
        cells = symbols.partition.of_size(size)
        assert np.array_equal(last[cells], last_diagonals(symbols.residuals[size]))


def test_context_networks_are_exact_and_stay_in_their_tables(synthetic_codebook):
    """Integers in any order of summation: float32 and Python give the same rows."""
    rng = np.random.default_rng(3)
    for networks in (synthetic_codebook.entropy.last_diagonals, synthetic_codebook.entropy.magnitudes):
        network = networks[16]
        features = rng.integers(-32, 64, (500, network.weight1.shape[1])).astype(np.float32)
        rows = network.rows(features, 1)
        assert rows.min() >= ROWS
        assert rows.max() < 2 * ROWS
        exact = features.astype(np.int64)
        for weight, bias, bits in (
            (network.weight1, network.bias1, 6),
            (network.weight2, network.bias2, 7),
        ):
            exact = np.clip((exact @ weight.T.astype(np.int64) + bias.astype(np.int64)) >> bits, 0, 255)
        last = (exact @ network.weight3.T.astype(np.int64) + network.bias3.astype(np.int64))[:, 0] >> 10
        assert np.array_equal(rows, ROWS + np.clip(last, 0, ROWS - 1))
        assert len(np.unique(rows)) > 3
