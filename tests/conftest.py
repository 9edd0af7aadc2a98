"""Fixtures shared by the tests of the codec."""

import shutil
import signal
from functools import partial

import browser
import numpy as np
import pytest
import synthetic
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from skimage import data
from threadpoolctl import threadpool_info, threadpool_limits

import inrcodec
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


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    program, service = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and service):
        pytest.skip("needs Chromium: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*browser.FLAGS, f"user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options, Service(service))
    found.set_script_timeout(browser.PATIENCE)
    yield found
    found.quit()


@pytest.fixture
def window(driver):
    """A window of 400 x 300 pixels; nothing may be complained about in it."""
    found = browser.Window(driver)
    found.resize(400, 300)
    yield found
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.fixture(scope="session")
def file(photo):
    """A .sinr file, 256 x 192."""
    return inrcodec.encode(photo)


@pytest.fixture(scope="session")
def shown(file):
    """Pixels of the file on a screen of any size (columns, rows)."""
    return partial(_shown, file)


def _shown(file, columns, rows):
    pixels = inrcodec.decode(file, size=(columns, rows))
    return np.dstack([pixels, np.full((rows, columns), 255, np.uint8)])
