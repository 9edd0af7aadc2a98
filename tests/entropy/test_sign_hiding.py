"""Sign bit hiding: what a group tells, and how the encoder makes it tell the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tile_symbols

from inrcodec.decisions.rate_distortion import EXCHANGE
from inrcodec.decisions.rdoq import CellRate
from inrcodec.entropy.context_network import MAGNITUDES
from inrcodec.entropy.payload import write_tile
from inrcodec.entropy.sign_hiding import ENOUGH, GROUP, hidden_signs, scan, telling


def group_of(values):
    """A cell of 8 with one group that is not empty: the lowest frequencies."""
    cell = np.zeros(64, np.int64)
    cell[scan(8)[0, : len(values)]] = values
    return cell.reshape(1, 1, 8, 8)


@pytest.mark.parametrize("size", [8, 16, 32])
def test_scan_lists_every_harmonic_by_frequency(size):
    order = scan(size)
    assert order.shape == (size * size // GROUP, GROUP)
    assert np.array_equal(np.sort(order.ravel()), np.arange(size * size))
    assert np.all(np.diff(np.add(*np.divmod(order.ravel(), size))) >= 0)
    assert order[0, :4].tolist() == [0, 1, size, 2]


def test_a_group_tells_the_sign_of_its_first_value():
    for values, hides, negative in [
        ([0, 0, 3], False, False),
        ([0, 1, 3], True, False),
        ([0, 2, 3], True, True),
        ([4], True, False),
        ([1, 1, 1, 1, 1], True, True),
    ]:
        where, sign = hidden_signs(group_of(values))
        assert where.sum() == hides
        assert sign.sum() == negative
        if hides:
            first = scan(8)[0, np.flatnonzero(values)[0]]
            assert np.flatnonzero(where) == [first]
            assert not negative or np.flatnonzero(sign) == [first]


def test_every_group_of_every_cell_and_plane_hides_its_own():
    where, negative = hidden_signs(np.ones((3, 2, 16, 16), np.int64))
    assert np.array_equal(where.reshape(3, 2, 256)[..., scan(16)].sum(-1), np.ones((3, 2, 16)))
    assert not negative.any()


def test_a_sign_that_is_not_told_cannot_be_written(synthetic_codebook):
    symbols = tile_symbols("untold", (1, 1), 1, 9, 2)
    size = next(s for s, v in symbols.residuals.items() if hidden_signs(np.abs(v))[0].any())
    hidden, _ = hidden_signs(np.abs(symbols.residuals[size]))
    symbols.residuals[size][hidden] *= -1
    with pytest.raises(ValueError, match="hidden sign"):
        write_tile(symbols, 200, synthetic_codebook.entropy)


def plain_rate(cells, channels, size):
    """A rate of 2 bits per magnitude, whatever the context."""
    bits = np.tile(2 * np.arange(MAGNITUDES, dtype=np.float32), (2, 1))
    rows = np.zeros((cells, channels, size * size), np.int64)
    return CellRate(rows, bits, np.zeros((cells, 1), np.float32), np.zeros(9, np.float32))


def cost(index, weight):
    return 2 * min(abs(index), MAGNITUDES - 1) + EXCHANGE * (index - weight) ** 2


def best_move(indices, weights):
    """The least cost of a cell of 8 whose only group may be wrong, over all moves of one value by one."""
    order = scan(8)[0]
    inside = indices.ravel()[order]
    extent = max(sum(divmod(int(place), 8)) for place in order[inside != 0])
    found = []
    for place in order:
        for move in (-1, 1):
            changed = indices.ravel().copy()
            changed[place] += move
            hidden, negative = hidden_signs(np.abs(changed).reshape(1, 1, 8, 8))
            told = not hidden.any() or (changed < 0)[hidden.ravel()] == negative[hidden]
            if told and sum(divmod(int(place), 8)) <= extent:
                change = cost(changed[place], weights[place]) - cost(changed[place] - move, weights[place])
                found.append(change + (not hidden.any()))
    return min(found)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), spread=st.sampled_from([0.5, 1.5, 6.0]))
def test_the_cheapest_move_makes_a_group_tell_the_truth(seed, spread):
    rng = np.random.default_rng(seed)
    weights = group_of(np.zeros(GROUP)).astype(np.float32).reshape(1, 1, 64)
    weights[0, 0, scan(8)[0]] = rng.normal(0, spread, GROUP)
    indices = np.rint(weights)
    result = plain_rate(1, 1, 8).hide_signs(slice(0, 1), weights, indices)
    whole = result.astype(np.int64).reshape(1, 1, 8, 8)
    assert np.array_equal(telling(whole), whole)
    if np.array_equal(telling(indices.reshape(1, 1, 8, 8)), indices.reshape(1, 1, 8, 8)):
        assert np.array_equal(result, indices)
    else:
        moved = np.flatnonzero(result != indices)
        assert len(moved) == 1
        assert np.abs(result - indices).sum() == 1
        change = cost(result[0, 0, moved[0]], weights[0, 0, moved[0]])
        change -= cost(indices[0, 0, moved[0]], weights[0, 0, moved[0]])
        change += np.abs(result).sum() < ENOUGH
        assert change == pytest.approx(best_move(indices.astype(np.int64), weights[0, 0]), abs=1e-3)


def test_all_cells_and_channels_at_once():
    rng = np.random.default_rng(1)
    weights = rng.laplace(0, 2, (5, 3, 256)).astype(np.float32)
    rate = plain_rate(5, 3, 16)
    together = rate.hide_signs(slice(0, 3), weights, np.rint(weights))
    for cell in range(5):
        for channel in range(3):
            alone = plain_rate(1, 1, 16).hide_signs(
                slice(0, 1), weights[[cell]][:, [channel]], np.rint(weights[[cell]][:, [channel]])
            )
            assert np.array_equal(alone[0, 0], together[cell, channel])
    whole = together.astype(np.int64).reshape(5, 3, 16, 16)
    assert np.array_equal(telling(whole), whole)
