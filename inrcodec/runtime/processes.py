"""Processes of one thread each, that share work.

Neither this module nor what it imports may import numpy: a worker limits numerical libraries before that.
"""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from inrcodec.errors import EncodeError
from inrcodec.runtime.threads import ONE_THREAD, limiter, one_blas_thread

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor
    from multiprocessing.connection import Connection

_MOST_PROCESSES = 61
"""Windows cannot wait for more."""

_DIED = "a worker process died (out of memory?)"
_NONE_STARTED = (
    "worker processes could not start; a script that asks for more than one needs "
    '`if __name__ == "__main__":` around what it does'
)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Map(Protocol):
    """What `map` does, in this process or in several."""

    def __call__(self, function: Callable[[_Item], _Result], items: Iterable[_Item], /) -> Iterator[_Result]:
        """Results in the order of the items, each made when it is asked for, or ahead."""
        ...


def processes(jobs: int | None, items: int, *, gain: bool = True) -> int:
    """How many processes are worth starting for some items, given how many may be.

    Args:
        jobs: how many may be; one by default.
        items: tiles or images, at least 1.
        gain: whether several would be faster than one.

    Returns:
        At least 1.

    Raises:
        ValueError: none may be.
    """
    if jobs is None:
        return 1
    if jobs < 1:
        raise ValueError("jobs must be at least 1")
    return min(jobs, items) if gain else 1


def parallel(
    function: Callable[[_Item], _Result], items: Sequence[_Item], jobs: int
) -> Iterator[tuple[_Item, _Result]]:
    """Pairs of item and function(item), as they are finished.

    A daemonic process, such as a worker of `multiprocessing.Pool`, may not have children: it does the work
    itself.

    Args:
        function: importable by name in another process.
        items: its arguments; items and results are pickled.
        jobs: processes, at least 1.

    Raises:
        EncodeError: a process died, or none could start.
        Exception: whatever the function raises; the remaining items are then given up.
    """
    if not items:
        return
    if _childless():
        with one_blas_thread():
            for item in items:
                yield item, function(item)
        return
    from concurrent.futures import as_completed

    with _executor(min(jobs, len(items))) as pool:
        futures = {pool.submit(function, item): item for item in items}
        for future in as_completed(futures):
            yield futures[future], future.result()


@contextmanager
def mapping(jobs: int) -> Iterator[Map]:
    """A `map` whose calls are shared among processes if there are more than one.

    Meanwhile, matrix products take one thread in this process, too.

    Args:
        jobs: processes. With 1, a call is made in this process when its result is asked for; with more, they
            are also made ahead, but no more than two per process. In a daemonic process, as with 1.

    Raises:
        EncodeError: a process died, or none could start.
        Exception: whatever a function or the block raises; the processes are then ended at once.
    """
    if jobs == 1 or _childless():
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


def _childless() -> bool:
    """Whether multiprocessing keeps this process from having children."""
    import multiprocessing

    return multiprocessing.current_process().daemon


@contextmanager
def _executor(count: int) -> "Iterator[ProcessPoolExecutor]":
    """Processes that end with the block or this process; after an error, in the middle of their work."""
    # Imported here: whoever works in one process starts without them.
    import multiprocessing
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

    # Spawned, not forked: children have not imported numpy yet, and inherit no locks.
    context = multiprocessing.get_context("spawn")
    # Not an Event, whose lock would stay taken if a worker were killed while it sets it.
    started, starts = context.Pipe(duplex=False)
    count = min(count, _MOST_PROCESSES)
    with (
        started,
        starts,
        one_blas_thread(),
        ProcessPoolExecutor(count, context, _begin_work, (starts,)) as pool,
    ):
        try:
            yield pool
        except BaseException as error:
            # What `ProcessPoolExecutor.terminate_workers` does from Python 3.14 on.
            for process in list((pool._processes or {}).values()):
                process.terminate()
            if isinstance(error, BrokenProcessPool):
                raise EncodeError(_DIED if started.poll() else _NONE_STARTED) from None
            raise


def _begin_work(starts: "Connection") -> None:
    """What a worker does first."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # An interrupted worker ends silently.
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    with starts:
        starts.send_bytes(b"1")
    os.environ.update(ONE_THREAD)
    # The main module of the parent, which a worker imports before this, may have loaded it: too late for
    # variables. This limit stays, for all libraries, as theirs would.
    if "numpy" in sys.modules:
        limiter()(1)


def _end_with_parent() -> None:
    """Ends this process once its parent has: a killed one cannot tell its workers to."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
