"""Fixtures shared by the tests of the codec."""

import signal

import pytest
import synthetic
from skimage import data
from threadpoolctl import threadpool_info, threadpool_limits

from inrcodec.codebook import load_codebook
from inrcodec.kernels import NAMES, VARIABLE, compiled, select


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


@pytest.fixture
def blas_threads():
    """Tells how many threads BLAS libraries take; two at first, wherever the tests run."""
    with threadpool_limits(2, user_api="blas"):
        yield lambda: {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


@pytest.fixture
def heeded():
    """Makes programs that a test starts heed a signal, even where the tests ignore it (nohup, &)."""
    before = {}

    def heed(number):
        # What has a handler here has the default there.
        before[number] = signal.signal(number, lambda *_: None)

    yield heed
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(params=NAMES)
def kernels(request, monkeypatch):
    """Every kernel set in turn; meanwhile the one that the library takes."""
    if request.param == "native" and not compiled():
        pytest.skip("not compiled: there was no C compiler")
    monkeypatch.setenv(VARIABLE, request.param)
    return select("cpu")


@pytest.fixture(scope="session")
def photo():
    """(192, 256, 3) part of a photo: a face, hair and a background."""
    return data.astronaut()[:192, 100:356]
