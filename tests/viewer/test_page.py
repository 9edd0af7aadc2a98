"""The page of `inrcodec view` as text, the server, and the decoder that is in it."""

import base64
import gzip
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import inrcodec
from inrcodec.container import pack, unpack
from inrcodec.errors import FormatError, InputError
from inrcodec.pictures.color_space import ADOBE_RGB
from inrcodec.viewer.page import page_of
from inrcodec.viewer.server import serving

WEB = Path(__file__).parents[2] / "web"


def embedded(page, name):
    """What an element of the page holds."""
    ((packed, text),) = re.findall(rf'id="{name}"( data-gzip)?>([^<]*)<', page.html.decode())
    content = base64.b64decode(text)
    return gzip.decompress(content) if packed else content


def test_it_holds_all_that_it_needs_and_is_the_same_every_time(file):
    page = page_of(file, "photo.sinr")
    assert embedded(page, "file") == file
    assert embedded(page, "decoder") == (WEB / "sinr.wasm").read_bytes()
    assert embedded(page, "codebook") == (WEB.parent / "pretrained" / "default.safetensors").read_bytes()
    assert page.html == page_of(file, "photo.sinr").html
    assert len(page.html) < 2_500_000
    assert re.findall(rb"(?:src|href)=(.*?)>", page.html) == [b'"data:,"']
    assert "$" not in re.sub(r"(?s)<script.*?</script>", "", page.html.decode())
    # Scripts end where they are meant to.
    assert page.html.count(b"</script") == 5


def test_what_browsers_cannot_decompress_is_decompressed(photo):
    alpha, icc = np.arange(192 * 256, dtype=np.uint32).reshape(192, 256) // 193, ADOBE_RGB.profile(3)
    pixels = np.dstack([photo, alpha.astype(np.uint8)])
    file = inrcodec.encode(inrcodec.Picture(pixels, icc=icc))
    page = page_of(file, "photo.sinr")
    assert embedded(page, "icc") == icc
    differences = np.frombuffer(embedded(page, "alpha"), np.uint8).reshape(192, 256)
    assert np.array_equal(np.cumsum(differences, axis=1, dtype=np.uint8), pixels[:, :, 3])
    container = unpack(file)
    for name in ("alpha", "icc"):
        sections = container.sections | {name: container.sections[name][:-1]}
        with pytest.raises(FormatError, match="truncated"):
            page_of(pack(replace(container, sections=sections)), "photo.sinr")


def test_the_file_needs_its_codebook(file, photo, synthetic_path):
    with pytest.raises(FormatError, match="needs codebook"):
        page_of(file, "photo.sinr", codebook=str(synthetic_path))
    other = inrcodec.encode(photo, codebook=synthetic_path)
    assert (
        embedded(page_of(other, "x", codebook=str(synthetic_path)), "codebook") == synthetic_path.read_bytes()
    )


def test_what_cannot_be_shown_is_refused(file, photo):
    with pytest.raises(FormatError):
        page_of(file[:-1], "photo.sinr")
    with pytest.raises(InputError, match="zstd"):
        page_of(inrcodec.encode(photo, entropy="zstd"), "photo.sinr")
    with pytest.raises(InputError, match="the original has 256 x 191 pixels, the file 256 x 192"):
        page_of(file, "photo.sinr", inrcodec.Picture(photo[:-1]))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_original_may_have_any_channels(file, photo, channels):
    colour, alpha = photo[:, :, : 1 + (channels > 2) * 2], np.full((192, 256, 1), 200, np.uint8)
    pixels = colour if channels % 2 else np.dstack([colour, alpha])
    page = page_of(file, "photo.sinr", inrcodec.Picture(pixels))
    (facts,) = re.findall(r'id="facts">(.*)</p>', page.html.decode())
    facts = facts.split(" \u00b7 ")
    size, rate = f"{len(file) / 1000:.3g} kB", f"{len(file) / 6144:.2f} bits per pixel"
    assert facts[:-1] == ["256 \u00d7 192", size, rate]
    assert re.fullmatch(r"\d\d\.\d\d dB PSNR", facts[-1])


def test_only_the_page_is_served_and_only_to_this_machine(file):
    page = page_of(file, "photo.sinr")
    with serving(page) as (address, server):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert address.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(address) as answer:  # noqa: S310
                assert answer.read() == page.html
                policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; ")
            assert "unsafe-inline" not in policy
            for other in ("", "../", "../../etc/passwd"):
                with pytest.raises(urllib.error.HTTPError) as caught:
                    urllib.request.urlopen(f"{address[:-5]}/{other}")  # noqa: S310
                assert caught.value.code == 404
                caught.value.close()
        finally:
            server.shutdown()
            thread.join()


def test_the_decoder_is_what_native_says(tmp_path):
    (compiler,) = re.findall(r'is what "(.+)" makes', (WEB / "Makefile").read_text())
    clang, make = shutil.which("clang"), shutil.which("make")
    version = subprocess.run([clang, "--version"], capture_output=True, text=True).stdout if clang else ""
    if not (version.startswith(compiler) and make and shutil.which("wasm-ld")):
        pytest.skip(f"needs {compiler}: apt install clang lld wasi-libc libclang-rt-dev-wasm32 make")
    made = tmp_path / "sinr.wasm"
    subprocess.run([make, "-s", "-C", WEB, f"WASM={made}"], check=True)
    assert made.read_bytes() == (WEB / "sinr.wasm").read_bytes(), "native/ has changed: make -C web"
