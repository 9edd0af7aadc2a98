"""How many processor cores there are to share work among."""

import os


def cores() -> int:
    """Processor cores this process may use."""
    # A container or a batch system often grants fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
