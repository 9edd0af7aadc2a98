"""Outputs appear complete or not at all, and replace nothing without permission."""

import errno
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from inrcodec.runtime.atomic_files import atomic_write, check_target, read_input, write_output


def test_writes_bytes_and_streams(tmp_path):
    atomic_write(tmp_path / "a", b"abc")
    atomic_write(tmp_path / "b", lambda stream: stream.write(b"def"))
    assert (tmp_path / "a").read_bytes() == b"abc"
    assert (tmp_path / "b").read_bytes() == b"def"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_keeps_an_existing_file_unless_told(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError, match="already exists"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    atomic_write(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"


def test_keeps_a_file_that_appears_meanwhile(tmp_path):
    path = tmp_path / "a"

    def slow(stream):
        stream.write(b"new")
        path.write_bytes(b"someone else's")

    with pytest.raises(FileExistsError):
        atomic_write(path, slow)
    assert path.read_bytes() == b"someone else's"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("existing", [False, True])
def test_an_interrupted_write_leaves_nothing(tmp_path, error, existing):
    path = tmp_path / "a"
    if existing:
        path.write_bytes(b"old")

    def interrupted(stream):
        stream.write(b"half")
        raise error

    with pytest.raises(error):
        atomic_write(path, interrupted, overwrite=True)
    assert os.listdir(tmp_path) == (["a"] if existing else [])
    assert not existing or path.read_bytes() == b"old"


def test_follows_the_umask(tmp_path):
    previous = os.umask(0o027)
    try:
        atomic_write(tmp_path / "a", b"")
    finally:
        os.umask(previous)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_a_replaced_file_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(mode)
    seen: list[int] = []

    def write(stream):
        seen.extend(file.stat().st_mode & 0o777 for file in tmp_path.iterdir())
        stream.write(b"new")

    atomic_write(path, write, overwrite=True)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == mode
    assert seen == [mode, mode]  # the temporary file, too


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    name = "\N{CAMERA}" * 58 + "." * 23  # 255 bytes
    atomic_write(tmp_path / name, b"abc")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a", "-"])
def test_write_errors_name_the_output(tmp_path, monkeypatch, name):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=SimpleNamespace(isatty=bool, write=full)))
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_output(name, b"abc")
    assert caught.value.filename == ("standard output" if name == "-" else "a")


def test_a_stream_that_takes_little_at_a_time_gets_all(monkeypatch):
    class Narrow(io.BytesIO):
        room = 3

        def write(self, data):
            return super().write(bytes(data[: self.room]))

    stream = Narrow()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=stream))
    write_output("-", b"abcdefgh")
    assert stream.getvalue() == b"abcdefgh"
    stream.room = 0
    with pytest.raises(BlockingIOError):
        write_output("-", b"abc")


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(FileExistsError):
        atomic_write(tmp_path / "link", b"new")
    atomic_write(tmp_path / "link", b"new", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_devices_are_written_into_not_replaced():
    atomic_write(Path(os.devnull), b"abc")
    assert not Path(os.devnull).is_file()


def test_impossible_targets(tmp_path):
    with pytest.raises(IsADirectoryError):
        check_target(tmp_path, overwrite=True)
    with pytest.raises(FileNotFoundError, match="no such directory"):
        check_target(tmp_path / "missing" / "a", overwrite=True)


def test_standard_streams(tmp_path, monkeypatch, capsysbinary):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"input")))
    assert read_input("-") == b"input"
    write_output("-", b"abc")
    assert capsysbinary.readouterr().out == b"abc"
    write_output(str(tmp_path / "a"), b"file")
    assert read_input(str(tmp_path / "a")) == b"file"


def test_binary_data_is_not_printed_on_a_terminal(monkeypatch):
    class Terminal(io.BytesIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Terminal()))
    with pytest.raises(OSError, match="terminal"):
        write_output("-", b"\0")


def test_no_more_is_read_than_makes_sense(tmp_path):
    (tmp_path / "a").write_bytes(b"SINR and so on")
    name = str(tmp_path / "a")
    assert read_input(name, begins=b"SINR") == b"SINR and so on"
    assert read_input(name, begins=b"PNG") == b"SIN"
    assert read_input(name, begins=b"SINR", largest=7) == b"SINR and"
