"""Processes of one thread each, that share work."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from inrcodec.errors import EncodeError
from inrcodec.runtime.threads import one_blas_thread

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

_MOST_PROCESSES = 61
"""Windows cannot wait for more."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Map(Protocol):
    """What `map` does, in this process or in several."""

    def __call__(
        self, function: Callable[[_Item], _Result], items: Iterable[_Item], /
    ) -> Iterator[_Result]: ...


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
    with _executor(min(jobs, len(items))) as pool:
        futures = {pool.submit(function, item): item for item in items}
        for future in as_completed(futures):
            yield futures[future], future.result()


@contextmanager
def mapping(jobs: int) -> Iterator[Map]:
    """A `map` whose calls are shared among processes if there are more than one; errors as for `parallel`.

    Meanwhile, matrix products take one thread in this process, too.

    Args:
        jobs: processes. With 1, a call is made in this process when its result is asked for; with more, they
            are also made ahead, but no more than two per process.
    """
    if jobs == 1:
        with one_blas_thread():
            yield map
        return
    with _executor(jobs) as pool:

        def ahead(function: Callable[[_Item], _Result], items: Iterable[_Item], /) -> Iterator[_Result]:
            pending: deque[Future[_Result]] = deque()
            for item in items:
                if len(pending) == 2 * jobs:
                    yield pending.popleft().result()
                pending.append(pool.submit(function, item))
            while pending:
                yield pending.popleft().result()

        yield ahead


@contextmanager
def _executor(count: int) -> "Iterator[ProcessPoolExecutor]":
    """Processes that end with the block; after an error, in the middle of their work."""
    # Imported here: whoever works in one process starts without them.
    import multiprocessing
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

    # Spawned, not forked: children see the thread limits before they import numpy, and inherit no locks.
    context = multiprocessing.get_context("spawn")
    count = min(count, _MOST_PROCESSES)
    with (
        one_thread(),
        one_blas_thread(),
        ProcessPoolExecutor(count, context, _end_silently_when_interrupted) as pool,
    ):
        try:
            yield pool
        except BaseException as error:
            # What `ProcessPoolExecutor.terminate_workers` does from Python 3.14 on.
            for process in list((pool._processes or {}).values()):
                process.terminate()
            if isinstance(error, BrokenProcessPool):
                raise EncodeError("a worker process died (out of memory?)") from None
            raise


def _end_silently_when_interrupted() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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
