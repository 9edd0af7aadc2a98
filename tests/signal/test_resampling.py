"""Rendering: the picture as a continuous function, the same whatever part of it is asked for."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from inrcodec.signal.resampling import HOP, WINDOW, axis, resample, resample_weighted


def render(planes, height, width, region=None):
    """Planes (C, H, W) of a region (x, y, width, height) at another size."""
    x, y, w, h = region or (0, 0, planes.shape[2], planes.shape[1])
    rows, cols = axis(y, y + h, height), axis(x, x + w, width)
    return resample(
        planes.astype(np.float32),
        (rows.sources(planes.shape[1]), rows.taps),
        (cols.sources(planes.shape[2]), cols.taps),
    )


@pytest.mark.parametrize("count", [1, 7, 40, 64, 131, 640])
def test_taps_sum_to_one(count):
    grid = axis(3, 67, count)
    assert np.abs(grid.taps.sum(1) - 1).max() < 1e-6
    assert grid.taps.shape[0] == grid.first.shape[0] == count


@pytest.mark.parametrize("size", [(5, 9), (40, 56), (113, 90), (1, 1), (400, 3)])
def test_a_constant_stays_constant(size):
    assert np.abs(render(np.full((2, 40, 56), 123.0), *size) - 123).max() < 1e-3


@pytest.mark.parametrize("factor", [2, 3, 0.5, 1.5])
def test_a_ramp_stays_a_ramp(factor):
    length = 96
    ramp = np.broadcast_to(np.arange(length, dtype=np.float64), (1, 4, length))
    count = round(length * factor)
    got = render(ramp, 4, count)[0, 0]
    expected = (np.arange(count) + 0.5) * length / count - 0.5
    # The picture is mirrored at its borders, and so is what lies close to them.
    inner = slice(round(WINDOW * factor), round(-WINDOW * factor))
    assert np.abs(got - expected)[inner].max() < 0.1


def test_samples_are_interpolated():
    planes = np.random.default_rng(1).normal(0, 50, (3, 37, 50))
    assert np.abs(render(planes, 37, 50) - planes).max() < 1e-3
    # Odd factors have an output sample in the middle of every source sample.
    for factor in (3, 5):
        larger = render(planes, 37 * factor, 50 * factor)
        assert np.abs(larger[:, factor // 2 :: factor, factor // 2 :: factor] - planes).max() < 1e-3


@pytest.mark.parametrize("factor", [0.31, 0.5, 1.7, 3])
def test_a_region_is_cut_from_the_whole(factor):
    planes = np.random.default_rng(2).normal(0, 50, (1, 60, 60))
    count = round(60 * factor)
    whole = render(planes, count, count)
    begin, end = count // 3, count - 1
    region = (0, begin * 60 / count, 60, (end - begin) * 60 / count)
    part = render(planes, end - begin, count, region)
    assert np.abs(part - whole[:, begin:end]).max() < 1e-2


def test_downscaling_is_a_mean():
    rng = np.random.default_rng(3)
    planes = np.kron(rng.normal(0, 50, (1, 6, 6)), np.ones((1, 16, 16)))
    planes += np.where(np.add.outer(np.arange(96), np.arange(96)) % 2, 30.0, -30.0)
    small = render(planes, 6, 6)
    blocks = planes.reshape(6, 16, 6, 16).mean((1, 3))
    assert np.abs(small[0] - blocks).max() < 2


def test_sources_are_mirrored_at_the_borders():
    grid = axis(0, 3, 3)
    assert grid.first.tolist() == [-HOP] * 3
    expected = np.pad(np.arange(3), (HOP, WINDOW - 3), mode="symmetric")
    assert grid.sources(3)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_beats_bicubic_at_twice_the_size(name):
    photo = getattr(data, name)()[100:292, 100:356]
    half = Image.fromarray(photo).resize((128, 96), Image.Resampling.LANCZOS)
    bicubic = np.asarray(half.resize((256, 192), Image.Resampling.BICUBIC))
    planes = np.moveaxis(np.asarray(half).astype(np.float64), 2, 0)
    ours = np.clip(np.moveaxis(render(planes, 192, 256), 0, 2), 0, 255).round()
    errors = [((picture - photo.astype(np.float64)) ** 2).mean() for picture in (ours, bicubic)]
    assert errors[0] < errors[1]


def weighted(planes, weights, height, width):
    rows, cols = axis(0, planes.shape[1], height), axis(0, planes.shape[2], width)
    return resample_weighted(
        planes.astype(np.float32),
        weights.astype(np.float32),
        (rows.sources(planes.shape[1]), rows.taps),
        (cols.sources(planes.shape[2]), cols.taps),
    )


@pytest.mark.parametrize("size", [(12, 17), (80, 112), (20, 28)])
def test_samples_without_weight_do_not_count(size):
    rng = np.random.default_rng(0)
    weights = rng.random((40, 56)) * (rng.random((40, 56)) < 0.3)
    planes = np.where(weights > 0, 123.0, rng.normal(0, 1000, (2, 40, 56)))
    found = weighted(planes, weights, *size)
    far = weighted(np.ones((1, 40, 56)), np.zeros((40, 56)), *size)
    assert np.abs(found - 123).max() < 0.05
    assert np.abs(far - 1).max() < 1e-5


@pytest.mark.parametrize("weight", [1.0, 0.2])
def test_even_weights_change_nothing(weight):
    planes = np.random.default_rng(0).normal(0, 100, (2, 40, 56))
    found = weighted(planes, np.full((40, 56), weight), 60, 84)
    assert np.abs(found - render(planes, 60, 84)).max() < 1e-2
