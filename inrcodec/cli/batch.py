"""Many files: which are read, where what they become is written, and what a failure stops."""

import errno
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inrcodec.cli.errors import report_error
from inrcodec.cli.jobs import Done, Item, Job, Maker, new_names
from inrcodec.cli.manifest import Manifest
from inrcodec.cli.names import (
    Input,
    absolute,
    base,
    groups,
    is_dir,
    is_folder,
    is_same,
    is_up_to_date,
    make_parent,
    targets,
    walks,
)
from inrcodec.cli.progress import count_bar
from inrcodec.errors import EncodeError
from inrcodec.runtime import urls
from inrcodec.runtime.atomic_files import STDIO, check_output
from inrcodec.runtime.cluster import share as share_on_cluster
from inrcodec.runtime.processes import mapping, processes
from inrcodec.runtime.urls import is_url

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Shards:
    """The tars that outputs are written into.

    Attributes:
        pattern: makes a name of a number.
        size: files in each, where they do not come from tars.
    """

    pattern: str
    size: int


class Batch:
    """The files of one command. A failure is reported, and does not stop the rest.

    Attributes:
        exit_code: the worst so far.
    """

    def __init__(self, manifest: Manifest | None = None) -> None:
        self.exit_code = 0
        self._manifest = manifest

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
                    found.setdefault((absolute(file.name), file.place), file)
            except OSError as exc:
                self.report(exc, name)
        return list(found.values())

    def _inputs(self, name: str, recursive: bool, suffixes: Collection[str]) -> list[Input]:
        if not name:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        if name == STDIO or not is_dir(name):
            return [Input(name, Path(base(name)))]
        if not recursive:
            raise IsADirectoryError(errno.EISDIR, "is a directory (-r looks into it)", name)
        files = [Input(*found) for found in urls.find(name)] if is_url(name) else self._walk(name)
        files = [file for file in files if file.place.suffix.lower() in suffixes]
        if not files:
            raise FileNotFoundError(errno.ENOENT, "no file in it has a known extension", name)
        return files

    def _walk(self, name: str) -> list[Input]:
        files = []
        for folder, folders, inside in os.walk(name, onerror=lambda exc: self.report(exc, name)):
            folders.sort()
            paths = (os.path.join(folder, file) for file in sorted(inside))
            files += [Input(path, Path(os.path.relpath(path, name))) for path in paths]
        return files

    def plan(
        self,
        names: Sequence[str],
        output: str | None,
        suffix: str,
        *,
        recursive: bool,
        suffixes: Collection[str],
        overwrite: bool,
        skip_existing: bool,
        shards: Shards | None = None,
    ) -> list[Job]:
        """What is made of what; the folders for it are made. Outputs that may not be written are reported.

        An output has its input's name with another suffix, added rather than exchanged where outputs of
        different names would meet. Of those that still meet, the first is written, the others are reported.
        Of a tar, a tar of the same name is made.

        Args:
            names: see `find`.
            output: file or folder; None puts each output beside its input.
            suffix: of outputs that are not named.
            recursive: see `find`.
            suffixes: see `find`.
            overwrite: whether existing files may be replaced; those that the manifest tells of always may.
            skip_existing: whether to leave out what is there and not older than what it is made of.
            shards: the tars to write into, in place of `output`.

        Raises:
            click.UsageError: the inputs need another kind of output.
        """
        into = is_folder(output, names, recursive)
        if output == "":
            raise click.UsageError("the name of the output is empty")
        if shards and (output is not None or STDIO in names):
            raise click.UsageError("--shards is in place of -o, and not for standard input")
        if output is not None and not into and (len(names) > 1 or walks(names, recursive)):
            raise click.UsageError(f"several files need a folder as output, ending in /, not {output}")
        if into and STDIO in names:
            raise click.UsageError("standard input needs a file as output")
        inputs = self.find(names, recursive, suffixes)
        if shards:
            jobs = self._sharded(inputs, suffix, shards)
        else:
            if output is not None and not into:
                outputs = [output] * len(inputs)
            elif STDIO in names:
                outputs = [STDIO]
            else:
                outputs = targets(inputs, output, suffix)
            jobs = [
                Job(tar=file.name, shard=target) if file.is_tar else Job((Item(file.name, target),))
                for file, target in self._distinct(inputs, outputs)
            ]
        if into and output is not None and is_url(output):
            # One listing, which many file systems remember, in place of a question per file.
            urls.find(output)
        folders = into or shards is not None
        return self._left(jobs, overwrite=overwrite, skip_existing=skip_existing, folders=folders)

    def _sharded(self, inputs: Sequence[Input], suffix: str, shards: Shards) -> list[Job]:
        tars = [Job(tar=file.name) for file in inputs if file.is_tar]
        files = [file for file in inputs if not file.is_tar]
        members = [place.as_posix() for place in new_names([file.place for file in files], suffix)]
        items = [Item(file.name, member) for file, member in self._distinct(files, members)]
        jobs = [*tars, *map(Job, groups(items, shards.size))]
        return [replace(job, shard=shards.pattern % number) for number, job in enumerate(jobs)]

    def _distinct(self, inputs: Sequence[Input], outputs: Sequence[str]) -> Iterator[tuple[Input, str]]:
        """Inputs and targets, without those that an earlier one is written to, which are reported."""
        sources: dict[str, str] = {}
        for file, target in zip(inputs, outputs, strict=True):
            if target in sources:
                words = f"would be written to {target}, like {sources[target]}"
                self.report(FileExistsError(errno.EEXIST, words, file.name), file.name)
                continue
            sources[target] = file.name
            yield file, target

    def _left(self, jobs: Sequence[Job], *, overwrite: bool, skip_existing: bool, folders: bool) -> list[Job]:
        """The jobs that are to be done."""
        left = []
        for job in jobs:
            mine = self._manifest is not None and self._manifest.is_ours(job.target)
            try:
                if self._manifest is not None and self._manifest.is_written(job):
                    continue
                if skip_existing and is_up_to_date(job.sources, job.target):
                    continue
                if job.source not in (None, STDIO) and is_same(job.source, job.target):
                    raise FileExistsError(errno.EEXIST, "would be written over itself", job.source)
                if folders:
                    make_parent(job.target)
                check_output(job.target, overwrite or mine)
            except OSError as error:
                self._note(job, [Done(job.source, job.target, error)])
            else:
                left.append(replace(job, overwrite=overwrite or mine))
        return left

    def run(
        self, maker: Maker, jobs: Sequence[Job], *, count: int, cluster: "Client | None", bar: bool
    ) -> Iterator[Done]:
        """Do jobs, in this process and others, or on a cluster.

        Args:
            maker: how files are made.
            jobs: see `plan`.
            count: processes that share the work, if there is no cluster.
            cluster: whose workers do it.
            bar: whether a bar shows how many are done.

        Yields:
            Each file that is made; facts are its result.

        Raises:
            EncodeError: a process died, or the cluster was lost.
        """
        outcomes = self._here(maker, jobs, count) if cluster is None else self._there(maker, jobs, cluster)
        with count_bar(len(jobs), hidden=not bar) as advance:
            for job, outcome in outcomes:
                yield from self._note(job, outcome)
                advance()

    def _here(self, maker: Maker, jobs: Sequence[Job], count: int) -> Iterator[tuple[Job, list[Done]]]:
        files = [job for job in jobs if job.shard is None]
        with mapping(count) as share:
            for job, done in zip(files, maker.files(self._started(files), share), strict=True):
                yield job, [done]
            for job in self._started([job for job in jobs if job.shard is not None]):
                yield job, maker.shard(job, share)

    def _there(
        self, maker: Maker, jobs: Sequence[Job], cluster: "Client"
    ) -> Iterator[tuple[Job, list[Done]]]:
        # What is done again, after its worker was lost, may find its output there.
        mine = (replace(job, overwrite=True) for job in self._started(jobs))
        for job, outcome in share_on_cluster(cluster, maker, mine):
            if isinstance(outcome, EncodeError):
                outcome = [Done(job.source, job.target, outcome)]
            yield job, outcome

    def _started(self, jobs: Sequence[Job]) -> Iterator[Job]:
        """Jobs, as they begin."""
        for job in jobs:
            if self._manifest is not None:
                self._manifest.start(job)
            yield job

    def _note(self, job: Job, outcome: Sequence[Done]) -> list[Done]:
        """Report what failed; the files that are made, of which there is something to say."""
        if self._manifest is not None:
            self._manifest.add(job, outcome)
        for done in outcome:
            if isinstance(done.result, Exception):
                self.report(done.result, done.source or done.target)
        return [done for done in outcome if isinstance(done.result, dict)]


def shares(jobs: Sequence[Job], device: str, most: int) -> tuple[int, int]:
    """Processes that share some jobs, and jobs that share each file: either several are shared, or one."""
    from inrcodec.kernels import select

    files = sum(len(job.items) if job.tar is None else most for job in jobs)
    count = processes(most, files, gain=select(device).device == "cpu")
    return count, most if count == 1 else 1
