"""Processes that share work."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import inrcodec.runtime.processes
from inrcodec.errors import EncodeError
from inrcodec.runtime.processes import mapping, parallel
from inrcodec.runtime.threads import ONE_THREAD, threads


def threads_and_variables(_):
    return threads(), {name: os.environ.get(name) for name in ONE_THREAD}


def die(_):
    os._exit(9)


def process_of(number):
    return number, os.getpid()


def refuse(number):
    raise EncodeError(f"not {number}")


def test_workers_are_told_to_use_one_thread_and_nobody_else_is():
    before = dict(os.environ)
    for _, found in parallel(threads_and_variables, [1], 1):
        assert found == (1, ONE_THREAD)
        assert dict(os.environ) == before
    assert dict(os.environ) == before
    with mapping(2) as share:
        assert list(share(threads_and_variables, [1, 2])) == [(1, ONE_THREAD)] * 2
        assert dict(os.environ) == before
    assert dict(os.environ) == before


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
    with pytest.raises(EncodeError, match=r"worker process died \(out of memory"):
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


def work_both_ways(numbers):
    with mapping(2) as share:
        mapped = list(share(process_of, numbers))
    return mapped, list(parallel(process_of, numbers, 2))


def test_a_daemonic_process_does_the_work_itself():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        own = pool.apply(os.getpid)
        mapped, pairs = pool.apply(work_both_ways, ([3, 4, 5],))
        assert mapped == [(number, own) for number in (3, 4, 5)]
        assert pairs == [(result[0], result) for result in mapped]
        with pytest.raises(EncodeError, match="not 3"):
            pool.apply(share_all, (refuse, [3, 4]))


def script(folder, text, **options):
    """Starts a script, whose directory is not that of the package."""
    path = folder / "script.py"
    path.write_text(text)
    root = str(Path(inrcodec.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)])}
    return subprocess.Popen(
        [sys.executable, str(path)], env=environment, text=True, stdout=subprocess.PIPE, **options
    )


def test_a_script_without_a_guard_is_told_so(tmp_path):
    process = script(
        tmp_path,
        "from inrcodec.runtime.processes import mapping\n"
        "with mapping(2) as share:\n    print(list(share(abs, [1, 2])))\n",
        stderr=subprocess.PIPE,
    )
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert not output
    (told,) = [line for line in errors.splitlines() if "EncodeError: " in line]
    assert told.startswith("inrcodec.errors.EncodeError: worker processes could not start")
    assert 'if __name__ == "__main__":' in told
    assert "memory" not in errors


NUMPY_FIRST = """
import numpy
from threadpoolctl import threadpool_info

from inrcodec.runtime.processes import mapping

def blas(_):
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}

if __name__ == "__main__":
    before = blas(0)
    with mapping(2) as share:
        print(*share(blas, [1, 2]), blas(0))
    print(blas(0) == before)
"""


def test_workers_whose_main_module_has_loaded_numpy_take_one_thread_all_the_same(tmp_path):
    process = script(tmp_path, NUMPY_FIRST)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert output.splitlines() == ["{1} {1} {1}", "True"]


BUSY = """
import os
import time

from inrcodec.runtime.processes import mapping

def work(busy):
    os.write(1, f"{os.getpid()}\\n".encode())
    while busy:
        pass
    time.sleep(600)

if __name__ == "__main__":
    with mapping(2) as share:
        list(share(work, [False, True]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="these signals are POSIX's")
@pytest.mark.parametrize("number", ["SIGKILL", "SIGHUP"])
def test_workers_end_with_a_killed_parent(tmp_path, number, heeded):
    if number != "SIGKILL":
        heeded(getattr(signal, number))
    process = script(tmp_path, BUSY, stderr=subprocess.DEVNULL)
    workers = [int(process.stdout.readline()) for _ in range(2)]
    try:
        process.send_signal(getattr(signal, number))
        # Standard output is theirs, too: it ends when the last of them does.
        process.communicate(timeout=120)
    finally:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
    assert process.returncode == -getattr(signal, number)
