"""Fixtures shared by the tests of the codec."""

import pytest
import synthetic
from skimage import data

from inrcodec.codebook import load_codebook


@pytest.fixture(scope="session")
def synthetic_path(tmp_path_factory):
    """File of the synthetic codebook."""
    path = tmp_path_factory.mktemp("codebook") / "synthetic.safetensors"
    path.write_bytes(synthetic.codebook_bytes())
    return path


@pytest.fixture(scope="session")
def synthetic_codebook(synthetic_path):
    """The synthetic codebook."""
    return load_codebook(synthetic_path)


@pytest.fixture(scope="session")
def photo():
    """(192, 256, 3) part of a photo: a face, hair and a background."""
    return data.astronaut()[:192, 100:356]
