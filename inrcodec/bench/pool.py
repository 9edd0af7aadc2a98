"""A pool of processes that run one thread each, so that timings mean something."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from inrcodec.errors import EncodeError

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def parallel(
    function: Callable[[_Item], _Result], items: Sequence[_Item], jobs: int
) -> Iterator[tuple[_Item, _Result]]:
    """Pairs of item and function(item), as they are finished.

    Args:
        function: importable by name in another process.
        items: its arguments; items and results are pickled.
        jobs: processes, at least 1.

    Raises:
        EncodeError: a process died.
        Exception: whatever the function raises; the remaining items are then given up.
    """
    if not items:
        return
    # Spawned, not forked: children see the thread limits before they import numpy, and inherit no locks.
    context = multiprocessing.get_context("spawn")
    with one_thread(), ProcessPoolExecutor(min(jobs, len(items)), mp_context=context) as pool:
        futures = {pool.submit(function, item): item for item in items}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool:
            raise EncodeError(
                "a worker process died (out of memory?); finished points are kept: run again with --resume"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Child processes started inside see variables that limit numerical libraries to one thread."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
