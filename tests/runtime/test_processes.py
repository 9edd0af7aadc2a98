"""Processes that share work."""

import os
import threading
import time

import pytest

from inrcodec.errors import EncodeError
from inrcodec.runtime.processes import mapping, parallel
from inrcodec.runtime.threads import threads


def threads_and_variables(_):
    return threading.active_count(), os.environ["OMP_NUM_THREADS"], threads()


def die(_):
    os._exit(9)


def process_of(number):
    return number, os.getpid()


def refuse(number):
    raise EncodeError(f"not {number}")


def test_workers_are_told_to_use_one_thread():
    before = os.environ.get("OMP_NUM_THREADS")
    ((_, (_, variable, found)),) = list(parallel(threads_and_variables, [1], 1))
    assert (variable, found) == ("1", 1)
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_results_come_in_order_from_other_processes():
    with mapping(2) as share:
        found = list(share(process_of, range(12)))
    assert [number for number, _ in found] == list(range(12))
    assert os.getpid() not in {process for _, process in found}


def test_items_are_asked_for_only_a_little_ahead():
    taken = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    with mapping(2) as share:
        results = share(process_of, items())
        assert not taken
        next(results)
        assert len(taken) == 5  # Four are under way, one has come back.
        assert [number for number, _ in results] == list(range(1, 20))


def test_one_job_is_this_process_on_demand():
    with mapping(1) as share:
        results = share(process_of, iter([7]))
        assert list(results) == [(7, os.getpid())]


@pytest.mark.parametrize("run", [lambda f: list(parallel(f, [1, 2], 1)), lambda f: share_all(f, [1, 2])])
def test_a_dying_worker_is_an_error(run):
    with pytest.raises(EncodeError, match="worker process died"):
        run(die)


def share_all(function, items):
    with mapping(2) as share:
        return list(share(function, items))


def write_later(task):
    path, seconds = task
    time.sleep(seconds)
    path.touch()


def test_an_interruption_ends_what_is_under_way(tmp_path):
    def interrupted():
        with mapping(2) as share:
            next(share(write_later, [(tmp_path / "a", 0), (tmp_path / "b", 3), (tmp_path / "c", 3)]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_error_of_the_function_comes_back_as_it_is():
    with pytest.raises(EncodeError, match="not 3"):
        share_all(refuse, [3, 4, 5, 6, 7, 8])
