"""How many processor cores and threads there are to share work among."""

import os


def cores() -> int:
    """Processor cores this process may use."""
    # A container or a batch system often grants fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads for one computation: OMP_NUM_THREADS, as numerical libraries read it, or one per core."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(wanted) if wanted.isdecimal() and int(wanted) else cores()
