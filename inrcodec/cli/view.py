"""`inrcodec view`."""

import contextlib
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import click

from inrcodec.cli.errors import EXPECTED_ERRORS, picture_warnings, report_error, report_warnings
from inrcodec.cli.options import codebook_option, force_option
from inrcodec.runtime.atomic_files import STDIO, check_target, read_input, write_output


@click.command()
@click.argument("source", metavar="FILE")
@click.option("-o", "--output", metavar="PAGE", help="Write the page to an HTML file instead of showing it.")
@click.option("--compare", "original", metavar="IMAGE", help="Show the original, too, with a slider.")
@codebook_option
@force_option
def view(source: str, output: str | None, original: str | None, codebook: str | None, force: bool) -> None:
    """Look at a .sinr file in a browser, at any size.

    The page renders the file's functions at the screen's own resolution. It holds all that it needs:
    one that is written can be sent to anybody. Without -o it is served to this machine until Ctrl-C.
    """
    from inrcodec.container import MAGIC
    from inrcodec.limits import DEFAULT_LIMITS
    from inrcodec.pictures.files import read_picture
    from inrcodec.viewer.page import page_of
    from inrcodec.viewer.server import serving

    if output not in (None, STDIO):
        check_target(Path(str(output)), force)
    compared = None
    if original is not None:
        with _about(original), picture_warnings() as said:
            compared = read_picture(original)
        report_warnings(said, original)
    with _about(source):
        data = read_input(source, begins=MAGIC, largest=DEFAULT_LIMITS.max_file_bytes)
        page = page_of(data, "picture" if source == STDIO else Path(source).name, compared, codebook)
    if output is not None:
        write_output(output, page.html, overwrite=force)
        return
    with serving(page) as (address, server), contextlib.suppress(KeyboardInterrupt):
        click.echo(f"{address} (Ctrl-C ends)")
        webbrowser.open(address)
        server.serve_forever()


@contextlib.contextmanager
def _about(name: str) -> Iterator[None]:
    """Ends the command where an expected error happens, with a line that names a file."""
    try:
        yield
    except EXPECTED_ERRORS as exc:
        click.get_current_context().exit(report_error(exc, name))
