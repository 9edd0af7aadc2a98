"""`inrcodec view` as people call it."""

import os
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from PIL import Image

import inrcodec

VIEW = [sys.executable, "-m", "inrcodec", "view"]


@pytest.fixture
def photo_file(tmp_path, photo):
    """photo.sinr beside its original, photo.png."""
    Image.fromarray(photo).save(tmp_path / "photo.png")
    (tmp_path / "photo.sinr").write_bytes(inrcodec.encode(photo))
    return tmp_path / "photo.sinr"


def run(*arguments, **options):
    return subprocess.run([*VIEW, *map(str, arguments)], capture_output=True, check=False, **options)


def test_a_page_is_written_once_unless_it_may_be_replaced(photo_file):
    page = photo_file.with_suffix(".html")
    original = photo_file.with_suffix(".png")
    assert run(photo_file, "-o", page).returncode == 0
    assert b"<title>photo.sinr</title>" in page.read_bytes()
    done = run(photo_file, "-o", page)
    assert (done.returncode, b"already exists" in done.stderr) == (1, True)
    assert run(photo_file, "-o", page, "-f", "--compare", original).returncode == 0
    assert b"dB PSNR" in page.read_bytes()
    piped = run("-", "-o", "-", input=photo_file.read_bytes())
    assert b"<title>picture</title>" in piped.stdout


@pytest.mark.parametrize(
    ("source", "original", "code", "message"),
    [
        ("photo.png", "photo.png", 3, "photo.png: not a .sinr file"),
        ("none.sinr", "photo.png", 1, "none.sinr: No such file"),
        ("photo.sinr", "photo.sinr", 3, "photo.sinr: this is already a .sinr file"),
        ("photo.sinr", "small.png", 3, "photo.sinr: the original has 9 x 9 pixels"),
    ],
)
def test_errors_are_a_line(photo_file, source, original, code, message):
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(photo_file.with_name("small.png"))
    arguments = (source, "-o", "x.html", "--compare", original)
    done = run(*arguments, cwd=photo_file.parent, text=True)
    assert done.returncode == code
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not photo_file.with_name("x.html").exists()


@pytest.mark.skipif(os.name == "nt", reason="sends an interrupt")
def test_the_browser_is_sent_to_a_page_that_is_served_until_ctrl_c(photo_file, heeded):
    heeded(signal.SIGINT)
    told = photo_file.with_name("told")
    program = f"import pathlib, sys; pathlib.Path('{told}').write_text(sys.argv[1])"
    environment = os.environ | {"BROWSER": f'{sys.executable} -c "{program}" %s'}
    pipe = subprocess.PIPE
    command = [*VIEW, photo_file]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        assert process.stdout
        assert process.stderr
        address = process.stdout.readline().split()[0]
        with urllib.request.urlopen(address) as answer:  # noqa: S310
            assert b"<title>photo.sinr</title>" in answer.read()
        assert told.read_text() == address
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
