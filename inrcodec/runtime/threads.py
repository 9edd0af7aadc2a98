"""How many processor cores and threads there are to share work among."""

import os
from contextlib import AbstractContextManager


def cores() -> int:
    """Processor cores this process may use."""
    # A container or a batch system often grants fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads for one computation: OMP_NUM_THREADS, as numerical libraries read it, or one per core."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(wanted) if wanted.isdecimal() and int(wanted) else cores()


def one_blas_thread() -> AbstractContextManager[object]:
    """Matrix products inside the block take one thread each.

    The codec's matrices are small: a second thread gains a tenth of the time at best, and where cores are
    busy, threads that wait for each other take several times as long.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits
