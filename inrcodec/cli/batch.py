"""Many files: which are read, where what they become is written, and what a failure stops."""

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from inrcodec.cli.errors import EXPECTED_ERRORS, report_error
from inrcodec.runtime.atomic_files import STDIO, write_output
from inrcodec.runtime.processes import mapping, processes

FILE_ERRORS = (*EXPECTED_ERRORS, click.UsageError)
"""What one file can cause and the others survive; an option may fit some of the files only."""

Files = tuple[str, str]
"""Source and target."""

_Facts = TypeVar("_Facts")


@dataclass(frozen=True)
class Input:
    """A file to read.

    Attributes:
        name: path, or `-`.
        place: where it lies in the folder that was walked; the mere name of a file that was named itself.
    """

    name: str
    place: Path


def is_folder(output: str | None, names: Sequence[str], recursive: bool) -> bool:
    """Whether outputs go into `output`, rather than to it: it is a folder, or there will be several."""
    if output is None or output == STDIO:
        return False
    return output.endswith(("/", os.sep)) or os.path.isdir(output) or _walks(names, recursive)


class Batch:
    """The files of one command. A failure is reported, and does not stop the rest.

    Attributes:
        exit_code: the worst so far.
    """

    def __init__(self) -> None:
        self.exit_code = 0

    def report(self, exc: Exception, name: str) -> None:
        """Print a line about one of `FILE_ERRORS`, and remember its exit code."""
        self.exit_code = max(self.exit_code, report_error(exc, name))

    def find(self, names: Sequence[str], recursive: bool, suffixes: Collection[str]) -> list[Input]:
        """The files to read, each once; folders that cannot be read are reported.

        Args:
            names: files, whatever their suffix, and folders; or `-` alone.
            recursive: whether to look into folders, and theirs, in the order of names.
            suffixes: what names of files in folders end in, in lower case, with the dot.

        Raises:
            click.UsageError: standard input among several.
        """
        if len(names) > 1 and STDIO in names:
            raise click.UsageError("standard input cannot be one of several files")
        found: dict[tuple[str, Path], Input] = {}
        for name in names:
            try:
                for file in self._inputs(name, recursive, suffixes):
                    found.setdefault((os.path.abspath(file.name), file.place), file)
            except OSError as exc:
                self.report(exc, name)
        return list(found.values())

    def _inputs(self, name: str, recursive: bool, suffixes: Collection[str]) -> list[Input]:
        if not name:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        if name == STDIO or not os.path.isdir(name):
            return [Input(name, Path(Path(name).name))]
        if not recursive:
            raise IsADirectoryError(errno.EISDIR, "is a directory (-r looks into it)", name)
        files = []
        for folder, folders, inside in os.walk(name, onerror=lambda exc: self.report(exc, name)):
            folders.sort()
            paths = (os.path.join(folder, file) for file in sorted(inside))
            files += [Input(path, Path(os.path.relpath(path, name))) for path in paths]
        files = [file for file in files if file.place.suffix.lower() in suffixes]
        if not files:
            raise FileNotFoundError(errno.ENOENT, "no file in it has a known extension", name)
        return files

    def plan(
        self,
        names: Sequence[str],
        output: str | None,
        suffix: str,
        *,
        recursive: bool,
        suffixes: Collection[str],
        skip_existing: bool,
    ) -> list[Files]:
        """What is written where; the folders for it are made.

        An output has its input's name with another suffix, added rather than exchanged where outputs of
        different names would meet. Of those that still meet, the first is written, the others are reported.

        Args:
            names: see `find`.
            output: file or folder; None puts each output beside its input.
            suffix: of outputs that are not named.
            recursive: see `find`.
            suffixes: see `find`.
            skip_existing: whether to leave out what is there and not older than its input.

        Raises:
            click.UsageError: the inputs need another kind of output.
        """
        into = is_folder(output, names, recursive)
        if output == "":
            raise click.UsageError("the name of the output is empty")
        if output is not None and not into and (len(names) > 1 or _walks(names, recursive)):
            raise click.UsageError(f"several files need a folder as output, ending in /, not {output}")
        if into and STDIO in names:
            raise click.UsageError("standard input needs a file as output")
        inputs = self.find(names, recursive, suffixes)
        if output is not None and not into:
            targets = [output] * len(inputs)
        elif STDIO in names:
            targets = [STDIO]
        else:
            targets = _targets(inputs, output, suffix)
        sources: dict[str, str] = {}
        for file, target in zip(inputs, targets, strict=True):
            try:
                if target in sources:
                    words = f"would be written to {target}, like {sources[target]}"
                    raise FileExistsError(errno.EEXIST, words, file.name)
                if skip_existing and _is_up_to_date(file.name, target):
                    continue
                if into:
                    Path(target).parent.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                self.report(exc, file.name)
            else:
                sources[target] = file.name
        return [(source, target) for target, source in sources.items()]

    def write(
        self,
        work: Callable[[Files], tuple[bytes, _Facts] | Exception],
        files: Sequence[Files],
        *,
        count: int,
        overwrite: bool,
    ) -> Iterator[tuple[str, _Facts]]:
        """Does the work of each pair of files, and writes what comes of it.

        Args:
            work: importable by name in another process; what is written, and what there is to say about it,
                or one of `FILE_ERRORS` that happened. It writes nothing: a process may end at any moment.
            files: sources and targets.
            count: processes that share the work.
            overwrite: whether existing files may be replaced.

        Yields:
            Target, and what there is to say, of each file that is written.
        """
        with mapping(count) as share:
            for (source, target), result in zip(files, share(work, files), strict=True):
                try:
                    if isinstance(result, Exception):
                        raise result
                    data, facts = result
                    write_output(target, data, overwrite=overwrite)
                except FILE_ERRORS as exc:
                    self.report(exc, source)
                else:
                    yield target, facts


def shares(files: Sequence[Files], device: str, jobs: int) -> tuple[int, int]:
    """Processes that share some files, and jobs that share each: either several files are shared, or one."""
    from inrcodec.kernels import select

    count = processes(jobs, len(files), gain=select(device).device == "cpu")
    return count, jobs if count == 1 else 1


def _walks(names: Sequence[str], recursive: bool) -> bool:
    """Whether there is a folder to look into."""
    return recursive and any(map(os.path.isdir, names))


def _targets(inputs: Sequence[Input], output: str | None, suffix: str) -> list[str]:
    """The output of each input, in the tree of inputs, or in one like it in the folder `output`."""
    folders = [(Path(output) / file.place if output else Path(file.name)).parent for file in inputs]
    short = [str(folder / (file.place.stem + suffix)) for folder, file in zip(folders, inputs, strict=True)]
    names = defaultdict(set)
    for target, file in zip(short, inputs, strict=True):
        names[target].add(file.place.name)
    return [
        str(folder / (file.place.name + suffix)) if len(names[target]) > 1 else target
        for folder, target, file in zip(folders, short, inputs, strict=True)
    ]


def _is_up_to_date(source: str, target: str) -> bool:
    """Whether the target is there and not older than the source."""
    if STDIO in (source, target) or not os.path.isfile(target):
        return False
    return os.stat(target).st_mtime_ns >= os.stat(source).st_mtime_ns
