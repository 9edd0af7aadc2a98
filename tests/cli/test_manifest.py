"""What a manifest tells of a run, and that a run goes on from it."""

import hashlib
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import inrcodec
from inrcodec.cli.main import cli
from inrcodec.codebook import load_codebook


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current directory, with three images, one of which is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name, level in (("a.png", 0), ("c.png", 200)):
        Image.new("L", (8, 8), level).save(tmp_path / "in" / name)
    (tmp_path / "in" / "b.png").write_bytes(b"not an image")
    return tmp_path


def encode(*arguments):
    options = ["-r", "in", "-o", "out/", "--manifest", "manifest", "-j", "1"]
    return CliRunner().invoke(cli, ["encode", *options, *arguments])


def records(here, output=None):
    """Lines of the manifest without the first one, or those of an output, whose folder is left out."""
    lines = [json.loads(line) for line in (here / "manifest").read_text().splitlines()[1:]]
    return [line for line in lines if output is None or line["output"] == str(here / "out" / output)]


def made(here):
    return sorted(path.name for path in (here / "out").iterdir())


def test_it_tells_what_became_of_every_file(here):
    result = encode()
    assert result.exit_code == 3
    assert made(here) == ["a.sinr", "c.sinr"]
    data = (here / "out/a.sinr").read_bytes()
    started, written = records(here, "a.sinr")
    assert started == {"output": str(here / "out/a.sinr"), "outcome": "started"}
    assert written == {
        "input": str(here / "in/a.png"),
        "output": str(here / "out/a.sinr"),
        "version": inrcodec.__version__,
        "outcome": "written",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "codebook": load_codebook().id.hex(),
    }
    _, failed = records(here, "b.sinr")
    assert failed["outcome"] == "failed"
    assert failed["error"] in result.stderr


def test_a_later_run_makes_what_is_left(here):
    encode()
    before = (here / "out/a.sinr").stat().st_mtime_ns
    Image.new("L", (8, 8), 100).save(here / "in/b.png")
    (here / "out/c.sinr").unlink()
    result = encode()
    assert result.exit_code == 0, result.stderr
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        str(here / "out/b.sinr"),
        str(here / "out/c.sinr"),
    ]
    assert (here / "out/a.sinr").stat().st_mtime_ns == before
    result = encode()
    assert (result.exit_code, result.output) == (0, "")


def test_a_run_that_was_cut_short_is_taken_up(here):
    encode()
    manifest = here / "manifest"
    text = manifest.read_text()
    (last,) = (line for line in text.splitlines() if "c.sinr" in line and "written" in line)
    # The file is there, the line about it is half written.
    manifest.write_text(text[: text.index(last) + 30])
    result = encode()
    assert result.exit_code == 3
    assert "already exists" not in result.stderr
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [str(here / "out/c.sinr")]
    assert [line["outcome"] for line in records(here, "c.sinr")] == ["started", "started", "written"]


def test_files_of_somebody_else_are_kept_in_every_run(here):
    (here / "out").mkdir()
    (here / "out/a.sinr").write_bytes(b"mine")
    for _ in range(2):
        assert "a.sinr: already exists" in encode().stderr
        assert (here / "out/a.sinr").read_bytes() == b"mine"
    assert {line["outcome"] for line in records(here, "a.sinr")} == {"failed"}


def test_an_image_that_takes_the_place_of_another_is_made_again(here):
    encode()
    (here / "in/a.png").rename(here / "in/a.bmp")
    result = encode()
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [str(here / "out/a.sinr")]


def test_another_run_needs_another_manifest(here):
    encode()
    before = (here / "manifest").read_bytes()
    result = encode("-q", "30")
    assert result.exit_code == 3
    assert "manifest: made with other settings (quality)" in result.stderr
    assert (here / "manifest").read_bytes() == before


@pytest.mark.parametrize("content", [b"a shopping list\n", b"[]\n", b"7\n", b"\xff\n"])
def test_what_is_no_manifest_is_said_and_kept(here, content):
    (here / "manifest").write_bytes(content)
    result = encode()
    assert result.exit_code == 3
    assert "manifest" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert (here / "manifest").read_bytes() == content


def test_lines_that_tell_nothing_are_said(here):
    encode()
    with (here / "manifest").open("a") as manifest:
        manifest.write("{}\n")
    result = encode()
    assert result.exit_code == 3
    assert "is no manifest" in result.stderr


@pytest.mark.parametrize("names", [["-"], ["in/a.png", "-o", "-"]])
def test_it_is_not_for_standard_streams(here, names):
    result = CliRunner().invoke(cli, ["encode", *names, "--manifest", "manifest"])
    assert result.exit_code == 2
    assert "not for standard input and output" in result.stderr


def test_decoding_has_one_too(here):
    (here / "a.sinr").write_bytes(inrcodec.encode(np.zeros((8, 8), np.uint8)))
    for expected in ["written", None]:
        result = CliRunner().invoke(cli, ["decode", "a.sinr", "-o", "out/", "--manifest", "manifest"])
        assert result.exit_code == 0, result.stderr
        if expected:
            assert [line["outcome"] for line in records(here, "a.png")] == ["started", expected]
    assert len(records(here)) == 2
