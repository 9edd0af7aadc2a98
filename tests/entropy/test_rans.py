"""The entropy coder: batches of symbols to bytes and back, and nothing but FormatError on other bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrcodec.entropy.rans import (
    PRECISION,
    Decoder,
    Encoder,
    Tables,
    normalised,
)
from inrcodec.errors import FormatError


def random_batches(seed, sizes, alphabet):
    """Tables, and batches of (rows, symbols) drawn from them."""
    rng = np.random.default_rng(seed)
    tables = Tables(normalised(rng.exponential(1, (5, alphabet)) ** 3 + 1e-9))
    share = np.diff(tables.cumulative.astype(np.float64), axis=1) / 2**PRECISION
    batches = []
    for size in sizes:
        rows = rng.integers(0, 5, size)
        symbols = np.array([rng.choice(alphabet, p=share[r]) for r in rows], np.int64)
        batches.append((rows, symbols))
    return tables, batches


def encoded(tables, batches, lanes):
    """The stream, and the ideal length in bits of what is in it."""
    coder = Encoder()
    for rows, symbols in batches:
        coder.encode(tables, rows, symbols)
    return coder.finish(lanes), sum(tables.bits[rows, symbols].sum() for rows, symbols in batches)


def read(data, tables, batches, lanes):
    coder = Decoder(data, lanes)
    result = [coder.decode(tables, rows) for rows, _ in batches]
    coder.finish()
    return result


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.integers(0, 70), max_size=6),
    st.sampled_from([1, 2, 3, 16, 64]),
    st.sampled_from([1, 2, 16, 64]),
)
def test_round_trip(seed, sizes, lanes, alphabet):
    tables, batches = random_batches(seed, sizes, alphabet)
    data, bits = encoded(tables, batches, lanes)
    for got, (_, symbols) in zip(read(data, tables, batches, lanes), batches, strict=True):
        assert np.array_equal(got, symbols)
    # 32 bits of state per lane, 16 of which hold what has not been written yet.
    assert 8 * len(data) <= bits + 32 * lanes + 1


def test_length_is_close_to_ideal():
    tables, batches = random_batches(1, [3000, 1, 2000], 16)
    data, bits = encoded(tables, batches, 4)
    assert 8 * len(data) < 1.002 * bits + 20 * 4


def test_nothing_to_code():
    data, bits = encoded(Tables(normalised(np.ones((1, 4)))), [], 2)
    assert (len(data), bits) == (8, 0)
    assert read(data, None, [], 2) == []


def test_every_truncation_and_every_extra_byte_is_noticed():
    tables, batches = random_batches(7, [40, 0, 25], 8)
    data, _ = encoded(tables, batches, 4)
    for end in range(len(data)):
        with pytest.raises(FormatError):
            read(data[:end], tables, batches, 4)
    for extra in (b"\0", b"\0\0", b"\1\2\3\4"):
        with pytest.raises(FormatError):
            read(data + extra, tables, batches, 4)


def test_any_bytes_give_symbols_or_a_format_error():
    rng = np.random.default_rng(0)
    tables, batches = random_batches(3, [50, 50], 16)
    refused = 0
    for _ in range(200):
        coder = Decoder(rng.bytes(2 * int(rng.integers(8, 60))), 4)
        try:
            for rows, _ in batches:
                symbols = coder.decode(tables, rows)
                assert symbols.min() >= 0
                assert symbols.max() < 16
        except FormatError:
            refused += 1
    assert 20 < refused < 180


@pytest.mark.parametrize("frequencies", [[[0, 2**PRECISION]], [[1, 2**PRECISION]], [[-1, 2**PRECISION + 1]]])
def test_tables_must_be_distributions(frequencies):
    with pytest.raises(FormatError, match="distribution"):
        Tables(np.array(frequencies))


def test_normalised_is_close_positive_and_sums_up():
    counts = np.array([[0, 0, 1e9, 3e9], [1, 1, 1, 1], [1e-9, 0, 0, 0]])
    result = normalised(counts)
    assert (result.sum(1) == 2**PRECISION).all()
    assert (result >= 1).all()
    share = counts / counts.sum(1, keepdims=True)
    assert np.abs(result / 2**PRECISION - share).max() < 5 / 2**PRECISION
