"""Tars of files in, tars of what is made of them out."""

import io
import re
import tarfile

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import inrcodec
from inrcodec.cli.main import cli
from inrcodec.limits import Limits

LEVELS = {"0001": 32, "0002": 64, "dir/0003": 96}


def run(*arguments):
    """Invoke the command, in this process alone unless -j is given."""
    jobs = [] if "-j" in arguments else ["-j", 1]
    return CliRunner().invoke(cli, [str(argument) for argument in (*arguments, *jobs)])


def image(level):
    stream = io.BytesIO()
    Image.new("L", (8, 8), level).save(stream, "png")
    return stream.getvalue()


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def read_tar(path):
    with tarfile.open(path) as tar:
        return {member.name: path.read_bytes()[member.offset_data :][: member.size] for member in tar}


def level(data):
    return 32 * round(float(inrcodec.decode(data).mean()) / 32)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def samples(here):
    """A shard of images with labels."""
    members: dict[str, bytes] = {}
    for key, grey in LEVELS.items():
        members |= {f"{key}.cls": key.encode(), f"{key}.PNG": image(grey)}
    write_tar(here / "in.tar", members)
    return here / "in.tar"


@pytest.mark.parametrize("jobs", [1, 2])
def test_of_a_tar_one_is_made_with_what_else_lies_in_it(here, samples, jobs):
    assert run("encode", samples, "-o", "out/", "-j", jobs).exit_code == 0
    members = read_tar(here / "out/in.tar")
    assert list(members) == [f"{key}.{suffix}" for key in LEVELS for suffix in ("cls", "sinr")]
    for key, grey in LEVELS.items():
        assert members[f"{key}.cls"] == key.encode()
        assert level(members[f"{key}.sinr"]) == grey
    assert run("decode", here / "out/in.tar", "-o", "back/").exit_code == 0
    assert run("decode", here / "out/in.tar", "-o", "back.tar").exit_code == 0
    assert read_tar(here / "back.tar") == read_tar(here / "back/in.tar")
    back = read_tar(here / "back/in.tar")
    assert list(back) == [f"{key}.{suffix}" for key in LEVELS for suffix in ("cls", "png")]
    assert back["0001.png"].startswith(b"\x89PNG")


def test_tars_are_numbered_by_a_pattern(here, samples):
    result = run("encode", samples, "--shards", "out/s-%03d.tar", "--json")
    assert result.exit_code == 0
    assert '"output": "out/s-000.tar/0001.sinr"' in result.stdout
    assert f'"input": "{samples}/0001.PNG"' in result.stdout
    assert len(read_tar(here / "out/s-000.tar")) == 6


def test_files_are_packed_and_samples_stay_together(here):
    for name in ("a.left.png", "a.right.png", "a.top.png", "b.png", "c/d.png"):
        (here / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (here / "in" / name).write_bytes(image(64))
    assert run("encode", "-r", "in", "--shards", "s-%d.tar", "--shard-size", 2).exit_code == 0
    assert list(read_tar(here / "s-0.tar")) == ["a.left.sinr", "a.right.sinr", "a.top.sinr"]
    assert list(read_tar(here / "s-1.tar")) == ["b.sinr", "c/d.sinr"]
    assert sorted(path.name for path in here.iterdir()) == ["in", "s-0.tar", "s-1.tar"]


def test_names_are_kept_where_members_would_meet(here):
    write_tar(here / "in.tar", {"a.png": image(32), "a.bmp": image(64)})
    assert run("encode", "in.tar", "-o", "out/").exit_code == 0
    assert list(read_tar(here / "out/in.tar")) == ["a.png.sinr", "a.bmp.sinr"]


def test_a_member_that_fails_is_left_out_and_tried_again(here):
    write_tar(here / "in.tar", {"a.png": image(32), "b.png": b"none", "c.png": image(64)})
    options = ["encode", "in.tar", "-o", "out/", "--manifest", "manifest", "-j", 1]
    result = run(*options)
    assert result.exit_code == 3
    assert re.fullmatch(r"inrcodec: .*in\.tar/b\.png: .*\n", result.stderr)
    assert list(read_tar(here / "out/in.tar")) == ["a.sinr", "c.sinr"]
    write_tar(here / "in.tar", {"a.png": image(32), "b.png": image(96), "c.png": image(64)})
    assert run(*options).exit_code == 0
    assert list(read_tar(here / "out/in.tar")) == ["a.sinr", "b.sinr", "c.sinr"]
    result = run(*options)
    assert (result.exit_code, result.output) == (0, "")


def test_a_shard_of_files_is_made_again_if_its_files_change(here):
    (here / "in").mkdir()
    for name in ("a.png", "c.png"):
        (here / "in" / name).write_bytes(image(64))
    options = ["encode", "-r", "in", "--shards", "s-%d.tar", "--manifest", "manifest", "-j", 1]
    assert run(*options).exit_code == 0
    assert run(*options).output == ""
    (here / "in/b.png").write_bytes(image(64))
    assert run(*options).exit_code == 0
    assert list(read_tar(here / "s-0.tar")) == ["a.sinr", "b.sinr", "c.sinr"]


@pytest.mark.parametrize("cut", [100, 700, 1300, 2048], ids=["header", "data", "second header", "end"])
def test_a_damaged_tar_stops_no_other(here, cut):
    write_tar(here / "good.tar", {"a.png": image(32)})
    noise = np.random.default_rng(1).bytes(300)
    write_tar(here / "whole.tar", {"a.cls": noise, "b.cls": noise})
    (here / "bad.tar").write_bytes((here / "whole.tar").read_bytes()[:cut])
    result = run("encode", "bad.tar", "good.tar", "-o", "out/")
    assert result.exit_code == 3
    assert "bad.tar: not a tar file that can be read" in result.stderr
    assert [path.name for path in (here / "out").iterdir()] == ["good.tar"]


def test_sizes_beyond_all_measure_are_no_crash(here):
    write_tar(here / "in.tar", {"a.png": image(32)})
    data = bytearray((here / "in.tar").read_bytes())
    data[124:136] = b"\xff" * 12  # a size of -1, in base 256
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    (here / "in.tar").write_bytes(data)
    result = run("encode", "in.tar", "-o", "out/")
    assert result.exit_code == 3
    assert "in.tar: not a tar file that can be read" in result.stderr


def test_members_larger_than_any_file_are_refused(here, monkeypatch):
    monkeypatch.setattr("inrcodec.cli.jobs.DEFAULT_LIMITS", Limits(max_file_bytes=10))
    write_tar(here / "in.tar", {"a.cls": b"eleven byte"})
    result = run("encode", "in.tar", "-o", "out/")
    assert result.exit_code == 3
    assert "a.cls has more than 10 bytes" in result.stderr


def test_a_tar_is_never_written_over_itself(here, samples):
    before = samples.read_bytes()
    (here / "link").symlink_to(here)
    for options in (["-f"], ["-f", "-o", "."], ["-f", "-o", "link/"]):
        result = run("encode", "in.tar", *options)
        assert result.exit_code == 1
        assert "over itself" in result.stderr
        assert samples.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--shards", "out.tar"], "no place for a number"),
        (["--shards", "out-%s-%d.tar"], "no place for a number"),
        (["--shards", "o-%d.tar", "-o", "out/"], "in place of -o"),
    ],
)
def test_patterns_that_name_no_shards_are_refused(here, samples, options, words):
    result = run("encode", samples, *options)
    assert result.exit_code == 2
    assert words in result.stderr
