"""How many cores and threads there are to share work among, and how numerical libraries are held to one."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    ),
    "1",
)
"""Environment in which numerical libraries take one thread; they read it when they are loaded."""
_SET_BY_THREADPOOLCTL = "KMP_DUPLICATE_LIB_OK"


def cores() -> int:
    """Processor cores this process may use, at least 1."""
    # A container or a batch system often grants fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads for one computation: as OMP_NUM_THREADS tells numerical libraries, or one per core."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(wanted) if wanted.isdecimal() and int(wanted) else cores()


def limiter() -> Any:
    """`threadpoolctl.threadpool_limits`. The variable that importing it sets is taken back."""
    before = os.environ.get(_SET_BY_THREADPOOLCTL)
    from threadpoolctl import threadpool_limits

    if before is None:
        os.environ.pop(_SET_BY_THREADPOOLCTL, None)
    return threadpool_limits


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Matrix products inside the block take one thread each; blocks may overlap, in one thread or several.

    The codec's matrices are small: a second thread gains a tenth of the time at best, and where cores are
    busy, threads that wait for each other take several times as long.

    The first block to begin limits the libraries that are loaded by then, and the last one to end puts back
    what it found. A thread that holds a limit of `threadpoolctl` of its own keeps others from changing
    OpenBLAS's: meanwhile, only blocks in that thread have an effect.

    Raises:
        Exception: whatever the block raises; the limit is lifted then, too.
    """
    # The inner limit is for libraries whose limits are per thread, and for a thread that holds its own.
    with _LIMIT, limiter()(1, user_api="blas"):
        yield


class _ProcessLimit:
    """Limit of the whole process, shared by whoever is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._lift: Callable[[], None]

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._lift = _limit_process()
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._lift()


def _limit_process() -> Callable[[], None]:
    """Sets the limit; what it returns puts back what was there."""
    threadpool_limits = limiter()
    limited, lift = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with threadpool_limits(1, user_api="blas"):
                limited.set()
                lift.wait()
        finally:
            limited.set()

    def end() -> None:
        lift.set()
        holder.join()

    # While a thread that has limited OpenBLAS lives, threadpoolctl silently keeps others from changing that.
    # The last user is often another thread than the first, so a third one does both.
    holder = threading.Thread(target=hold, name="one BLAS thread", daemon=True)
    holder.start()
    try:
        limited.wait()
    except BaseException:  # Ctrl-C: nobody will be inside.
        lift.set()
        raise
    return end


_LIMIT = _ProcessLimit()
