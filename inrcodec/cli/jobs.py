"""What one process does by itself: files, each to a file of its own, or many to a tar shard."""

import hashlib
import io
import shutil
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import tee
from pathlib import PurePath
from typing import Any, BinaryIO, NamedTuple, cast

import click

from inrcodec import __version__
from inrcodec.cli.errors import EXPECTED_ERRORS
from inrcodec.errors import InputError, LimitError
from inrcodec.limits import DEFAULT_LIMITS
from inrcodec.runtime.atomic_files import write_file, write_output
from inrcodec.runtime.processes import Map, mapping
from inrcodec.runtime.urls import fetch, is_url

FILE_ERRORS = (*EXPECTED_ERRORS, click.UsageError)
"""What one file can cause and the others survive; an option may fit some of the files only."""

Facts = dict[str, Any]
"""What there is to say about a file that is made, by name."""


class Item(NamedTuple):
    """A file to make.

    Attributes:
        source: path, URL, or `-`; of a member of a tar, its own name behind that of the tar.
        target: path, URL, or `-`; of a member of a shard, its name in it.
        data: the content of a source that was read already.
    """

    source: str
    target: str
    data: bytes | None = None


Work = Callable[[Item], tuple[bytes, Facts] | Exception]
"""What a file becomes, and the facts about it; or one of `FILE_ERRORS` that happened. Nothing is written: a
process may end at any moment."""


@dataclass(frozen=True)
class Job:
    """An output, and what becomes it.

    Attributes:
        items: the file, or those of a shard.
        shard: the tar that they are written to, if they are not one file.
        tar: the tar that they are read from; it takes the place of `items`.
        overwrite: whether an existing output may be replaced.
    """

    items: tuple[Item, ...] = ()
    shard: str | None = None
    tar: str | None = None
    overwrite: bool = False

    @property
    def target(self) -> str:
        """The output."""
        return self.items[0].target if self.shard is None else self.shard

    @property
    def source(self) -> str | None:
        """What is read, if it is one file."""
        return self.sources[0] if self.shard is None or self.tar is not None else None

    @property
    def sources(self) -> tuple[str, ...]:
        """What is read."""
        return tuple(item.source for item in self.items) if self.tar is None else (self.tar,)


class Done(NamedTuple):
    """How it went with a file, or with a shard as a whole.

    Attributes:
        source: see `Item`; None for a shard that is made of files.
        target: see `Item`; of a member of a shard, its name behind that of the shard.
        result: the facts; or the error, and then nothing was written. None if there are no facts.
        size: bytes that were written.
        sha256: of them, in hexadecimal.
        version: of this package, where it happened.
    """

    source: str | None
    target: str
    result: Facts | Exception | None
    size: int = 0
    sha256: str = ""
    version: str = __version__

    @property
    def facts(self) -> Facts:
        """The result of a file that was made."""
        return cast(Facts, self.result)


@dataclass(frozen=True)
class Maker:
    """Makes outputs.

    Attributes:
        work: importable by name in another process.
        suffix: of what is made of the members of a tar.
        suffixes: of the members of a tar that something is made of, in lower case; others are copied.
    """

    work: Work
    suffix: str
    suffixes: Collection[str]

    def __call__(self, job: Job) -> list[Done]:
        """Do a job in this process."""
        with mapping(1) as share:
            return list(self.files([job], share)) if job.shard is None else self.shard(job, share)

    def files(self, jobs: Iterable[Job], share: Map) -> Iterator[Done]:
        """Make files, one of each job, in their order."""
        mine, theirs = tee(jobs)
        results = share(self.work, (job.items[0] for job in theirs))
        for job, result in zip(mine, results, strict=True):
            (item,) = job.items
            try:
                data, facts = _made(result)
                write_output(item.target, data, overwrite=job.overwrite)
            except FILE_ERRORS as error:
                yield Done(item.source, item.target, error)
            else:
                yield Done(item.source, item.target, facts, len(data), hashlib.sha256(data).hexdigest())

    def shard(self, job: Job, share: Map) -> list[Done]:
        """Make a shard: how it went with each of its files, and at the end with itself.

        What fails is left out of it; the order is that of the job, or of the tar.
        """
        import tarfile  # Commands on files start without it.
        import tempfile

        done: list[Done] = []
        try:
            # Whole before it goes anywhere: no connection waits for the work; size and hash are known.
            with tempfile.TemporaryFile() as stream:
                with tarfile.open(fileobj=stream, mode="w") as shard:
                    for source, member, result in share(self._member, self._items(job)):
                        target = f"{job.target}/{member}"
                        if isinstance(result, Exception):
                            done.append(Done(source, target, result))
                            continue
                        data, facts = result
                        info = tarfile.TarInfo(member)
                        info.size = len(data)
                        shard.addfile(info, io.BytesIO(data))
                        done.append(Done(source, target, facts, len(data), hashlib.sha256(data).hexdigest()))
                size = stream.tell()
                stream.seek(0)
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
                stream.seek(0)
                write_file(job.target, partial(shutil.copyfileobj, stream), overwrite=job.overwrite)
        except FILE_ERRORS as error:
            return [Done(job.tar, job.target, error)]
        return [*done, Done(job.tar, job.target, None, size, digest)]

    def _member(self, item: Item) -> tuple[str, str, tuple[bytes, Facts | None] | Exception]:
        """Source, target, and what comes of the one for the other."""
        if item.data is not None and not self._is_worked(item.source):
            return item.source, item.target, (item.data, None)
        return item.source, item.target, self.work(item)

    def _is_worked(self, name: str) -> bool:
        return PurePath(name).suffix.lower() in self.suffixes

    def _items(self, job: Job) -> Iterator[Item]:
        """The files of a shard.

        Raises:
            InputError: the tar is no tar, or truncated.
            LimitError: a member is larger than any file may be.
            OSError: the tar cannot be read.
        """
        import tarfile  # See `shard`.

        if job.tar is None:
            yield from job.items
            return
        try:
            with _seekable(job.tar) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
                members = [member for member in tar if member.isfile()]
                file = cast(BinaryIO, tar.fileobj)
                file.seek(tar.offset)
                # tarfile takes the end of the file, too, for that of the archive, which is a block of zeros.
                if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError("truncated")
                names = [PurePath(member.name) for member in members]
                worked = iter(new_names([name for name in names if self._is_worked(name.name)], self.suffix))
                for member, name in zip(members, names, strict=True):
                    if member.size > DEFAULT_LIMITS.max_file_bytes:
                        raise LimitError(f"{member.name} has more than {DEFAULT_LIMITS.max_file_bytes} bytes")
                    data = cast(BinaryIO, tar.extractfile(member)).read()
                    target = next(worked) if self._is_worked(name.name) else name
                    yield Item(f"{job.tar}/{member.name}", target.as_posix(), data)
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise InputError(f"not a tar file that can be read ({error})") from error


def new_names(places: Sequence[PurePath], suffix: str) -> list[PurePath]:
    """Places with another suffix, added rather than exchanged where places of different names would meet."""
    short = [place.with_name(place.stem + suffix) for place in places]
    names = defaultdict(set)
    for new, place in zip(short, places, strict=True):
        names[new].add(place.name)
    return [
        place.with_name(place.name + suffix) if len(names[new]) > 1 else new
        for new, place in zip(short, places, strict=True)
    ]


def _made(result: tuple[bytes, Facts] | Exception) -> tuple[bytes, Facts]:
    """The result, or the exception, raised."""
    if isinstance(result, Exception):
        raise result
    return result


@contextmanager
def _seekable(name: str) -> Iterator[BinaryIO]:
    """A file, opened; what a URL names is copied first, in one go."""
    import tempfile  # See `Maker.shard`.

    if not is_url(name):
        with open(name, "rb") as stream:
            yield stream
        return
    with tempfile.TemporaryFile() as copy:
        fetch(name, cast(BinaryIO, copy))
        copy.seek(0)
        yield cast(BinaryIO, copy)
