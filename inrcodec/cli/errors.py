"""What an error becomes on the command line: a line and an exit code."""

import contextlib
import warnings
from collections.abc import Iterator

import click

from inrcodec.errors import FormatError, InputError, InrCodecError, LimitError, PictureWarning

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


@contextlib.contextmanager
def picture_warnings() -> Iterator[list[str]]:
    """Collects what is said about a picture, in the list that this yields, once it ends."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PictureWarning)
        try:
            yield messages
        finally:
            messages += dict.fromkeys(str(w.message) for w in caught if w.category is PictureWarning)


def report_warnings(messages: list[str], name: str) -> None:
    """Print what was said about a picture on stderr."""
    with contextlib.suppress(OSError):  # Standard error may be full.
        for message in messages:
            click.echo(f"inrcodec: {name}: warning: {message}", err=True)
