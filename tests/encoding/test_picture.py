"""Encoding and measuring a picture: two steps, and nothing is sent back that nobody asked for."""

import numpy as np
import pytest

import inrcodec
from inrcodec.codebook import load_codebook
from inrcodec.container import TILE
from inrcodec.decisions.effort import EFFORTS
from inrcodec.decoding.assembly import Tile
from inrcodec.encoding.picture import CodedTile, PictureEncoder, TileEncoder
from inrcodec.kernels import select
from inrcodec.metrics import psnr

STEP = 700


@pytest.fixture
def strip(photo):
    """Three tiles, the last one a few samples wide."""
    return np.tile(photo[:20], (1, 9, 1))[:, : 2 * TILE + 9]


@pytest.fixture
def results():
    """What every call of the encoder's mapping has given back."""
    return []


@pytest.fixture
def encoder(strip, results):
    def mapping(function, items):
        for item in items:
            results.append(function(item))
            yield results[-1]

    tiles = TileEncoder(load_codebook(), EFFORTS[1], "rans", select())
    return PictureEncoder(strip, tiles, mapping, {})


def test_no_samples_come_back_where_nobody_measures(encoder, results):
    seen: list[float] = []
    encoder.encode(STEP, seen.append)
    assert [type(result) for result in results] == [CodedTile] * 3
    assert [type(result.data) for result in results] == [bytes] * 3
    assert seen == [1 / 3, 2 / 3, 1]


def test_what_is_measured_is_what_a_decoder_sees(encoder, results, strip):
    data, measured = encoder.encode_and_measure(STEP)
    assert data == encoder.encode(STEP)
    assert measured == psnr(strip, inrcodec.decode(data))
    assert [type(tile) for _, tile in results[:3]] == [Tile] * 3
