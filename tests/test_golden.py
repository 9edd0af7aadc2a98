"""Golden files: what one version wrote, every later one decodes to the same pixels, with every kernel set."""

import hashlib
from pathlib import Path

import pytest
import reference_decoder

import inrcodec
from inrcodec.codebook import find_codebook
from inrcodec.codec import metadata
from inrcodec.container import ENTROPY, FLAT, FULL_STRENGTH, SECTIONS, VERSION, tile_grid, unpack
from inrcodec.errors import CodebookNotFoundError
from inrcodec.kernels import NAMES, VARIABLE, compiled

FOLDER = Path(__file__).parent / "golden"
HASHES = {
    name: digest for digest, name in map(str.split, (FOLDER / "pixels.sha256").read_text().splitlines())
}
KERNELS = [name for name in NAMES if name != "native" or compiled()]


@pytest.mark.parametrize("name", HASHES)
def test_every_kernel_set_gives_the_same_pixels(name, monkeypatch):
    file = (FOLDER / name).read_bytes()
    for kernels in KERNELS:
        monkeypatch.setenv(VARIABLE, kernels)
        assert hashlib.sha256(inrcodec.decode(file).tobytes()).hexdigest() == HASHES[name], kernels


@pytest.mark.parametrize("name", HASHES)
def test_the_reference_decoder_gives_the_same_pixels(name):
    file = (FOLDER / name).read_bytes()
    pixels, sections = reference_decoder.decode(file, codebook_of(file).read_bytes())
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == HASHES[name]
    assert sections == metadata(file)


def codebook_of(file):
    """Path of the shipped codebook that a file names."""
    wanted = inrcodec.inspect(file).codebook
    return next(Path(book.path) for book in inrcodec.available_codebooks() if book.id == wanted)


def test_every_codebook_that_a_released_version_wrote_files_with_is_kept():
    """If this fails, a codebook that files in the world need has gone from `pretrained`."""
    for name in HASHES:
        assert find_codebook(unpack((FOLDER / name).read_bytes()).codebook).metadata["trained_on"]


def test_a_codebook_that_is_gone_would_be_noticed():
    with pytest.raises(CodebookNotFoundError, match="676f6e65"):
        find_codebook(b"gone")


def test_every_file_is_listed():
    assert {path.name for path in FOLDER.glob("*.sinr")} == set(HASHES)
    assert len(HASHES) >= 24


def test_every_feature_of_the_container_is_there():
    found = [unpack((FOLDER / name).read_bytes()) for name in HASHES]
    assert {c.entropy for c in found} == set(ENTROPY)
    assert {name for c in found for name in c.sections} == set(SECTIONS)
    assert {c.grey for c in found} == {False, True}
    assert {c.weighting == FLAT for c in found} == {False, True}
    assert {0, FULL_STRENGTH} < {c.strength for c in found}
    assert {1, 8192} < {c.step for c in found}
    assert {tile_grid(c.width, c.height) for c in found} == {(1, 1), (1, 2), (2, 1)}
    assert min(c.width * c.height for c in found) == 1
    assert {data[4] for data in ((FOLDER / name).read_bytes() for name in HASHES)} == {VERSION}
