"""What encoding and decoding of many files have in common: the options, and how they are done."""

import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

from inrcodec.cli.batch import Batch, Shards, shares
from inrcodec.cli.cluster import equipped_cluster
from inrcodec.cli.jobs import Done, Maker, Work
from inrcodec.cli.manifest import Manifest
from inrcodec.cli.names import absolute
from inrcodec.cli.options import (
    cluster_option,
    device_option,
    force_option,
    jobs_option,
    recursive_option,
    skip_existing_option,
)
from inrcodec.runtime.atomic_files import STDIO


@dataclass(frozen=True)
class Request:
    """Which files there are to make, and who makes them; see `request_options`."""

    names: Sequence[str]
    output: str | None
    recursive: bool
    force: bool
    skip_existing: bool
    shards: Shards | None
    manifest: Path | None
    cluster: str | None
    jobs: int
    device: str


def request_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a `Request`, which the command gets in place of its inputs and output."""

    @wraps(command)
    def with_request(
        *args: Any,
        names: tuple[str, ...],
        output: str | None,
        recursive: bool,
        force: bool,
        skip_existing: bool,
        shards: str | None,
        shard_size: int,
        manifest: Path | None,
        cluster: str | None,
        jobs: int,
        device: str,
        **others: Any,
    ) -> Any:
        request = Request(
            names,
            output,
            recursive,
            force,
            skip_existing,
            None if shards is None else Shards(shards, shard_size),
            manifest,
            cluster,
            jobs,
            device,
        )
        return command(*args, request=request, **others)

    options = [
        recursive_option,
        click.option(
            "--shards",
            callback=_parse_pattern,
            metavar="PATTERN",
            help="Write into tar files, numbered as in out-%06d.tar, in place of -o.",
        ),
        click.option(
            "--shard-size",
            type=click.IntRange(min=1),
            default=1000,
            show_default=True,
            metavar="N",
            help="Files in a tar of --shards; of each tar that is read, one is made.",
        ),
        click.option(
            "--manifest",
            metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Note there what becomes of every file, and leave out what is written according to it.",
        ),
        cluster_option,
        device_option,
        jobs_option,
        force_option,
        skip_existing_option,
    ]
    for option in reversed(options):
        with_request = option(with_request)
    return with_request


def process(
    request: Request,
    suffix: str,
    suffixes: Collection[str],
    work: Callable[[int, bool], Work],
    tell: Callable[[Done], None],
    *,
    settings: dict[str, Any],
    silent: bool,
) -> int:
    """Make all that is asked for. What fails is reported, and does not stop the rest.

    Args:
        request: the files, and who makes them.
        suffix: of outputs that are not named.
        suffixes: of inputs in folders and tars, in lower case, with the dot.
        work: what is done with a file, given how many jobs share it and whether it may show a bar.
        tell: says of a file that it is made.
        settings: what decides the content of outputs, by name.
        silent: whether `tell` leaves standard output alone.

    Returns:
        The worst exit code.

    Raises:
        click.UsageError: the files need other options.
        EncodeError: a process died, or the cluster cannot be used or was lost.
        InputError: the manifest is none, or was made with other settings.
    """
    names, output, shards = list(request.names), request.output, request.shards
    if request.cluster is not None or request.manifest is not None:
        if STDIO in (*names, output):
            raise click.UsageError("--cluster and --manifest are not for standard input and output")
        # The same file from any folder, on any machine.
        names, output = [absolute(name) for name in names], output and absolute(output)
        shards = shards and replace(shards, pattern=absolute(shards.pattern))
    with ExitStack() as stack:
        manifest = request.manifest and stack.enter_context(Manifest(request.manifest, settings))
        batch = Batch(manifest or None)
        jobs = batch.plan(
            names,
            output,
            suffix,
            recursive=request.recursive,
            suffixes=suffixes,
            overwrite=request.force,
            skip_existing=request.skip_existing,
            shards=shards,
        )
        if not jobs:
            return batch.exit_code
        cluster = None
        count, each = shares(jobs, request.device, request.jobs)
        if request.cluster is not None:
            cluster = stack.enter_context(equipped_cluster(request.cluster, settings["codebook"]))
            count, each = 1, 1
        several = cluster is not None or count > 1
        bar = several and (silent or not sys.stdout.isatty())
        maker = Maker(work(each, not several), suffix, suffixes)
        for done in batch.run(maker, jobs, count=count, cluster=cluster, bar=bar):
            tell(done)
    return batch.exit_code


def _parse_pattern(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """What makes a name of a number."""
    try:
        if value is not None and value % 0 == value % 1:
            raise ValueError
    except (TypeError, ValueError) as error:
        raise click.BadParameter(f"{value!r} has no place for a number, as out-%06d.tar has") from error
    return value
