"""Work shared among the workers of a Dask cluster, which schedules it and repeats what a lost worker had."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from inrcodec.errors import EncodeError

if TYPE_CHECKING:
    from distributed import Client, Future

_AHEAD = 2
"""Calls per thread of the cluster that are under way: one runs, one waits."""
_LEAST_AHEAD = 32
"""Calls under way at least, so that a cluster that starts workers as needed sees a need."""
_PATIENCE_S = 10

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@contextmanager
def connected(address: str) -> "Iterator[Client]":
    """A client of the scheduler at an address, such as `tcp://10.0.0.1:8786`.

    Raises:
        EncodeError: no scheduler answers there.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise EncodeError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        yield client


def share(
    client: "Client", function: Callable[[_Item], _Result], items: Iterable[_Item]
) -> Iterator[tuple[_Item, _Result | EncodeError]]:
    """Pairs of item and function(item), as they are finished.

    Only as many calls are under way as keep the cluster busy, however many items there are. What a worker was
    at when it died is done again elsewhere, from the beginning: a call may happen more than once.

    Args:
        client: see `connected`.
        function: importable by name on a worker.
        items: its arguments; items and results are pickled.

    Yields:
        In place of a result, an EncodeError where workers died of the same item again and again.

    Raises:
        EncodeError: the cluster was lost.
        Exception: whatever the function raises.
    """
    from distributed import as_completed

    left = iter(items)
    under_way: dict[str, _Item] = {}
    completed = as_completed(loop=client.loop)

    def submit() -> None:
        most = max(_LEAST_AHEAD, _AHEAD * sum(client.nthreads().values()))
        for item in islice(left, most - len(under_way)):
            # Not pure: the same call from elsewhere writes other files, or into other folders.
            future = client.submit(function, item, pure=False)
            under_way[future.key] = item
            completed.add(future)

    submit()
    for batch in completed.batches():
        for future in batch:
            yield under_way.pop(future.key), _result(future)
        submit()


def _result(future: "Future[_Result]") -> "_Result | EncodeError":
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        result: _Result = future.result()
    except KilledWorker:
        return EncodeError("worker processes died of it (out of memory?)")
    except FutureCancelledError as error:
        raise EncodeError(f"the cluster was lost: {error}") from error
    return result
