"""Threads, and the limit of one for matrix products."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import permutations

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import inrcodec
from inrcodec.kernels import VARIABLE
from inrcodec.runtime.threads import cores, one_blas_thread, threads

PATIENCE = 60
"""Seconds after which a test that waits fails."""


@pytest.mark.parametrize(
    ("value", "expected"), [("3", 3), (" 2,4", 2), ("0", None), ("many", None), ("", None)]
)
def test_threads_are_those_of_the_variable_or_the_cores(monkeypatch, value, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert threads() == (expected or cores())


def blas():
    """How many threads BLAS libraries take."""
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


@pytest.fixture
def two():
    """BLAS libraries take two threads, and no thread holds a limit that others could not change."""
    with ThreadPoolExecutor(1) as pool:
        limits = pool.submit(threadpool_limits, 2, user_api="blas").result()
    assert blas() == {2}
    yield
    with ThreadPoolExecutor(1) as pool:
        pool.submit(limits.restore_original_limits).result()


@pytest.fixture
def people():
    """Three threads that live throughout the test, and do what they are told one after the other."""
    with ExitStack() as stack:
        yield [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(3)]


def tell(person, function, *arguments):
    """Has a thread call something, and waits for it."""
    return person.submit(function, *arguments).result(PATIENCE)


@pytest.mark.parametrize("leaving", list(permutations(range(3))))
def test_the_last_of_several_threads_lifts_the_limit(two, people, leaving):
    stacks = [ExitStack() for _ in people]
    for person, stack in zip(people, stacks, strict=True):
        tell(person, stack.enter_context, one_blas_thread())
        assert blas() == {1}
    for index in leaving:
        assert {tell(person, lambda: tuple(blas())) for person in people} == {(1,)}
        tell(people[index], stacks[index].close)
    assert blas() == {2}


def test_threads_that_come_and_go_at_once_leave_no_limit(two):
    def come_and_go():
        for _ in range(5):
            barrier.wait(PATIENCE)
            with one_blas_thread():
                seen.append(blas())

    seen: list[set[int]] = []
    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(come_and_go) for _ in range(4)]:
            future.result(PATIENCE)
    assert seen == [{1}] * 20
    assert blas() == {2}


def test_an_error_lifts_the_limit_of_nobody_else(two, people):
    def fail():
        with one_blas_thread():
            raise KeyError

    first, second, _ = people
    with ExitStack() as stack:
        tell(first, stack.enter_context, one_blas_thread())
        with pytest.raises(KeyError):
            tell(second, fail)
        assert blas() == {1}
        tell(first, stack.pop_all().close)
    assert blas() == {2}
    with pytest.raises(KeyError):
        fail()
    assert blas() == {2}


def test_blocks_can_be_nested(two, people):
    outer, inner, other = ExitStack(), ExitStack(), ExitStack()
    tell(people[0], outer.enter_context, one_blas_thread())
    tell(people[1], other.enter_context, one_blas_thread())
    tell(people[0], inner.enter_context, one_blas_thread())
    for person, stack in ((people[1], other), (people[0], inner), (people[0], outer)):
        assert blas() == {1}
        tell(person, stack.close)
    assert blas() == {2}


def test_a_limit_of_the_caller_comes_back(blas_threads):
    with one_blas_thread(), one_blas_thread():
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_overlapping_calls_leave_no_limit(two, photo, monkeypatch):
    """The first call ends in the middle of the second."""

    def first(_):
        first_began.set()
        assert second_began.wait(PATIENCE)

    def second(_):
        second_began.set()
        assert first_ended.wait(PATIENCE)
        seen.append(blas())

    monkeypatch.setenv(VARIABLE, "numpy")
    seen: list[set[int]] = []
    first_began, second_began, first_ended = threading.Event(), threading.Event(), threading.Event()
    pixels = photo[:32, :32]
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(inrcodec.encode, pixels, progress=first)
        one.add_done_callback(lambda _: first_ended.set())
        assert first_began.wait(PATIENCE)
        other = pool.submit(inrcodec.encode, pixels, progress=second)
        data = one.result(PATIENCE)
        assert inrcodec.decode(other.result(PATIENCE)).shape == inrcodec.decode(data).shape
        assert blas() == {2}
    assert seen
    assert all(found == {1} for found in seen)


def test_the_environment_stays_as_it_was():
    program = (
        "import os; before = dict(os.environ)\n"
        "from inrcodec.runtime.threads import one_blas_thread\n"
        "with one_blas_thread(): inside = dict(os.environ)\n"
        "assert inside == before == dict(os.environ), inside.items() ^ before.items()"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KMP_")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
