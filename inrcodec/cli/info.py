"""`inrcodec info`."""

import json
from dataclasses import asdict

import click

from inrcodec.cli.errors import EXPECTED_ERRORS, report_error
from inrcodec.cli.options import json_option
from inrcodec.runtime.atomic_files import read_input


@click.command()
@click.argument("source", metavar="FILE")
@json_option
@click.pass_context
def info(ctx: click.Context, source: str, as_json: bool) -> None:
    """Show the header of a .sinr file."""
    from inrcodec.codec import inspect

    try:
        fields = asdict(inspect(read_input(source)))
    except EXPECTED_ERRORS as exc:
        ctx.exit(report_error(exc, source))
    if as_json:
        click.echo(json.dumps(fields))
        return
    width = max(map(len, fields))
    for name, value in fields.items():
        shown = f"{value:.4g}" if isinstance(value, float) else value
        click.echo(f"{name.replace('_', ' '):<{width}}  {shown}")
