"""What other transform types save, before anything is known of the rate."""

import numpy as np
import pytest

from inrcodec.decisions.transform_costs import saving, turns
from inrcodec.signal.transforms import FEATURE_BITS, axis_features
from inrcodec.tile.partition import SIZES
from inrcodec.tile.transform_types import AXIS_TRANSFORMS

ONE = np.ones((1, 1), np.float32)


def cosines_of(samples):
    """Weights (1, size * size) of cosines of samples (size, size)."""
    basis = axis_features(len(samples))[0] / 2**FEATURE_BITS
    return (basis @ samples @ basis.T).astype(np.float32).reshape(1, -1)


@pytest.mark.parametrize("size", SIZES)
def test_turns_are_orthonormal_and_begin_with_nothing(size):
    found = turns(size)
    assert found.shape == (AXIS_TRANSFORMS, size, size)
    assert np.abs(found[0] - np.eye(size)).max() < 1e-3
    for turn in found:
        assert np.abs(turn @ turn.T - np.eye(size)).max() < 2e-3


@pytest.mark.parametrize("size", SIZES)
def test_what_cosines_say_in_one_weight_saves_nothing(size):
    residual = np.zeros((1, size * size), np.float32)
    residual[0, 1] = 9
    assert saving(residual, ONE).tolist() == [0]


@pytest.mark.parametrize("size", SIZES)
def test_an_edge_where_a_piece_ends_saves_bits(size):
    samples = np.zeros((size, size))
    samples[:, size // 4 : 3 * size // 4] = 6
    across, along = saving(cosines_of(samples), ONE), saving(cosines_of(samples.T), ONE)
    assert across > 10
    assert along == pytest.approx(across, rel=0.01)


def test_a_corner_is_found_by_turning_both_axes():
    samples = np.zeros((16, 16))
    samples[6:, 6:] = 6
    only_rows = np.zeros((16, 16))
    only_rows[6:, :] = 6
    assert saving(cosines_of(samples), ONE) > 1.2 * saving(cosines_of(only_rows), ONE)


def test_coarser_steps_save_less():
    samples = np.zeros((8, 8))
    samples[:, :4] = np.arange(8)[:, None]
    residual = cosines_of(samples)
    finer, coarser = (saving(residual, np.full((1, 64), step, np.float32)) for step in (1, 4))
    assert finer > coarser
