"""Whatever ends a command: outputs are complete or not there, and nothing of it lives on."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

import inrcodec

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")

ENDINGS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129} if sys.platform != "win32" else {}
COUNT = 40


@pytest.fixture
def folder(photo, tmp_path):
    """A folder of pictures."""
    for number in range(COUNT):
        Image.fromarray(photo[number : number + 96]).save(tmp_path / f"{number}.png")
    return tmp_path


def started(folder, *options, count=COUNT):
    """A command that encodes so many pictures, in a process group of its own."""
    names = sorted(path.name for path in folder.glob("*.png"))[:count]
    command = [sys.executable, "-m", "inrcodec", "encode", *names, "-o", "out/", *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=pipe, start_new_session=True
    )


def wait_for(condition):
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it takes more than a minute")


def is_gone(group):
    """Whether no process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize(("outputs", "jobs"), [(0, "1"), (3, "2")])
@pytest.mark.parametrize("number", ENDINGS)
def test_signals_at_every_stage(folder, number, outputs, jobs, heeded):
    heeded(number)
    with started(folder, "-j", jobs) as process:
        if outputs:
            wait_for(lambda: len(list(folder.glob("out/*.sinr"))) >= outputs)
        else:
            wait_for((folder / "out").exists)
        process.send_signal(number)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == ENDINGS[number]
    assert b"Traceback" not in errors
    wait_for(lambda: is_gone(process.pid))
    written = os.listdir(folder / "out")
    assert outputs <= len(written) < COUNT
    for name in written:
        assert name.endswith(".sinr")
        assert inrcodec.inspect((folder / "out" / name).read_bytes()).height == 96


def test_a_signal_that_is_ignored_ends_nothing(folder):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = started(folder, count=4)
    finally:
        signal.signal(signal.SIGHUP, before)
    with process:
        wait_for((folder / "out").exists)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(os.listdir(folder / "out")) == 4


def test_a_folder_that_vanishes_is_an_error_for_every_file(folder):
    with started(folder, count=12) as process:
        wait_for(lambda: len(list(folder.glob("out/*.sinr"))) > 1)
        shutil.rmtree(folder / "out", ignore_errors=True)
        errors = process.communicate(timeout=60)[1].decode().splitlines()
    assert process.returncode == 1
    assert errors
    assert all(line.startswith("inrcodec: ") and "o such " in line for line in errors)
    assert not (folder / "out").exists() or os.listdir(folder / "out") == []
