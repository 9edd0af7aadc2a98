"""Files that URLs name, in a file system in memory."""

import io
import json
import tarfile

import fsspec
import pytest
from click.testing import CliRunner
from PIL import Image

import inrcodec
from inrcodec.cli.main import cli


@pytest.fixture
def memory():
    """The file system, with nothing in it but two images and a file that is none."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    for name, level in (("in/a.png", 32), ("in/2024/b.PNG", 64)):
        stream = io.BytesIO()
        Image.new("L", (8, 8), level).save(stream, "png")
        files.pipe_file(f"/{name}", stream.getvalue())
    files.pipe_file("/in/notes.txt", b"not an image")
    yield files
    files.store.clear()


def run(*arguments):
    return CliRunner().invoke(cli, [*arguments, "-j", "1"] if arguments[0] != "info" else arguments)


def level(data):
    return 32 * round(float(inrcodec.decode(data).mean()) / 32)


def test_one_file(memory, tmp_path):
    assert run("encode", "memory://in/a.png").exit_code == 0
    assert level(memory.cat_file("/in/a.sinr")) == 32
    assert run("encode", "memory://in/a.png", "-o", str(tmp_path / "a.sinr")).exit_code == 0
    assert (tmp_path / "a.sinr").read_bytes() == memory.cat_file("/in/a.sinr")
    assert run("decode", str(tmp_path / "a.sinr"), "-o", "memory://out/a.jpg").exit_code == 0
    assert memory.cat_file("/out/a.jpg").startswith(b"\xff\xd8")
    shown = json.loads(run("info", "memory://in/a.sinr", "--json").stdout)
    assert (shown["input"], shown["width"]) == ("memory://in/a.sinr", 8)


def test_folders_are_walked_and_their_tree_is_kept(memory):
    assert run("encode", "-r", "memory://in", "-o", "memory://out").exit_code == 0
    assert memory.find("/out") == ["/out/2024/b.sinr", "/out/a.sinr"]
    assert level(memory.cat_file("/out/2024/b.sinr")) == 64
    assert run("encode", "-r", "memory://in").exit_code == 0
    assert "/in/2024/b.sinr" in memory.find("/in")


def test_existing_files_are_kept_or_skipped(memory):
    memory.pipe_file("/in/a.sinr", b"mine")
    result = run("encode", "memory://in/a.png")
    assert result.exit_code == 1
    assert result.stderr == "inrcodec: memory://in/a.sinr: already exists (-f overwrites it)\n"
    assert run("encode", "memory://in/a.png", "--skip-existing").output == ""
    assert memory.cat_file("/in/a.sinr") == b"mine"
    assert run("encode", "memory://in/a.png", "-f").exit_code == 0
    assert level(memory.cat_file("/in/a.sinr")) == 32


def test_a_file_that_is_missing_is_called_so(memory):
    result = run("decode", "memory://in/no.sinr")
    assert result.exit_code == 1
    assert result.stderr == "inrcodec: memory://in/no.sinr: No such file or directory\n"


@pytest.mark.parametrize("name", ["memory://in/no.png", "nonsense://in/a.png", "s3://"])
def test_what_cannot_be_read_is_one_line(memory, name):
    result = run("encode", name, "memory://in/a.png", "-o", "memory://out/")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"inrcodec: {name}: ")
    assert memory.find("/out") == ["/out/a.sinr"]


def test_what_is_not_written_whole_is_not_there(memory, monkeypatch):
    def fail(*_):
        raise ConnectionResetError("gone")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile.commit", fail)
    result = run("encode", "memory://in/a.png", "-o", "memory://out/a.sinr")
    assert result.exit_code == 1
    assert result.stderr == "inrcodec: memory://out/a.sinr: gone\n"
    assert memory.find("/out") == []


def test_tars_lie_there_too_and_a_manifest_tells(memory, tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        info = tarfile.TarInfo("a.png")
        info.size = memory.size("/in/a.png")
        tar.addfile(info, io.BytesIO(memory.cat_file("/in/a.png")))
    memory.pipe_file("/s/in.tar", stream.getvalue())
    manifest = ["--manifest", str(tmp_path / "manifest")]
    command = ["encode", "memory://s/in.tar", "--shards", "memory://out/%04d.tar", *manifest]
    assert run(*command).exit_code == 0
    with tarfile.open(fileobj=io.BytesIO(memory.cat_file("/out/0000.tar"))) as tar:
        assert tar.getnames() == ["a.sinr"]
    assert run(*command).output == ""
    memory.rm("/out/0000.tar")
    assert run(*command).exit_code == 0
    assert memory.exists("/out/0000.tar")


def test_without_fsspec_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    result = run("encode", "memory://in/a.png")
    assert result.exit_code == 1
    assert "pip install 'inrcodec[remote]'" in result.stderr
