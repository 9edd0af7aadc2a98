"""`inrcodec info`."""

import json
from dataclasses import asdict

import click

from inrcodec.cli.batch import Batch
from inrcodec.cli.errors import EXPECTED_ERRORS
from inrcodec.cli.options import SINR_SUFFIX, json_option, recursive_option
from inrcodec.runtime.atomic_files import read_input


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILE...")
@recursive_option
@json_option
@click.pass_context
def info(ctx: click.Context, sources: tuple[str, ...], recursive: bool, as_json: bool) -> None:
    """Show the headers of .sinr files.

    JSON is one object per line. A failure does not stop the rest; the exit code is the worst one.
    """
    from inrcodec.codec import inspect
    from inrcodec.container import MAGIC
    from inrcodec.limits import DEFAULT_LIMITS

    batch = Batch()
    shown = False
    for file in batch.find(sources, recursive, {SINR_SUFFIX}):
        try:
            data = read_input(file.name, begins=MAGIC, largest=DEFAULT_LIMITS.max_file_bytes)
            fields = {"input": file.name} | asdict(inspect(data))
        except EXPECTED_ERRORS as exc:
            batch.report(exc, file.name)
            continue
        if as_json:
            click.echo(json.dumps(fields))
            continue
        if shown:
            click.echo()
        shown = True
        width = max(map(len, fields))
        for name, value in fields.items():
            text = f"{value:.4g}" if isinstance(value, float) else value
            click.echo(f"{name.replace('_', ' '):<{width}}  {text}")
    ctx.exit(batch.exit_code)
