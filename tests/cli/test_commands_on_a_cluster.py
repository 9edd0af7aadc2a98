"""Commands whose work the workers of a real cluster do."""

import csv
import hashlib
import json
import os
import signal
import threading

import numpy as np
import pytest
from click.testing import CliRunner
from distributed import Client, LocalCluster
from PIL import Image

import inrcodec
from inrcodec.cli.main import cli
from inrcodec.codebook import load_codebook


@pytest.fixture(scope="module")
def cluster():
    """Two workers of one thread each."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current directory, with a folder of noisy images."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 256, (96, 96, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number:02}.png")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def made(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def told(result, folder):
    """Lines of standard output, in any order, without folder and seconds."""
    return sorted(line.replace(f"{folder}/", "").rpartition(",")[0] for line in result.stdout.splitlines())


def test_a_cluster_makes_what_this_process_makes(cluster, here):
    (here / "in/bad.png").write_bytes(b"not an image")
    expected = run("encode", "-r", "in", "-o", "here", "-j", 1)
    result = run("encode", "-r", "in", "-o", "there", "--cluster", cluster.scheduler_address)
    assert result.exit_code == expected.exit_code == 3
    assert made(here / "there") == made(here / "here")
    assert told(result, here / "there") == told(expected, "here")
    equipment, failure = result.stderr.splitlines()
    assert failure == expected.stderr.strip().replace("in/", f"{here}/in/")
    assert f"2 workers, inrcodec {inrcodec.__version__}, codebook {load_codebook().id.hex()}" in equipment
    assert run("decode", "-r", "there", "-o", "back", "--cluster", cluster.scheduler_address).exit_code == 0
    assert sorted(made(here / "back")) == [f"{number:02}.png" for number in range(24)]


@pytest.mark.parametrize("shards", [False, True], ids=["files", "shards"])
def test_nothing_is_lost_or_doubled_when_a_worker_is_killed(cluster, here, shards):
    run("encode", "-r", "in", "-o", "expected", "-j", 1)
    pids = set(client_pids(cluster).values())
    output = ["--shards", "out/%d.tar", "--shard-size", 2] if shards else ["-o", "out/"]
    ended = threading.Event()
    (here / "out").mkdir()

    def kill_one():
        while not ended.wait(0.005):
            if len(made(here / "out")) >= 3:
                os.kill(min(pids), signal.SIGKILL)
                return

    killer = threading.Thread(target=kill_one)
    killer.start()
    options = ["--manifest", "manifest", "--cluster", cluster.scheduler_address]
    result = run("encode", "-r", "in", *output, *options)
    ended.set()
    killer.join()
    assert result.exit_code == 0, result.stderr
    assert min(pids) not in client_pids(cluster).values()
    outputs = made(here / "out")
    lines = [json.loads(line) for line in (here / "manifest").read_text().splitlines()[1:]]
    written = [line for line in lines if line["outcome"] == "written"]
    assert len({line["output"] for line in written}) == len(written)
    files = {line["output"].rpartition("/")[2]: line["sha256"] for line in written}
    expected = {name: hashlib.sha256(data).hexdigest() for name, data in made(here / "expected").items()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in outputs.items()}
    assert files == expected | hashes
    assert len(outputs) == (12 if shards else 24)
    assert len(result.stdout.splitlines()) == 24
    again = run("encode", "-r", "in", *output, *options)
    assert (again.exit_code, again.stdout) == (0, "")


def client_pids(cluster):
    """Processes of the workers, by address."""
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(2)
        return client.run(os.getpid)


def test_existing_files_are_kept_or_skipped_as_ever(cluster, here):
    (here / "00.sinr").write_bytes(b"mine")
    options = ["-o", "./", "--cluster", cluster.scheduler_address]
    result = run("encode", "in/00.png", "in/01.png", *options)
    assert result.exit_code == 1
    assert f"inrcodec: {here}/00.sinr: already exists (-f overwrites it)" in result.stderr
    assert (here / "00.sinr").read_bytes() == b"mine"
    assert (here / "01.sinr").exists()
    result = run("encode", "in/00.png", "in/01.png", "--skip-existing", *options)
    assert (result.exit_code, result.output) == (0, "")
    assert run("encode", "in/00.png", "-f", *options).exit_code == 0
    assert inrcodec.inspect((here / "00.sinr").read_bytes()).width == 96


def test_a_benchmark_has_its_points_measured_there(cluster, here):
    (here / "in/00.png").rename(here / "00.png")
    options = ["--out", "report", "--codecs", "webp", "--qualities", "50,80"]
    result = run("bench", "00.png", *options, "--cluster", cluster.scheduler_address)
    assert result.exit_code == 0, result.output
    with (here / "report/results.csv").open() as rows:
        assert [row["setting"] for row in csv.DictReader(rows)] == ["50", "80"]
    assert (here / "report/report.html").exists()


def test_workers_with_several_threads_are_refused(here):
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster:
        result = run("encode", "-r", "in", "-o", "out", "--cluster", cluster.scheduler_address)
    assert result.exit_code == 1
    assert "has 2 threads; start it with --nthreads 1" in result.stderr
    assert list((here / "out").iterdir()) == []


def test_workers_of_another_version_are_refused(cluster, here, monkeypatch):
    monkeypatch.setattr("inrcodec.cli.cluster.__version__", "0.0.1")
    result = run("encode", "-r", "in", "-o", "out", "--cluster", cluster.scheduler_address)
    assert result.exit_code == 1
    assert f"has inrcodec {inrcodec.__version__}" in result.stderr
    assert "here is inrcodec 0.0.1" in result.stderr
    assert list((here / "out").iterdir()) == []


@pytest.mark.parametrize("names", [["-"], ["in/00.png", "-o", "-"]])
def test_it_is_not_for_standard_streams(here, names):
    result = run("encode", *names, "--cluster", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert "not for standard input and output" in result.stderr


def test_without_dask_the_extra_is_named(here, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    result = run("encode", "in/00.png", "--cluster", "tcp://127.0.0.1:9")
    assert result.exit_code == 1
    assert "pip install 'inrcodec[dask]'" in result.stderr
