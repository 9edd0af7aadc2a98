"""What an error becomes on the command line: a line and an exit code."""

import contextlib

import click

from inrcodec.errors import FormatError, InputError, InrCodecError, LimitError

EXPECTED_ERRORS = (InrCodecError, OSError, MemoryError)
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_BAD_INPUT = 3


def report_error(exc: Exception, name: str | None = None) -> int:
    """Print one line about an expected error on stderr; nothing if our output's reader has gone.

    Args:
        exc: one of `EXPECTED_ERRORS`, or an option that does not fit this input.
        name: the input it happened with, put before the message.

    Returns:
        The exit code it stands for.
    """
    if isinstance(exc, BrokenPipeError):
        return EXIT_FAILURE
    if isinstance(exc, OSError):
        named = name if exc.filename is None else exc.filename
        parts = ("''" if named == "" else named, exc.strerror or str(exc))
    else:
        parts = (name, "not enough memory" if isinstance(exc, MemoryError) else str(exc))
    message = ": ".join(" ".join(str(part).split()) for part in ("inrcodec", *parts) if part)
    with contextlib.suppress(OSError):  # Standard error may be full, too.
        click.echo(message, err=True)
    if isinstance(exc, click.UsageError):
        return EXIT_USAGE
    return EXIT_BAD_INPUT if isinstance(exc, InputError | FormatError | LimitError) else EXIT_FAILURE
