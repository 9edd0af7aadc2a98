"""Calls shared by the workers of a real cluster."""

import os
import time
from itertools import count

import dask
import pytest
from distributed import LocalCluster

import inrcodec.runtime.cluster
from inrcodec.errors import EncodeError
from inrcodec.runtime.cluster import connected, share


@pytest.fixture(scope="module")
def address():
    """Of a scheduler with two workers; a call may cost the lives of two."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
    ):
        yield cluster.scheduler_address


def process_of(number):
    time.sleep(0.05)
    return os.getpid()


def die_once(path):
    """Note the call; the first one ends its process."""
    with path.open("a") as calls:
        calls.write("called\n")
    if len(path.read_text().splitlines()) == 1:
        os._exit(9)
    return path.name


def die_of_three(number):
    return os._exit(9) if number == 3 else number


def refuse(number):
    raise EncodeError(f"not {number}")


def test_every_item_has_its_result_and_workers_share_them(address):
    with connected(address) as client:
        results = dict(share(client, process_of, range(20)))
    assert sorted(results) == list(range(20))
    assert len(set(results.values())) == 2
    assert os.getpid() not in results.values()


def test_what_a_lost_worker_had_is_done_again(address, tmp_path):
    paths = [tmp_path / name for name in ("a", "b")]
    paths[1].write_text("called\n")
    with connected(address) as client:
        results = list(share(client, die_once, paths))
    assert sorted(results) == [(paths[0], "a"), (paths[1], "b")]
    assert [len(path.read_text().splitlines()) for path in paths] == [2, 2]


def test_what_kills_worker_after_worker_is_given_up(address):
    with connected(address) as client:
        results = dict(share(client, die_of_three, [1, 2, 3, 4]))
    error = results.pop(3)
    assert isinstance(error, EncodeError)
    assert "worker processes died" in str(error)
    assert all(isinstance(result, EncodeError) or result == item for item, result in results.items())
    assert sorted(results) == [1, 2, 4]


def test_an_error_of_the_function_arrives(address):
    with connected(address) as client, pytest.raises(EncodeError, match="not 1"):
        list(share(client, refuse, [1]))


def test_no_more_is_under_way_than_keeps_the_cluster_busy(address, monkeypatch):
    monkeypatch.setattr(inrcodec.runtime.cluster, "_LEAST_AHEAD", 1)
    taken = []

    def endless():
        for number in count():
            taken.append(number)
            yield number

    with connected(address) as client:
        results = share(client, process_of, endless())
        for done in range(1, 11):
            next(results)
            assert len(taken) <= done + 4


def test_where_no_scheduler_answers_is_said(monkeypatch):
    monkeypatch.setattr(inrcodec.runtime.cluster, "_PATIENCE_S", 0.2)
    for wrong in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(EncodeError, match=f"no Dask scheduler answers at {wrong}"), connected(wrong):
            pass
