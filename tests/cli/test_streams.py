"""Standard streams that are closed, full, narrow or strict: one line and an exit code, and all or nothing."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inrcodec

resource = pytest.importorskip("resource", reason="needs POSIX")

FULL = Path("/dev/full")


@pytest.fixture
def folder(tmp_path):
    """A small photo and its .sinr file."""
    y, x = np.mgrid[:24, :40]
    image = (128 + 100 * np.sin(x / 5) * np.cos(y / 7)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    (tmp_path / "a.sinr").write_bytes(inrcodec.encode(image))
    return tmp_path


def run(command, folder, environment=None, limit=None):
    """What a command line does in a shell: its end, and what it printed on what is left open."""

    def limited():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    program = f"{shlex.quote(sys.executable)} -m inrcodec {command}"
    return subprocess.run(
        ["/bin/sh", "-c", program],
        cwd=folder,
        env=os.environ | (environment or {}),
        capture_output=True,
        check=False,
        preexec_fn=limited,
    )


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("info - <&-", 1, "inrcodec: standard input: Bad file descriptor"),
        ("encode a.png -o b.sinr --quiet <&-", 0, ""),
        ("--version >&-", 1, "inrcodec: Bad file descriptor"),
        ("info a.sinr >&-", 1, "inrcodec: Bad file descriptor"),
        ("decode a.sinr -o - >&-", 1, "inrcodec: standard output: Bad file descriptor"),
        ("encode a.png -o b.sinr --quiet >&-", 0, ""),
        ("encode a.png -o b.sinr --quiet 2>&-", 0, ""),
        ("encode no.png 2>&-", 1, ""),
        ("decode a.sinr -o b.png <&- >&- 2>&-", 0, ""),
    ],
)
def test_closed_streams(folder, command, code, message):
    done = run(command, folder)
    assert (done.returncode, done.stderr.decode().strip()) == (code, message)
    if code == 0:
        (written,) = folder.glob("b.*")
        if written.suffix == ".sinr":
            assert inrcodec.decode(written.read_bytes()).shape == (24, 40)
        else:
            with Image.open(written) as im:
                im.load()


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["--version", "--help", "info a.sinr", "decode a.sinr -o -"])
def test_a_full_disk(folder, command):
    done = run(f"{command} > {FULL}", folder)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.endswith("No space left on device")
    assert run(f"{command} > {FULL} 2> {FULL}", folder).returncode == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["decode a.sinr -o - > out", "encode --help > out"])
def test_what_is_not_taken_whole_is_an_error(folder, command, unbuffered):
    """A stream that takes a part of what it is given, as on a disk that gets full."""
    done = run(command, folder, {"PYTHONUNBUFFERED": unbuffered}, limit=100)
    assert (folder / "out").stat().st_size == 100
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[0].endswith("File too large")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_names_that_standard_output_cannot_hold(folder, encoding):
    name = os.fsdecode(b"\xc3\xa9\xff.sinr")
    try:
        (folder / name).write_bytes(b"")
    except OSError:
        pytest.skip("this file system has names of text only")
    done = run(f"encode a.png -f -o {shlex.quote(name)}", folder, {"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b".sinr: 40x24" in done.stdout
    assert inrcodec.decode((folder / name).read_bytes()).shape == (24, 40)


@pytest.mark.parametrize("command", ["encode a.png -o new.sinr", "decode a.sinr -o new.png"])
def test_a_disk_that_gets_full_is_left_as_it_was(folder, command):
    before = sorted(folder.iterdir())
    done = run(command, folder, limit=40)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("inrcodec: new.")
    assert line.endswith("File too large")
    assert sorted(folder.iterdir()) == before
