"""A cluster whose workers are fit for the work, or an error that says why not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import click

from inrcodec import __version__
from inrcodec.errors import EncodeError
from inrcodec.runtime.cluster import connected

if TYPE_CHECKING:
    from distributed import Client, Worker


class _Equipment(NamedTuple):
    """What a worker has."""

    version: str
    kernels: str
    codebook: str
    threads: int


@contextmanager
def equipped_cluster(address: str, codebook: str | None = None) -> "Iterator[Client]":
    """A client of the cluster at an address; what its workers have is said on stderr.

    Workers that come later are not asked; every result tells its version.

    Args:
        address: of the scheduler.
        codebook: name or path, if not the default one.

    Raises:
        EncodeError: no scheduler answers, or a worker has no inrcodec, another version or codebook than this
            process, or several threads, which would take each other's warnings.
    """
    mine = _equipment(codebook)
    with connected(address) as client:
        try:
            found = client.run(_equipment, codebook, on_error="return")
        except OSError as error:
            raise EncodeError(f"the workers of {address} do not answer: {error}") from error
        for worker, has in found.items():
            if isinstance(has, Exception):
                raise EncodeError(f"worker {worker} cannot work: {type(has).__name__}: {has}")
            if (has.version, has.codebook) != (mine.version, mine.codebook):
                raise EncodeError(f"worker {worker} has {_words(has)}; here is {_words(mine)}")
            if has.threads > 1:
                raise EncodeError(f"worker {worker} has {has.threads} threads; start it with --nthreads 1")
        kinds = ", ".join(sorted({_words(has) for has in found.values()})) or "none yet"
        click.echo(f"inrcodec: cluster {address}: {len(found)} workers, {kinds}", err=True)
        yield client


def _equipment(codebook: str | None, dask_worker: "Worker | None" = None) -> _Equipment:
    """What this process has; Dask fills in the worker by the name of the argument."""
    from inrcodec.codebook import load_codebook
    from inrcodec.kernels import select

    threads = 1 if dask_worker is None else dask_worker.state.nthreads
    return _Equipment(__version__, select().name, load_codebook(codebook).id.hex(), threads)


def _words(has: _Equipment) -> str:
    return f"inrcodec {has.version}, codebook {has.codebook}, {has.kernels} kernels"
