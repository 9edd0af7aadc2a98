"""The `inrcodec` command: its subcommands, and what an error becomes.

Nothing here imports numpy or torch; a subcommand's module imports them when it runs.
"""

import signal
import sys
from importlib import import_module
from typing import Any

import click

from inrcodec import __version__
from inrcodec.cli.errors import EXPECTED_ERRORS, report_error
from inrcodec.cli.streams import abandon_output, prepare_streams
from inrcodec.errors import InrCodecError

_EXIT_INTERRUPTED = 130
_EXIT_SIGNALLED = 128
"""Plus the signal's number."""
_ENDINGS = ("SIGTERM", "SIGHUP")

_COMMANDS = {
    "encode": "inrcodec.cli.encode:encode",
    "decode": "inrcodec.cli.decode:decode",
    "view": "inrcodec.cli.view:view",
    "info": "inrcodec.cli.info:info",
    "codebooks": "inrcodec.cli.codebooks:codebooks",
    "train": "inrcodec.cli.train:train",
    "bench": "inrcodec.bench.command:bench",
    "reproduce": "inrcodec.reproduce.command:reproduce",
}
_EXTRA_OF = {"torch": "torch", "distributed": "dask", "fsspec": "remote"} | dict.fromkeys(
    ("matplotlib", "skimage", "scipy", "ssimulacra2"), "bench"
)


class LazyGroup(click.Group):
    """Subcommands by name, imported when asked for; expected errors become one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of use."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the subcommand."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command, what is printed while its arguments are read included."""
        try:
            return super().main(*args, **kwargs)
        except EXPECTED_ERRORS as exc:
            sys.exit(report_error(exc))

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as exc:
            extra = _EXTRA_OF.get((exc.name or "").partition(".")[0])
            if extra is None:
                raise
            error = InrCodecError(f"this needs {exc.name}: pip install 'inrcodec[{extra}]'")
            ctx.exit(report_error(error))
        except (KeyboardInterrupt, click.Abort):
            click.echo("inrcodec: interrupted", err=True)
            ctx.exit(_EXIT_INTERRUPTED)


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from inrcodec.container import VERSION
        from inrcodec.kernels import select

        try:
            kernels = select().name
        except InrCodecError as exc:
            ctx.exit(report_error(exc))
        click.echo(f"inrcodec {__version__} (bitstream version {VERSION}, {kernels} kernels)")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 1 failed; 2 wrong usage; 3 corrupt or unsupported input; 130 interrupted.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the versions of the package and of the bitstream it writes, and the kernels in use.",
)
def cli() -> None:
    """A neural image codec: photos become small .sinr files that decode at any resolution.

    A file name of - stands for standard input or output. Existing files are kept unless -f is given.
    """


def _endings() -> list[signal.Signals]:
    """Signals of `_ENDINGS` that this system has."""
    return [number for number in signal.Signals if number.name in _ENDINGS]


def _end(number: int, _frame: object) -> None:
    """Unwinds like Ctrl-C does, so that unfinished outputs are removed; which no further signal stops."""
    for ending in _endings():
        signal.signal(ending, signal.SIG_IGN)
    sys.exit(_EXIT_SIGNALLED + number)


def main() -> None:
    """Entry point of the console script."""
    prepare_streams()
    for number in _endings():
        if signal.getsignal(number) is not signal.SIG_IGN:  # As `nohup` wants it.
            signal.signal(number, _end)
    try:
        cli(prog_name="inrcodec")
    finally:
        abandon_output()
