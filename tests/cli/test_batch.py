"""Many files at once: what is read, where it goes, and that one failure stops no other file."""

import json
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import inrcodec
import inrcodec.cli.decode as decode_module
from inrcodec.cli.main import cli
from inrcodec.pictures.opening import readable_suffixes

README = (Path(__file__).parents[2] / "README.md").read_text()
LEVELS = range(0, 256, 32)


def run(*arguments):
    """Invoke the command in this process, and in no other."""
    jobs = ["-j", 1] if arguments[0] in ("encode", "decode") else []
    return CliRunner().invoke(cli, [str(argument) for argument in (*arguments, *jobs)])


def files(folder):
    """Paths of the files in a folder and its folders."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current directory, with nothing in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def encoded():
    """A flat grey .sinr file of 8 x 8 pixels for each level."""
    return [inrcodec.encode(np.full((8, 8), level, np.uint8), jobs=1) for level in LEVELS]


@pytest.fixture
def put(here, encoded):
    """Makes files: tiny images, or .sinr files, of a grey level each."""

    def make(*names):
        for level, data, name in zip(LEVELS, encoded, names, strict=False):
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".sinr"):
                (here / name).write_bytes(data)
            else:
                Image.new("L", (8, 8), level).save(here / name)

    return make


def level(path):
    """Mean grey level of an image or .sinr file, to the nearest of `LEVELS`."""
    data = path.read_bytes()
    pixels = inrcodec.decode(data) if path.suffix == ".sinr" else inrcodec.read_picture(data).pixels
    return 32 * round(float(pixels.mean()) / 32)


def test_decode_takes_several(here, put):
    put("a.sinr", "b.sinr")
    assert run("decode", "a.sinr", "b.sinr").exit_code == 0
    assert files(here) == ["a.png", "a.sinr", "b.png", "b.sinr"]
    assert run("decode", "a.sinr", "b.sinr", "-o", "out/", "--format", "JPG").exit_code == 0
    assert files(here / "out") == ["a.jpg", "b.jpg"]
    assert [level(here / "out" / name) for name in ("a.jpg", "b.jpg")] == [0, 32]


def test_decode_into_a_folder(here, put):
    put("a.sinr")
    (here / "there").mkdir()
    for folder in ("there", "new/"):
        assert run("decode", "a.sinr", "-o", folder).exit_code == 0
    assert files(here) == ["a.sinr", "new/a.png", "there/a.png"]


def test_processes_share_files(here, put):
    put("a.sinr", "b.sinr")
    (here / "bad.sinr").write_bytes(b"SINR")
    result = CliRunner().invoke(cli, ["decode", "a.sinr", "bad.sinr", "b.sinr", "-o", "out/", "-j", "2"])
    assert result.exit_code == 3
    assert result.stderr.splitlines() == ["inrcodec: bad.sinr: the file is truncated"]
    assert files(here / "out") == ["a.png", "b.png"]


def test_info_takes_several(here, put):
    put("a.sinr", "b.sinr")
    result = run("info", "a.sinr", "no.sinr", "b.sinr", "--json")
    assert result.exit_code == 1
    assert "no.sinr" in result.stderr
    assert [json.loads(line)["input"] for line in result.stdout.splitlines()] == ["a.sinr", "b.sinr"]
    first, second = run("info", "a.sinr", "b.sinr").stdout.split("\n\n")
    assert first.split()[:2] == ["input", "a.sinr"]
    assert second.split()[:2] == ["input", "b.sinr"]


def test_one_failure_does_not_stop_the_rest(here, put):
    put("a.sinr", "b.sinr")
    (here / "bad.sinr").write_bytes(b"no such file")
    result = run("decode", "", "no.sinr", "a.sinr", "bad.sinr", ".", "b.sinr")
    assert result.exit_code == 3  # the worst of 1, 3 and 0
    assert sorted(line.split(": ")[1] for line in result.stderr.splitlines()) == sorted(
        ["''", ".", "bad.sinr", "no.sinr"]
    )
    assert (level(here / "a.png"), level(here / "b.png")) == (0, 32)


@pytest.mark.parametrize("command", ["encode", "decode", "info"])
@pytest.mark.parametrize(
    ("name", "words"), [("", "'': No such file"), (".", "(-r looks into it)")], ids=["empty", "folder"]
)
def test_what_is_no_file_is_one_line(here, command, name, words):
    result = run(command, name)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert words in line
    assert files(here) == []


def test_an_option_that_does_not_fit_one_file_does_not_stop_the_rest(here, put):
    put("a.sinr")
    (here / "wide.sinr").write_bytes(inrcodec.encode(np.zeros((8, 40), np.uint8)))
    result = run("decode", "a.sinr", "wide.sinr", "--crop", "10,0,8,8")
    assert result.exit_code == 2
    assert "a.sinr: the region 10,0,8,8 is not inside the 8 x 8 picture" in result.stderr
    assert files(here) == ["a.sinr", "wide.png", "wide.sinr"]


def test_folders_are_walked_and_their_tree_is_kept(here, put):
    put("photos/a.png", "photos/2024/b.JPG", "photos/2024/may/c.tiff", "d.gif")
    (here / "photos/notes.txt").write_text("not an image")
    result = run("encode", "-r", "photos", "d.gif", "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert files(here / "out") == ["2024/b.sinr", "2024/may/c.sinr", "a.sinr", "d.sinr"]
    assert run("decode", "-r", "out", "-o", "back", "--format", "bmp").exit_code == 0
    assert files(here / "back") == ["2024/b.bmp", "2024/may/c.bmp", "a.bmp", "d.bmp"]
    assert [level(here / "back" / name) for name in files(here / "back")] == [32, 64, 0, 96]
    listed = run("info", "-r", "out", "--json").stdout.splitlines()
    assert [json.loads(line)["input"] for line in listed] == [
        os.path.join("out", *name.split("/"))
        for name in ("a.sinr", "d.sinr", "2024/b.sinr", "2024/may/c.sinr")
    ]


def test_without_a_folder_for_them_outputs_lie_beside_inputs(here, put):
    put("photos/2024/b.png")
    assert run("encode", "-r", "photos", "--quiet").exit_code == 0
    assert files(here) == ["photos/2024/b.png", "photos/2024/b.sinr"]


def test_a_folder_without_images_is_said(here, put):
    put("photos/a.sinr")
    result = run("encode", "-r", "photos", "-o", "out")
    assert result.exit_code == 1
    assert "photos: no file in it has a known extension" in result.stderr
    assert files(here) == ["photos/a.sinr"]


def test_what_walking_looks_for_is_what_can_be_read():
    suffixes = readable_suffixes()
    assert {".png", ".jpg", ".jpeg", ".tif", ".webp", ".avif", ".jp2", ".mpo", ".ppm"} <= suffixes
    assert not {".sinr", ".eps", ".pdf", ".ico", ".psd"} & suffixes


def test_names_are_kept_where_outputs_would_meet(here, put):
    put("a.png", "a.gif", "b.png", "in/c.png", "in/c.bmp")
    assert run("encode", "a.png", "a.gif", "b.png", "--quiet").exit_code == 0
    assert run("encode", "-r", "in", "-o", "out", "--quiet").exit_code == 0
    made = {name: level(here / name) for name in files(here) if name.endswith(".sinr")}
    assert made == {
        "a.png.sinr": 0,
        "a.gif.sinr": 32,
        "b.sinr": 64,
        "out/c.png.sinr": 96,
        "out/c.bmp.sinr": 128,
    }


def test_outputs_that_meet_all_the_same_are_named(here, put):
    put("x/a.png", "y/a.png", "b.png")
    result = run("encode", "x/a.png", "y/a.png", "b.png", "-o", "out/", "--quiet")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    target, first, second = (
        os.path.join(*parts) for parts in (("out", "a.sinr"), ("x/a.png",), ("y/a.png",))
    )
    assert line == f"inrcodec: {second}: would be written to {target}, like {first}"
    assert {name: level(here / "out" / name) for name in files(here / "out")} == {"a.sinr": 0, "b.sinr": 64}


def test_a_file_that_is_given_twice_is_read_once(here, put):
    put("a.png")
    result = run("encode", "a.png", "./a.png", "a.png")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_skip_existing(here, put, command):
    source, target = ("a.png", "a.sinr") if command == "encode" else ("a.sinr", "a.png")
    put(source, "b.png")
    (here / target).write_bytes(b"mine")
    os.utime(here / source, (1000, 1000))
    os.utime(here / target, (1000, 1000))  # not older: up to date
    for force in ([], ["-f"]):
        result = run(command, source, "--skip-existing", *force)
        assert (result.exit_code, result.output) == (0, "")
        assert (here / target).read_bytes() == b"mine"
    os.utime(here / target, (999, 999))
    result = run(command, source, "--skip-existing")
    assert result.exit_code == 1
    assert "already exists" in result.stderr
    assert run(command, source, "--skip-existing", "-f").exit_code == 0
    assert level(here / target) == 0


def test_what_is_missing_is_made_beside_what_is_skipped(here, put):
    put("a.sinr", "b.sinr")
    Image.new("L", (8, 8), 96).save(here / "a.png")
    assert run("decode", "a.sinr", "b.sinr", "--skip-existing").exit_code == 0
    assert (level(here / "a.png"), level(here / "b.png")) == (96, 32)


def test_a_folder_that_cannot_be_made_is_named(here, put):
    put("a.png")
    (here / "out").write_bytes(b"a file")
    result = run("encode", "a.png", "-o", "out/")
    assert result.exit_code == 1
    assert "out: " in result.stderr
    assert (here / "out").read_bytes() == b"a file"


def test_decode_tells_its_progress_with_large_pictures(here, monkeypatch):
    rows = np.zeros((8, 1100), np.uint8)
    (here / "large.sinr").write_bytes(inrcodec.encode(rows))
    (here / "small.sinr").write_bytes(inrcodec.encode(rows[:, :8]))
    shown = []

    class Bar:
        def __init__(self, source, *, hidden):
            self.source, self.hidden = source, hidden

        def __enter__(self):
            return lambda fraction: shown.append((self.source, self.hidden, fraction))

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(decode_module, "progress_bar", Bar)
    assert run("decode", "large.sinr", "small.sinr").exit_code == 0
    assert shown == [("large.sinr", False, 1.0), ("small.sinr", True, 1.0)]


def readme_commands():
    """The commands of README's "Command line" that turn pictures into files, or back."""
    (section,) = re.findall(r"\n## Command line\n(.*?)\n## ", README, re.DOTALL)
    (block,) = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    commands = [shlex.split(line.removeprefix("$ inrcodec "), comments=True) for line in block.splitlines()]
    return [command for command in commands if command[0] not in ("train", "bench", "view")]


@pytest.mark.parametrize("command", readme_commands(), ids=" ".join)
def test_commands_of_the_readme(here, command):
    picture = np.full((200, 300, 3), 99, np.uint8)
    names = ["photo", "a", "b", "photos/2024/c"]
    for name in names:
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if command[0] == "encode":
            Image.fromarray(picture).save(path.with_suffix(".jpg" if name == "b" else ".png"))
        else:
            path.with_suffix(".sinr").write_bytes(inrcodec.encode(picture, quality=1, effort=1))
    before = len(files(here))
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert (len(files(here)) > before) == (command[0] in ("encode", "decode"))
